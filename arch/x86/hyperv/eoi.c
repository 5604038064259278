// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of an interrupt without an exit, TLFS 10.3.5: where nothing waits for it,
 * Hyper-V says so in the VP assist page and the EOI is left out.
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/init.h>
#include <asm/apic.h>
#include <asm/mshyperv.h>

#include "core.h"

/* In apic_assist */
#define NO_EOI_REQUIRED	0

/*
 * One instruction, as the TLFS wants it; it need not be locked, as Hyper-V writes only
 * while this CPU does not run.
 */
static __always_inline bool none_required(void)
{
	struct hv_vp_assist_page *page = hv_vp_assist_page[smp_processor_id()];

	return page && __test_and_clear_bit(NO_EOI_REQUIRED, (unsigned long *)page);
}

static void hyperv_eoi_x2apic(void)
{
	if (!none_required())
		native_apic_msr_eoi();
}

static void hyperv_eoi_msr(void)
{
	if (!none_required())
		wrmsr(HV_X64_MSR_EOI, APIC_EOI_ACK, 0);
}

static void hyperv_eoi_mem(void)
{
	if (!none_required())
		native_apic_mem_eoi();
}

/**
 * hv_eoi_init() - leave EOIs out that nobody waits for
 *
 * Context: while the kernel boots; the APIC's driver is chosen.
 */
void __init hv_eoi_init(void)
{
	if (!hv_vp_assist_page)
		return;
	if (!hv_row_wanted(HV_ROW_EOI, ms_hyperv.features & HV_MSR_APIC_ACCESS_AVAILABLE))
		return;
	if (x2apic_mode)
		apic_update_callback(eoi, hyperv_eoi_x2apic)
	/* Cheaper than to have Hyper-V decode an access to memory */
	else if (ms_hyperv.hints & HV_X64_APIC_ACCESS_RECOMMENDED)
		apic_update_callback(eoi, hyperv_eoi_msr)
	else
		apic_update_callback(eoi, hyperv_eoi_mem)
	hv_row_in_use(HV_ROW_EOI);
}
