// SPDX-License-Identifier: GPL-2.0-only
/*
 * Synthetic MSRs for those who are not part of the core. The kernel's API tells two
 * kinds apart; in the partitions that the core supports they are the same.
 */
#include <linux/export.h>
#include <asm/msr.h>
#include <asm/mshyperv.h>

/**
 * hv_get_non_nested_msr() - read a synthetic MSR of the hypervisor right below
 * @reg: HV_X64_MSR_...
 *
 * Context: any. The MSR must be one that Hyper-V offers.
 * Return: its value.
 */
u64 hv_get_non_nested_msr(unsigned int reg)
{
	return native_read_msr(reg);
}
EXPORT_SYMBOL_GPL(hv_get_non_nested_msr);

/**
 * hv_set_non_nested_msr() - write a synthetic MSR of the hypervisor right below
 * @reg:   HV_X64_MSR_...
 * @value: what to write
 *
 * Context: any. The MSR must be one that Hyper-V offers.
 */
void hv_set_non_nested_msr(unsigned int reg, u64 value)
{
	wrmsrl(reg, value);
}
EXPORT_SYMBOL_GPL(hv_set_non_nested_msr);

/**
 * hv_get_msr() - read a synthetic MSR
 * @reg: HV_X64_MSR_...
 *
 * Context: as hv_get_non_nested_msr().
 * Return: its value.
 */
u64 hv_get_msr(unsigned int reg)
{
	return hv_get_non_nested_msr(reg);
}
EXPORT_SYMBOL_GPL(hv_get_msr);

/**
 * hv_set_msr() - write a synthetic MSR
 * @reg:   HV_X64_MSR_...
 * @value: what to write
 *
 * Context: as hv_set_non_nested_msr().
 */
void hv_set_msr(unsigned int reg, u64 value)
{
	hv_set_non_nested_msr(reg, value);
}
EXPORT_SYMBOL_GPL(hv_set_msr);
