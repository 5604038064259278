/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's VMCS accessors on an enlightened VMCS: the seam to vmx_ops.h. Stands in
 * for the kernel's vmx_onhyperv.h.
 *
 * vmx_ops.h calls these where it would execute VMREAD, VMWRITE or VMPTRLD, and
 * like those instructions they act on the CPU's current VMCS. Code that means
 * one particular vCPU must not come through here: see clean_fields.h.
 */
#ifndef HVNEST_EVMCS_ACCESS_H
#define HVNEST_EVMCS_ACCESS_H

#include <linux/build_bug.h>
#include <linux/jump_label.h>
#include <linux/percpu.h>

#include <asm/hyperv-tlfs.h>
#include <asm/mshyperv.h>

#include "../hyperv_evmcs.h"	/* KVM_EVMCS_VERSION */
#include "../vmcs.h"

#include "clean_fields.h"

DECLARE_STATIC_KEY_FALSE(__kvm_is_using_evmcs);

/**
 * kvm_is_using_evmcs() - are this module's VMCSs enlightened ones?
 *
 * Settled while the module loads, before the first VMCS exists.
 *
 * Context: any, noinstr included.
 */
static __always_inline bool kvm_is_using_evmcs(void)
{
	return static_branch_unlikely(&__kvm_is_using_evmcs);
}

u64 evmcs_read_variable(unsigned long field);
void evmcs_write_variable(unsigned long field, u64 value);
void evmcs_load(u64 phys_addr);
struct vmcs_config;
void evmcs_sanitize_exec_ctrls(struct vmcs_config *vmcs_conf);

/*
 * The CPU's current eVMCS. vCPU load and put set it with preemption off, and
 * an access outside of those would be a bug for VMREAD just the same.
 */
static __always_inline void *evmcs_current(void)
{
	return this_cpu_read(current_vmcs);
}

/*
 * With a constant field all of this folds into one load or one store (plus the
 * comparison and the clean fields for a store); otherwise, or when eVMCS lacks
 * the field, it is a call.
 */
static __always_inline u64 evmcs_read(unsigned long field, u8 bytes)
{
	if (!__builtin_constant_p(field) || !evmcs_has_field(field))
		return evmcs_read_variable(field);

	BUILD_BUG_ON(__builtin_constant_p(field) && evmcs_has_field(field) &&
		     evmcs_slots[EVMCS_INDEX(field)].bytes != bytes);
	return evmcs_fetch(evmcs_current(), evmcs_slots[EVMCS_INDEX(field)]);
}

static __always_inline void evmcs_write(unsigned long field, u64 value, u8 bytes)
{
	if (!__builtin_constant_p(field) || !evmcs_has_field(field)) {
		evmcs_write_variable(field, value);
		return;
	}

	BUILD_BUG_ON(__builtin_constant_p(field) && evmcs_has_field(field) &&
		     evmcs_slots[EVMCS_INDEX(field)].bytes != bytes);
	evmcs_store(evmcs_current(), evmcs_slots[EVMCS_INDEX(field)], value);
}

/* The names that vmx_ops.h calls. A natural-width field is one of 64 bits. */
static __always_inline u16 evmcs_read16(unsigned long field)
{
	return evmcs_read(field, sizeof(u16));
}

static __always_inline u32 evmcs_read32(unsigned long field)
{
	return evmcs_read(field, sizeof(u32));
}

static __always_inline u64 evmcs_read64(unsigned long field)
{
	return evmcs_read(field, sizeof(u64));
}

static __always_inline void evmcs_write16(unsigned long field, u16 value)
{
	evmcs_write(field, value, sizeof(u16));
}

static __always_inline void evmcs_write32(unsigned long field, u32 value)
{
	evmcs_write(field, value, sizeof(u32));
}

static __always_inline void evmcs_write64(unsigned long field, u64 value)
{
	evmcs_write(field, value, sizeof(u64));
}

/**
 * evmcs_cleared() - VMCLEAR was executed on this VMCS
 * @vmcs: the VMCS, current or not
 *
 * L0 has dropped what it held of it.
 *
 * Context: any, NMI included (emergency disable of virtualization).
 */
static __always_inline void evmcs_cleared(struct vmcs *vmcs)
{
	if (kvm_is_using_evmcs())
		evmcs_forget(vmcs);
}

#endif /* HVNEST_EVMCS_ACCESS_H */
