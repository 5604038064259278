// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hyper-V's reference TSC page (TLFS, "Timers": partition reference time enlightenment) as
 * the base of the guests' clocks.
 *
 * KVM gives all vCPUs of a guest one base, a time and the TSC's value then, from which
 * each counts on by its own TSC: the master clock. That takes TSCs that agree. The page has
 * one scale and one offset for all CPUs, so where a CPU's TSC is behind (which Hyper-V
 * hosts have let happen after hibernation), the time that it makes of it is behind, too.
 * A base taken there lies before the last update of L1's clock, and what KVM makes of the
 * difference is centuries; a base taken elsewhere lies ahead of that CPU's TSC, and what
 * a guest there makes of the difference is as much.
 *
 * So there is no master clock once a CPU was seen to be behind: KVM then takes a base for
 * each vCPU, on the CPU where it is, and again when it moves, and a guest knows by the
 * missing flag that it has to compare. L2's TSC is treated as unstable, as it is.
 *
 * What tells is Hyper-V's reference counter, which does not depend on a TSC. It is read when
 * a CPU starts virtualization, and later when the CPU's time is before L1's last update. That
 * alone is no proof: a base may be taken while L1 goes over to another clock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/kvm_host.h>
#include <linux/workqueue.h>

#include <asm/hypervisor.h>
#include <asm/mshyperv.h>
#include <asm/msr.h>

#include <clocksource/hyperv_timer.h>

#include "clock.h"

/* The reference time counts 100 ns. */
#define TICKS_PER_US	10

/*
 * The page and the counter may be rounded differently, and that is all that may be between
 * them: the TLFS has them agree.
 */
#define BEHIND_TICKS	(10 * TICKS_PER_US)

void (*evmcs_clock_behind_op)(int cpu, u64 microseconds);
EXPORT_SYMBOL_GPL(evmcs_clock_behind_op);

/* A CPU's TSC is behind. Never cleared. */
static bool behind;

/* The first one that was; written before the work that tells of it. */
static int first_cpu;
static u64 first_ticks;

static void tell(struct work_struct *work)
{
	u64 microseconds = first_ticks / TICKS_PER_US;
	struct kvm_vcpu *vcpu;
	struct kvm *kvm;
	unsigned long i;

	pr_warn("CPU %d has a TSC that is %llu us behind Hyper-V's reference time: guests do without a master clock\n",
		first_cpu, microseconds);
	if (evmcs_clock_behind_op)
		evmcs_clock_behind_op(first_cpu, microseconds);

	/* Who takes a base from now on knows; this is for the bases that are there. */
	mutex_lock(&kvm_lock);
	list_for_each_entry(kvm, &vm_list, vm_list) {
		kvm_for_each_vcpu(i, vcpu, kvm) {
			kvm_make_request(KVM_REQ_MASTERCLOCK_UPDATE, vcpu);
			kvm_vcpu_kick(vcpu);
		}
	}
	mutex_unlock(&kvm_lock);
}

static DECLARE_WORK(tell_work, tell);

static void note(int cpu, u64 ticks)
{
	if (xchg(&behind, true))
		return;
	first_cpu = cpu;
	first_ticks = ticks;
	schedule_work(&tell_work);
}

/* Compares this CPU's time with the reference counter; costs an exit to L0. */
static void check_this_cpu(void)
{
	u64 counter, tsc, time;

	if (rdmsrl_safe(HV_X64_MSR_TIME_REF_COUNT, &counter) ||
	    !hv_read_tsc_page_tsc(hv_get_tsc_page(), &tsc, &time))
		return;
	/* Read later, the page has the later time. */
	if ((s64)(counter - time) > BEHIND_TICKS)
		note(raw_smp_processor_id(), counter - time);
}

/**
 * evmcs_tsc_is_behind() - was a CPU seen whose TSC is behind?
 *
 * Context: any.
 */
bool evmcs_tsc_is_behind(void)
{
	return READ_ONCE(behind);
}
EXPORT_SYMBOL_GPL(evmcs_tsc_is_behind);

/**
 * evmcs_read_tsc_page() - take a base for the guests' clocks
 * @cycle_last: the reference time of the last update of L1's clock
 * @tsc:        set to this CPU's TSC
 * @time:       set to the reference time then, in 100 ns; not before @cycle_last
 *
 * Context: preemption off.
 * Return: false if there is no such base: Hyper-V has declared the page invalid, or the
 * CPUs' TSCs do not agree.
 */
bool evmcs_read_tsc_page(u64 cycle_last, u64 *tsc, u64 *time)
{
	if (evmcs_tsc_is_behind() || !hv_read_tsc_page_tsc(hv_get_tsc_page(), tsc, time))
		return false;
	if (likely((s64)(*time - cycle_last) >= 0))
		return true;
	check_this_cpu();
	return false;
}

/**
 * evmcs_clock_cpu_on() - see whether this CPU's TSC is behind
 *
 * Context: on a CPU that cannot change and is about to use virtualization.
 */
void evmcs_clock_cpu_on(void)
{
	if (hypervisor_is_type(X86_HYPER_MS_HYPERV) && !evmcs_tsc_is_behind())
		check_this_cpu();
}

/**
 * evmcs_clock_stop() - before the module goes
 *
 * Context: may sleep; there is no VM.
 */
void evmcs_clock_stop(void)
{
	flush_work(&tell_work);
}
