// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long each CPU has run, as Hyper-V says. TLFS, "Virtual Processor Run Time Register":
 * an MSR of each processor counts units of 100 ns in which it runs the guest's code, or the
 * hypervisor's for it; not those in which it waits, or halts.
 *
 * To read it is an exit, and each CPU reads its own. It is for people who ask where the time
 * goes: file vp-runtime beside the file status, a line for each CPU that is online, CPU and
 * nanoseconds. It is no steal time for the scheduler: what is missing to the time that has
 * passed may as well be idleness, and the scheduler wants to know of other CPUs, often.
 */
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/seq_file.h>
#include <asm/mshyperv.h>
#include <asm/msr.h>

#include "core.h"

static bool wanted __ro_after_init;

/**
 * hv_vp_runtime_init() - prepare for the CPUs
 *
 * Context: while the kernel boots.
 */
void __init hv_vp_runtime_init(void)
{
	wanted = hv_row_wanted(HV_ROW_VP_RUNTIME,
			       ms_hyperv.features & HV_MSR_VP_RUNTIME_AVAILABLE);
}

/**
 * hv_vp_runtime_start() - does this CPU have it?
 * @cpu: this CPU
 *
 * Context: on @cpu, while it comes online, or as it resumes.
 */
void hv_vp_runtime_start(unsigned int cpu)
{
	u64 units;

	if (!wanted)
		return;
	if (rdmsrl_safe(HV_X64_MSR_VP_RUNTIME, &units))
		hv_row_refused(HV_ROW_VP_RUNTIME, "reading that of CPU %u faults", cpu);
	else
		hv_row_in_use(HV_ROW_VP_RUNTIME);
}

static int vp_runtime_show(struct seq_file *m, void *unused)
{
	unsigned int cpu;
	u64 units;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		if (!rdmsrl_safe_on_cpu(cpu, HV_X64_MSR_VP_RUNTIME, &units))
			seq_printf(m, "%u\t%llu\n", cpu, units * NS_PER_UNIT);
	}
	cpus_read_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vp_runtime);

/**
 * hv_vp_runtime_create_file() - show it, where all CPUs have it
 * @directory: in debugfs
 *
 * Context: while the kernel boots, when all CPUs are online; may sleep.
 */
void __init hv_vp_runtime_create_file(struct dentry *directory)
{
	if (hv_row_state(HV_ROW_VP_RUNTIME) == HV_IN_USE)
		debugfs_create_file("vp-runtime", 0400, directory, NULL, &vp_runtime_fops);
}
