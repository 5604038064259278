// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VP assist page of each CPU, TLFS 7.8.7: what the hypervisor and a virtual
 * processor tell each other without an exit.
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/mshyperv.h>

#include "core.h"

/*
 * By CPU; NULL where none is active. Of a CPU that is offline it is the page that it
 * had: whoever looks at the CPU's state there still may.
 */
struct hv_vp_assist_page **hv_vp_assist_page;
EXPORT_SYMBOL_GPL(hv_vp_assist_page);

/* By CPU: the memory, kept while the CPU is offline or Hyper-V refuses it */
static struct hv_vp_assist_page **pages;

/* KVM takes this hint for a promise that there are pages. */
static void __init no_evmcs(void)
{
	ms_hyperv.hints &= ~HV_X64_ENLIGHTENED_VMCS_RECOMMENDED;
}

/**
 * hv_vp_assist_init() - prepare for the CPUs
 *
 * TLFS 2.4.4: the MSR belongs to the APIC's (AccessIntrCtrlRegs).
 *
 * Context: while the kernel boots.
 * Return: 0; -ENODEV where there will be no pages; -ENOMEM.
 */
int __init hv_vp_assist_init(void)
{
	if (!hv_row_wanted(HV_ROW_VP_ASSIST_PAGE,
			   ms_hyperv.features & HV_MSR_APIC_ACCESS_AVAILABLE)) {
		no_evmcs();
		return -ENODEV;
	}
	pages = kcalloc(nr_cpu_ids, sizeof(*pages), GFP_KERNEL);
	hv_vp_assist_page = kcalloc(nr_cpu_ids, sizeof(*pages), GFP_KERNEL);
	if (pages && hv_vp_assist_page)
		return 0;
	kfree(pages);
	kfree(hv_vp_assist_page);
	hv_vp_assist_page = NULL;
	no_evmcs();
	hv_row_refused(HV_ROW_VP_ASSIST_PAGE, "no memory");
	return -ENOMEM;
}

static const char *activate(struct hv_vp_assist_page *page)
{
	union hv_vp_assist_msr_contents msr = {
		.pfn = PHYS_PFN(__pa(page)),
		.enable = 1,
	};
	u64 result;

	if (wrmsrl_safe(HV_X64_MSR_VP_ASSIST_PAGE, msr.as_uint64))
		return "Hyper-V refuses the write of its MSR";
	if (rdmsrl_safe(HV_X64_MSR_VP_ASSIST_PAGE, &result) || result != msr.as_uint64)
		return "Hyper-V ignores the write of its MSR";
	return NULL;
}

/**
 * hv_vp_assist_start() - give this CPU its page
 * @cpu: this CPU
 *
 * Where that fails, the CPU does without.
 *
 * Context: on @cpu, while it comes online (may sleep) or resumes (interrupts off; it
 * has its memory).
 */
void hv_vp_assist_start(unsigned int cpu)
{
	const char *problem = "no memory";

	if (!hv_vp_assist_page)
		return;
	if (!pages[cpu])
		pages[cpu] = hv_alloc_hyperv_zeroed_page();
	if (pages[cpu])
		problem = activate(pages[cpu]);
	hv_vp_assist_page[cpu] = problem ? NULL : pages[cpu];
	if (problem)
		hv_row_refused(HV_ROW_VP_ASSIST_PAGE, "CPU %u: %s", cpu, problem);
	else
		hv_row_in_use(HV_ROW_VP_ASSIST_PAGE);
}

/**
 * hv_vp_assist_stop() - take this CPU's page from Hyper-V
 * @cpu: this CPU
 *
 * Context: on @cpu, while it goes offline, suspends, or stops for another kernel.
 */
void hv_vp_assist_stop(unsigned int cpu)
{
	unsigned long flags;

	if (!hv_vp_assist_page || !hv_vp_assist_page[cpu])
		return;
	local_irq_save(flags);
	wrmsrl_safe(HV_X64_MSR_VP_ASSIST_PAGE, 0);
	/* A KVM leaves what it wrote: each interrupt from here on has its EOI. */
	WRITE_ONCE(hv_vp_assist_page[cpu]->apic_assist, 0);
	local_irq_restore(flags);
}
