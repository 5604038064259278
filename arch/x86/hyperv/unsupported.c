// SPDX-License-Identifier: GPL-2.0-only
/*
 * Partitions that take more than the core has: confidential VMs, the root partition, a
 * virtual trust level other than 0. They are recognised, and nothing of Hyper-V is used
 * in them. Below are the functions with which the kernel's API asks for them: they say no.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/bitfield.h>
#include <asm/mshyperv.h>

#include "core.h"

#ifdef CONFIG_HYPERV_VTL_MODE
/* Such a kernel runs at no other level than 2, and there only with code of its own. */
#error "hvnest's core has no support for virtual trust levels: CONFIG_HYPERV_VTL_MODE=n"
#endif

bool hv_root_partition;
EXPORT_SYMBOL_GPL(hv_root_partition);

bool hv_nested;
EXPORT_SYMBOL_GPL(hv_nested);

bool hyperv_paravisor_present;
EXPORT_SYMBOL_GPL(hyperv_paravisor_present);

/**
 * hv_unsupported_partition() - what kind of partition is this, if the core cannot serve it?
 *
 * TLFS 4.2.2: the partition privilege mask, and the leaf with the isolation
 * configuration.
 *
 * Context: while the kernel boots; ms_hyperv has the feature words.
 * Return: its name for a message, or NULL.
 */
const char * __init hv_unsupported_partition(void)
{
	/* Whoever wants to see the memory of a confidential VM may call it root, too. */
	if (ms_hyperv.priv_high & HV_ISOLATION) {
		u32 config = cpuid_ebx(HYPERV_CPUID_ISOLATION_CONFIG);

		switch (FIELD_GET(HV_ISOLATION_TYPE, config)) {
		case HV_ISOLATION_TYPE_NONE:
			return NULL;
		case HV_ISOLATION_TYPE_VBS:
			return "a VM isolated by VBS";
		case HV_ISOLATION_TYPE_SNP:
			return "a confidential VM (SEV-SNP)";
		case HV_ISOLATION_TYPE_TDX:
			return "a confidential VM (TDX)";
		default:
			return "an isolated VM of unknown kind";
		}
	}
	if (ms_hyperv.priv_high & HV_CPU_MANAGEMENT)
		return "the root partition";
	return NULL;
}

/**
 * hv_get_isolation_type() - how is this VM isolated from the host?
 *
 * Context: any.
 */
enum hv_isolation_type hv_get_isolation_type(void)
{
	return HV_ISOLATION_TYPE_NONE;
}
EXPORT_SYMBOL_GPL(hv_get_isolation_type);

/**
 * hv_is_isolation_supported() - is this VM isolated from the host?
 *
 * Context: any.
 */
bool hv_is_isolation_supported(void)
{
	return false;
}
EXPORT_SYMBOL_GPL(hv_is_isolation_supported);

/**
 * hv_isolation_type_snp() - is this a VM under SEV-SNP?
 *
 * Context: any.
 */
bool hv_isolation_type_snp(void)
{
	return false;
}
EXPORT_SYMBOL_GPL(hv_isolation_type_snp);

/**
 * hv_isolation_type_tdx() - is this a VM under TDX?
 *
 * Context: any.
 */
bool hv_isolation_type_tdx(void)
{
	return false;
}
EXPORT_SYMBOL_GPL(hv_isolation_type_tdx);

/**
 * hv_ghcb_hypercall() - a hypercall of a VM under SEV-SNP
 * @control:    as HvCalls have it
 * @input:      unused
 * @output:     unused
 * @input_size: unused
 *
 * Return: HV_STATUS_INVALID_HYPERCALL_CODE: there is none.
 */
u64 hv_ghcb_hypercall(u64 control, void *input, void *output, u32 input_size)
{
	return HV_STATUS_INVALID_HYPERCALL_CODE;
}
EXPORT_SYMBOL_GPL(hv_ghcb_hypercall);

/**
 * hv_tdx_hypercall() - a hypercall of a VM under TDX
 * @control: as HvCalls have it
 * @param1:  unused
 * @param2:  unused
 *
 * Return: HV_STATUS_INVALID_HYPERCALL_CODE: there is none.
 */
u64 hv_tdx_hypercall(u64 control, u64 param1, u64 param2)
{
	return HV_STATUS_INVALID_HYPERCALL_CODE;
}
EXPORT_SYMBOL_GPL(hv_tdx_hypercall);

/**
 * hv_map_ioapic_interrupt() - the root partition's
 * @ioapic_id: unused
 * @level:     unused
 * @vcpu:      unused
 * @vector:    unused
 * @entry:     unused
 *
 * Return: -EOPNOTSUPP.
 */
int hv_map_ioapic_interrupt(int ioapic_id, bool level, int vcpu, int vector,
			    struct hv_interrupt_entry *entry)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(hv_map_ioapic_interrupt);

/**
 * hv_unmap_ioapic_interrupt() - the root partition's
 * @ioapic_id: unused
 * @entry:     unused
 *
 * Return: -EOPNOTSUPP.
 */
int hv_unmap_ioapic_interrupt(int ioapic_id, struct hv_interrupt_entry *entry)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(hv_unmap_ioapic_interrupt);
