/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One vCPU and its enlightened VMCSs: creation, load, and the return from the
 * guest.
 */
#ifndef HVNEST_EVMCS_VCPU_H
#define HVNEST_EVMCS_VCPU_H

#include "../vmx.h"

#include "access.h"

void evmcs_vcpu_create(struct vcpu_vmx *vmx);
void __evmcs_vcpu_load(struct vcpu_vmx *vmx);

/**
 * evmcs_vcpu_load() - a VMCS of this vCPU has become current on this CPU
 * @vmx: the vCPU; its loaded_vmcs says which VMCS
 *
 * Context: preemption off.
 */
static __always_inline void evmcs_vcpu_load(struct vcpu_vmx *vmx)
{
	if (kvm_is_using_evmcs())
		__evmcs_vcpu_load(vmx);
}

/**
 * evmcs_after_run() - back from an attempt to enter the guest
 * @vmx: the vCPU; its fail and exit_reason say how the attempt went
 *
 * When the entry failed, L0 may have loaded some groups and not others.
 *
 * Context: interrupts off, on the CPU that made the attempt.
 */
static __always_inline void evmcs_after_run(struct vcpu_vmx *vmx)
{
	if (kvm_is_using_evmcs())
		evmcs_after_entry(vmx->loaded_vmcs->vmcs,
				  likely(!vmx->fail &&
					 !vmx->exit_reason.failed_vmentry));
}

#endif /* HVNEST_EVMCS_VCPU_H */
