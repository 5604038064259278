/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The enlightened MSR bitmap (TLFS, "Enlightened MSR Bitmap"): L0 does not look
 * at the bitmap of an eVMCS until L1 says that it changed.
 *
 * A reload costs L0 a merge of two bitmaps, so L1 says it only when a bit did
 * change. KVM sets and clears bits without looking, e.g. for all MSRs when
 * user space installs a filter.
 *
 * Always by vmcs01, never by the CPU's current VMCS, which may be another
 * vCPU's: bits change while vCPUs are created, with preemption on.
 *
 * Context for all: the vCPU's mutex is held, or the vCPU is being created.
 */
#ifndef HVNEST_EVMCS_MSR_BITMAP_H
#define HVNEST_EVMCS_MSR_BITMAP_H

#include "../vmx.h"

#include "access.h"

/**
 * evmcs_msr_bitmap_changed() - the vCPU's own MSR bitmap has changed
 * @vmx: the vCPU
 */
static inline void evmcs_msr_bitmap_changed(struct vcpu_vmx *vmx)
{
	if (kvm_is_using_evmcs())
		evmcs_dirty(vmx->vmcs01.vmcs, EVMCS_MSR_BITMAP);
}

/**
 * evmcs_intercept_msr() - set or clear one bit of the vCPU's own MSR bitmap
 * @vmx:       the vCPU
 * @bitmap:    vmcs01's MSR bitmap
 * @msr:       the MSR
 * @type:      MSR_TYPE_R or MSR_TYPE_W
 * @intercept: the bit's new value
 */
static inline void evmcs_intercept_msr(struct vcpu_vmx *vmx,
				       unsigned long *bitmap, u32 msr,
				       int type, bool intercept)
{
	bool was;

	if (type == MSR_TYPE_R) {
		was = vmx_test_msr_bitmap_read(bitmap, msr);
		if (intercept)
			vmx_set_msr_bitmap_read(bitmap, msr);
		else
			vmx_clear_msr_bitmap_read(bitmap, msr);
	} else {
		was = vmx_test_msr_bitmap_write(bitmap, msr);
		if (intercept)
			vmx_set_msr_bitmap_write(bitmap, msr);
		else
			vmx_clear_msr_bitmap_write(bitmap, msr);
	}

	if (was != intercept)
		evmcs_msr_bitmap_changed(vmx);
}

#endif /* HVNEST_EVMCS_MSR_BITMAP_H */
