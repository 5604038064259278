// SPDX-License-Identifier: GPL-2.0-only
/*
 * When this kernel ends or sleeps. The pages that it has told Hyper-V of would lie over
 * another kernel's memory: none is left behind.
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/cpuhotplug.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/kexec.h>
#include <linux/syscore_ops.h>
#include <asm/mshyperv.h>
#include <asm/reboot.h>

#include "core.h"

/**
 * hyperv_cleanup() - take back what the VM has told Hyper-V
 *
 * Context: any; one CPU is left.
 */
void hyperv_cleanup(void)
{
	hv_reenlightenment_stop();
	hv_hypercall_stop();
	hv_clock_stop();
}
EXPORT_SYMBOL_GPL(hyperv_cleanup);

#ifdef CONFIG_KEXEC_CORE
static void shutdown(void)
{
	if (!kexec_in_progress) {
		native_machine_shutdown();
		return;
	}
	hv_kexec_call_handler();
	/* Calls hv_cpu_stop() on each CPU: its pages are its own to give back. */
	cpuhp_remove_state(CPUHP_AP_HYPERV_ONLINE);
	native_machine_shutdown();
	hyperv_cleanup();
}
#endif

#ifdef CONFIG_CRASH_DUMP
/*
 * The other CPUs stop wherever they are, with their VP assist pages. Those lie in this
 * kernel's memory, of which the crash kernel uses none.
 */
static void crash_shutdown(struct pt_regs *regs)
{
	hv_crash_call_handler(regs);
	native_machine_crash_shutdown(regs);
	hv_vp_assist_stop(smp_processor_id());
	hyperv_cleanup();
}
#endif

/**
 * hv_shutdown_init() - be called when another kernel is started
 *
 * Context: while the kernel boots.
 */
void __init hv_shutdown_init(void)
{
#ifdef CONFIG_KEXEC_CORE
	machine_ops.shutdown = shutdown;
#endif
#ifdef CONFIG_CRASH_DUMP
	machine_ops.crash_shutdown = crash_shutdown;
#endif
}

/* CPU 0 alone is online, with interrupts off; the others have gone through hotplug. */
static int suspend(void)
{
	hv_reenlightenment_stop();
	hv_cpu_stop(0);
	hv_hypercall_suspend();
	return 0;
}

static void resume(void)
{
	hv_hypercall_resume();
	hv_cpu_start(0);
	hv_reenlightenment_resume();
}

#ifdef HAVE_REGISTER_SYSCORE

static int syscore_suspends(void *data)
{
	return suspend();
}

static void syscore_resumes(void *data)
{
	resume();
}

static const struct syscore_ops ops = { .suspend = syscore_suspends, .resume = syscore_resumes };
static struct syscore syscore = { .ops = &ops };

/**
 * hv_syscore_init() - be called when the system sleeps
 *
 * Context: while the kernel boots.
 */
void __init hv_syscore_init(void)
{
	register_syscore(&syscore);
}

#else

static struct syscore_ops ops = { .suspend = suspend, .resume = resume };

void __init hv_syscore_init(void)
{
	register_syscore_ops(&ops);
}

#endif
