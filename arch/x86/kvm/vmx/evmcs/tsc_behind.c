// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CPU whose TSC is behind the others'.
 *
 * The master clock takes TSCs that agree. The TSC page has one scale and one offset for all
 * CPUs, so where a CPU's TSC is behind (which Hyper-V hosts have let happen after
 * hibernation), the time that it makes of it is behind, too. A base taken there lies before
 * the last update of L1's clock, and what KVM makes of the difference is centuries; a base
 * taken elsewhere lies ahead of that CPU's TSC, and what a guest there makes of the
 * difference is as much.
 *
 * So there is no master clock once a CPU was seen to be behind: KVM then takes a base for
 * each vCPU, on the CPU where it is, and again when it moves, and a guest knows by the
 * missing flag that it has to compare. L2's TSC is treated as unstable, as it is. And the time
 * of such a base is not what L1's own clock says on that CPU, but the reference counter's.
 *
 * What tells is Hyper-V's reference counter, which does not depend on a TSC, but costs an exit
 * to L0. It is read when a CPU starts virtualization; on all CPUs when the page has changed; on
 * a CPU to which a vCPU comes, ten times a second at most; and where a CPU's time is before
 * L1's last update, for that alone is no proof: a base may be taken while L1 goes over to
 * another clock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/kvm_host.h>
#include <linux/workqueue.h>

#include <asm/hypervisor.h>
#include <asm/msr.h>
#include <asm/mshyperv.h>
#include <asm/vdso/clocksource.h>

#include "clock.h"

#define TICKS_PER_US	10
#define NS_PER_TICK	100

/*
 * The page and the counter may be rounded differently, and that is all that may be between
 * them: the TLFS has them agree.
 */
#define BEHIND_TICKS	(10 * TICKS_PER_US)

/* While vCPUs come and go, a CPU is checked when so much reference time has gone. */
#define CHECK_TICKS	(100 * 1000 * TICKS_PER_US)

/* When this CPU was checked for a vCPU, by its own reference time */
static DEFINE_PER_CPU(u64, checked);

/* A CPU's TSC is behind. Never cleared. */
static bool behind;

/* Between CLOCK_MONOTONIC_RAW and the reference time in ns, by the last tick */
static s64 raw_minus_reference;

/* The first one that was; written before the work that tells of it. */
static int first_cpu;
static u64 first_ticks;

static void tell(struct work_struct *work)
{
	pr_warn("CPU %d has a TSC that is %llu us behind Hyper-V's reference time: guests do without a master clock\n",
		first_cpu, first_ticks / TICKS_PER_US);
	/* Who takes a base from now on knows; this is for the bases that are there. */
	evmcs_clock_rebase();
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

/**
 * evmcs_tsc_behind_check() - compare this CPU's time with the reference counter
 *
 * Context: on a CPU that cannot change. Costs an exit to L0.
 */
void evmcs_tsc_behind_check(void)
{
	struct evmcs_tsc_sample sample;
	u64 counter;

	if (rdmsrl_safe(HV_X64_MSR_TIME_REF_COUNT, &counter) || !evmcs_clock_sample(&sample))
		return;
	/* Read later, the page has the later time. */
	if ((s64)(counter - sample.time) > BEHIND_TICKS)
		note(raw_smp_processor_id(), counter - sample.time);
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

/**
 * evmcs_tsc_behind_tick() - L1's clock was updated
 * @raw_ns:     CLOCK_MONOTONIC_RAW
 * @cycle_last: the reference time then
 *
 * Context: interrupts off, one at a time; L1's clocksource is the TSC page.
 */
void evmcs_tsc_behind_tick(u64 raw_ns, u64 cycle_last)
{
	WRITE_ONCE(raw_minus_reference, raw_ns - cycle_last * NS_PER_TICK);
}

/**
 * evmcs_ktime_get_raw() - CLOCK_MONOTONIC_RAW, on whatever CPU
 *
 * Context: any.
 */
ktime_t evmcs_ktime_get_raw(void)
{
	u64 counter;

	if (likely(!evmcs_tsc_is_behind()) || rdmsrl_safe(HV_X64_MSR_TIME_REF_COUNT, &counter))
		return ktime_get_raw();
	return ns_to_ktime(counter * NS_PER_TICK + READ_ONCE(raw_minus_reference));
}

/**
 * evmcs_tsc_behind_cpu_on() - see whether this CPU's TSC is behind
 *
 * Context: on a CPU that cannot change and is about to use virtualization.
 */
void evmcs_tsc_behind_cpu_on(void)
{
	if (hypervisor_is_type(X86_HYPER_MS_HYPERV) && !evmcs_tsc_is_behind())
		evmcs_tsc_behind_check();
}

static void check(void *unused)
{
	evmcs_tsc_behind_check();
}

/**
 * evmcs_tsc_behind_check_all() - see whether any CPU's TSC is behind
 *
 * Context: may sleep.
 */
void evmcs_tsc_behind_check_all(void)
{
	if (!evmcs_tsc_is_behind())
		on_each_cpu(check, NULL, 1);
}

/**
 * evmcs_tsc_behind_load() - a vCPU comes to this CPU
 * @vcpu:       which
 * @mode:       of L1's clocksource
 * @cycle_last: the reference time of the last update of L1's clock, read before
 *
 * Context: preemption off.
 */
void evmcs_tsc_behind_load(struct kvm_vcpu *vcpu, int mode, u64 cycle_last)
{
	struct evmcs_tsc_sample sample;

	if (mode != VDSO_CLOCKMODE_HVCLOCK || evmcs_tsc_is_behind() ||
	    !evmcs_clock_sample(&sample))
		return;
	if (likely(sample.time - __this_cpu_read(checked) < CHECK_TICKS &&
		   (s64)(sample.time - cycle_last) >= 0))
		return;
	__this_cpu_write(checked, sample.time);
	evmcs_tsc_behind_check();
	/* The guest may not go on by a base that lies ahead. */
	if (evmcs_tsc_is_behind())
		kvm_make_request(KVM_REQ_MASTERCLOCK_UPDATE, vcpu);
}

/**
 * evmcs_tsc_behind_base() - may a vCPU not count on from this base?
 * @tsc: of the base
 *
 * Context: on a CPU that cannot change.
 */
bool evmcs_tsc_behind_base(u64 tsc)
{
	if (likely((s64)(rdtsc_ordered() - tsc) >= 0))
		return false;
	evmcs_tsc_behind_check();
	return evmcs_tsc_is_behind();
}

/**
 * evmcs_tsc_behind_state() - for evmcs_clock_state()
 * @state: its part is filled in
 *
 * Context: any.
 */
void evmcs_tsc_behind_state(struct evmcs_clock_state *state)
{
	state->behind = evmcs_tsc_is_behind();
	state->cpu = first_cpu;
	state->behind_us = first_ticks / TICKS_PER_US;
}

/**
 * evmcs_tsc_behind_stop() - before the module goes
 *
 * Context: may sleep; no CPU uses virtualization.
 */
void evmcs_tsc_behind_stop(void)
{
	flush_work(&tell_work);
}
