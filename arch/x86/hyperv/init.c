// SPDX-License-Identifier: GPL-2.0-only
/*
 * What takes memory, for the VM and for each CPU; see detect.c for what comes earlier.
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/cpuhotplug.h>
#include <linux/init.h>
#include <asm/mshyperv.h>

#include "core.h"

/**
 * hv_cpu_start() - what each CPU has of Hyper-V
 * @cpu: this CPU
 *
 * Context: on @cpu, while it comes online (may sleep), or as it resumes.
 * Return: 0 or -ENOMEM.
 */
int hv_cpu_start(unsigned int cpu)
{
	int error = hv_common_cpu_init(cpu);

	if (error)
		return error;
	if (ms_hyperv.features & HV_MSR_VP_INDEX_AVAILABLE) {
		if (hv_vp_index[cpu] == VP_INVAL)
			hv_row_refused(HV_ROW_VP_INDEX, "reading that of CPU %u faults", cpu);
		else
			hv_row_in_use(HV_ROW_VP_INDEX);
	}
	hv_vp_assist_start(cpu);
	hv_vp_runtime_start(cpu);
	return 0;
}

/**
 * hv_cpu_stop() - take it back
 * @cpu: this CPU
 *
 * Context: on @cpu, while it goes offline (may sleep), or as it suspends.
 * Return: 0.
 */
int hv_cpu_stop(unsigned int cpu)
{
	hv_reenlightenment_leave(cpu);
	hv_vp_assist_stop(cpu);
	return hv_common_cpu_die(cpu);
}

static void __init gpa_flush_init(void)
{
	bool offered = ms_hyperv.nested_features & HV_X64_NESTED_GUEST_MAPPING_FLUSH;

	if (hv_row_wanted(HV_ROW_GPA_FLUSH, offered)) {
		if (hv_hypercall_pg) {
			hv_row_in_use(HV_ROW_GPA_FLUSH);
			return;
		}
		hv_row_refused(HV_ROW_GPA_FLUSH, "there is no hypercall page");
	}
	/* For KVM */
	ms_hyperv.nested_features &= ~HV_X64_NESTED_GUEST_MAPPING_FLUSH;
}

/**
 * hyperv_init() - set up what takes memory
 *
 * Whatever fails is left out: the kernel boots without it.
 *
 * Context: x86_platform.apic_post_init, while the kernel boots: one CPU, whose APIC is
 * not enabled yet.
 */
void __init hyperv_init(void)
{
	int error = hv_common_init();

	if (error) {
		pr_err("no memory for the CPUs' pages: neither hypercalls nor eVMCS\n");
		ms_hyperv.hints &= ~HV_X64_ENLIGHTENED_VMCS_RECOMMENDED;
		return;
	}
	hv_hypercall_start();
	hv_vp_assist_init();
	hv_vp_runtime_init();
	error = cpuhp_setup_state(CPUHP_AP_HYPERV_ONLINE, "x86/hyperv:online", hv_cpu_start,
				  hv_cpu_stop);
	if (error < 0)
		pr_err("cannot set up the CPUs: error %d\n", error);
	gpa_flush_init();
	hv_eoi_init();
	hv_reenlightenment_init();
	hv_platform_pci_init();
	hv_syscore_init();
	hv_rows_say();
}
