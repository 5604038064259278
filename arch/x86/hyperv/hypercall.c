// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hypercall page, TLFS 3.13: a page of code by which this VM calls Hyper-V. The
 * calls themselves are inline in asm/mshyperv.h, with input and output in per-CPU pages
 * (drivers/hv/core_vp.c).
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/set_memory.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <asm/ibt.h>
#include <asm/mshyperv.h>

#include "core.h"

/* No call has it: the status that comes back says so, and nothing happens. */
#define NO_CALL	0

/* In HV_X64_MSR_HYPERCALL: may not be written any more */
#define LOCKED	BIT_ULL(1)

/* In the guest's identity, TLFS 2.6 */
#define VERSION	KERNEL_VERSION(LINUX_VERSION_MAJOR, LINUX_VERSION_PATCHLEVEL, \
			       LINUX_VERSION_SUBLEVEL)

/* NULL while there is none */
void *hv_hypercall_pg;
EXPORT_SYMBOL_GPL(hv_hypercall_pg);

/* The same, also while the page is not active */
static void *page;

/**
 * hv_is_hyperv_initialized() - can Hyper-V be called?
 *
 * Context: any.
 */
bool hv_is_hyperv_initialized(void)
{
	return hv_hypercall_pg;
}
EXPORT_SYMBOL_GPL(hv_is_hyperv_initialized);

/* TLFS 3.13: the guest's identity comes first, else the page cannot be enabled. */
static const char *activate(void)
{
	union hv_x64_msr_hypercall_contents msr = {
		.enable = 1,
		.guest_physical_address = vmalloc_to_pfn(page),
	};
	u64 result;

	if (wrmsrl_safe(HV_X64_MSR_GUEST_OS_ID, hv_generate_guest_id(VERSION)))
		return "Hyper-V refuses the guest's identity";
	if (wrmsrl_safe(HV_X64_MSR_HYPERCALL, msr.as_uint64))
		return "Hyper-V refuses the write of its MSR";
	if (rdmsrl_safe(HV_X64_MSR_HYPERCALL, &result) || (result & ~LOCKED) != msr.as_uint64)
		return "Hyper-V ignores the write of its MSR";
	if (!memchr_inv(page, 0, PAGE_SIZE))
		return "it has no code";
	return NULL;
}

static void deactivate(void)
{
	wrmsrl_safe(HV_X64_MSR_HYPERCALL, 0);
	wrmsrl_safe(HV_X64_MSR_GUEST_OS_ID, 0);
}

/*
 * Calls to the page are indirect. Hyper-Vs that virtualize IBT have been seen without an
 * ENDBR at its begin; IBT is not enabled yet.
 */
static void __init check_ibt(void)
{
#ifdef CONFIG_X86_KERNEL_IBT
	if (!boot_cpu_has(X86_FEATURE_IBT) || is_endbr(*(u32 *)page))
		return;
	setup_clear_cpu_cap(X86_FEATURE_IBT);
	pr_warn("no IBT: the hypercall page does not begin with ENDBR\n");
#endif
}

static const char * __init start(void)
{
	const char *problem;

	page = __vmalloc_node_range(PAGE_SIZE, 1, VMALLOC_START, VMALLOC_END,
				    GFP_KERNEL | __GFP_ZERO, PAGE_KERNEL_ROX,
				    VM_FLUSH_RESET_PERMS, NUMA_NO_NODE, hv_hypercall_start);
	if (!page)
		return "no memory";
	problem = activate();
	if (problem)
		return problem;
	check_ibt();
	hv_hypercall_pg = page;
	if (hv_result_success(hv_do_hypercall(NO_CALL, NULL, NULL))) {
		hv_hypercall_pg = NULL;
		return "it takes a call that does not exist";
	}
	return NULL;
}

/**
 * hv_hypercall_start() - say who we are, and have a hypercall page
 *
 * Context: while the kernel boots, one CPU.
 * Return: 0 or -ENODEV; hv_hypercall_pg is NULL then.
 */
int __init hv_hypercall_start(void)
{
	const char *problem;

	if (!hv_row_wanted(HV_ROW_HYPERCALL_PAGE, ms_hyperv.features & HV_MSR_HYPERCALL_AVAILABLE))
		return -ENODEV;
	problem = start();
	if (problem) {
		deactivate();
		vfree(page);
		page = NULL;
		hv_row_refused(HV_ROW_HYPERCALL_PAGE, "%s", problem);
		return -ENODEV;
	}
	hv_row_in_use(HV_ROW_HYPERCALL_PAGE);
	return 0;
}

/**
 * hv_hypercall_stop() - give the page back, and the guest's identity
 *
 * Calls fail from here on, those of hv_do_hypercall() with a status.
 *
 * Context: any; one CPU is left.
 */
void hv_hypercall_stop(void)
{
	if (!page)
		return;
	WRITE_ONCE(hv_hypercall_pg, NULL);
	deactivate();
}

/**
 * hv_hypercall_suspend() - as hv_hypercall_stop(), for a while
 *
 * Context: interrupts off, one CPU.
 */
void hv_hypercall_suspend(void)
{
	hv_hypercall_stop();
}

/**
 * hv_hypercall_resume() - have the page again
 *
 * Context: as hv_hypercall_suspend().
 */
void hv_hypercall_resume(void)
{
	const char *problem;

	if (!page)
		return;
	problem = activate();
	if (problem)
		hv_row_refused(HV_ROW_HYPERCALL_PAGE, "after the suspend: %s", problem);
	else
		WRITE_ONCE(hv_hypercall_pg, page);
}
