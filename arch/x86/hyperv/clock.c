// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hyper-V's reference time: by the TSC page without an exit, or else by the reference
 * counter, an MSR.
 *
 * TLFS 12.6: both count units of 100 ns since the partition was created. A page whose
 * sequence is 0 says nothing, and the counter is to be read; so there is no page without
 * the counter. The page's arithmetic is in the kernel's hv_read_tsc_page_tsc(), which the
 * vDSO shares.
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/clocksource.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <clocksource/hyperv_timer.h>
#include <asm/mshyperv.h>
#include <asm/paravirt.h>
#include <asm/tsc.h>
#include <vdso/vsyscall.h>

#include "core.h"

/* The page and the counter are read one after the other, with an exit between them. */
#define MOST_APART	(HV_CLOCK_HZ / 10)

/*
 * Above what else there is, as the TSC's rate may change; below the TSC where that is
 * promised to be invariant
 */
#define RATING_ABOVE_TSC	500
#define RATING_BELOW_TSC	250

/* Hyper-V's from the page's activation on. Its sequence is 0 whenever it is not active. */
static union {
	struct ms_hyperv_tsc_page tsc;
	u8 whole[PAGE_SIZE];
} reference __aligned(PAGE_SIZE);

static bool page_in_use __ro_after_init;

/* The reference time at which sched_clock() was 0, and that of the last suspend */
static u64 sched_clock_zero;
static u64 suspended_at;

static void (*save_sched_clock)(void) __ro_after_init;
static void (*restore_sched_clock)(void) __ro_after_init;

static __always_inline u64 counter(void)
{
	return __rdmsr(HV_X64_MSR_TIME_REF_COUNT);
}

static __always_inline u64 reference_time(void)
{
	u64 tsc, time;

	if (likely(hv_read_tsc_page_tsc(&reference.tsc, &tsc, &time)))
		return time;
	return counter();
}

static u64 no_counter(void)
{
	return 0;
}

static u64 notrace read_counter(void)
{
	return counter();
}

static u64 notrace read_page(void)
{
	return reference_time();
}

/* For all: reads Hyper-V's reference time in units of 100 ns; 0 where there is none. */
typeof(no_counter) *hv_read_reference_counter = no_counter;
EXPORT_SYMBOL_GPL(hv_read_reference_counter);

/**
 * hv_get_tsc_pfn() - the frame of the TSC page, for the vDSO
 *
 * Context: any.
 * Return: 0 where no page is in use.
 */
unsigned long hv_get_tsc_pfn(void)
{
	return page_in_use ? PHYS_PFN(__pa_symbol(&reference)) : 0;
}
EXPORT_SYMBOL_GPL(hv_get_tsc_pfn);

/**
 * hv_get_tsc_page() - the TSC page, for KVM
 *
 * Context: any.
 * Return: never NULL; where no page is in use, one with the sequence 0.
 */
struct ms_hyperv_tsc_page *hv_get_tsc_page(void)
{
	return &reference.tsc;
}
EXPORT_SYMBOL_GPL(hv_get_tsc_page);

/* TLFS 12.6.2: the page lies over ours, or (KVM) is written into it. */
static int activate_page(void)
{
	union hv_reference_tsc_msr msr = {
		.enable = 1,
		.pfn = PHYS_PFN(__pa_symbol(&reference)),
	};
	u64 result;

	if (wrmsrl_safe(HV_X64_MSR_REFERENCE_TSC, msr.as_uint64) ||
	    rdmsrl_safe(HV_X64_MSR_REFERENCE_TSC, &result))
		return -EIO;
	return result == msr.as_uint64 ? 0 : -EIO;
}

static void deactivate_page(void)
{
	wrmsrl_safe(HV_X64_MSR_REFERENCE_TSC, 0);
	/* A KVM leaves what it wrote. From here on all take the counter. */
	WRITE_ONCE(reference.tsc.tsc_sequence, 0);
}

static u64 notrace read_counter_cs(struct clocksource *cs)
{
	return counter();
}

static u64 notrace read_page_cs(struct clocksource *cs)
{
	return reference_time();
}

static int enable_page_cs(struct clocksource *cs)
{
	vclocks_set_used(VDSO_CLOCKMODE_HVCLOCK);
	return 0;
}

static void suspend_page_cs(struct clocksource *cs)
{
	deactivate_page();
}

static void resume_page_cs(struct clocksource *cs)
{
	if (activate_page())
		pr_warn("no TSC page after the suspend: reading the counter\n");
}

static struct clocksource page_cs = {
	.name = "hyperv_clocksource_tsc_page",
	.mask = CLOCKSOURCE_MASK(64),
	.flags = CLOCK_SOURCE_IS_CONTINUOUS,
	.vdso_clock_mode = VDSO_CLOCKMODE_HVCLOCK,
	.read = read_page_cs,
	.enable = enable_page_cs,
	.suspend = suspend_page_cs,
	.resume = resume_page_cs,
};

/* 5 less: of two that tell the same time, the one that is cheap */
static struct clocksource counter_cs = {
	.name = "hyperv_clocksource_msr",
	.mask = CLOCKSOURCE_MASK(64),
	.flags = CLOCK_SOURCE_IS_CONTINUOUS,
	.read = read_counter_cs,
};

static u64 noinstr hyperv_sched_clock(void)
{
	return (reference_time() - sched_clock_zero) * NS_PER_UNIT;
}

/* After hibernation there is another partition, whose time begins anew. */
static void save_state(void)
{
	save_sched_clock();
	suspended_at = reference_time();
}

static void restore_state(void)
{
	sched_clock_zero += reference_time() - suspended_at;
	restore_sched_clock();
}

static void __init take_over_sched_clock(void)
{
	sched_clock_zero = reference_time();
	paravirt_set_sched_clock(hyperv_sched_clock);
	save_sched_clock = x86_platform.save_sched_clock_state;
	restore_sched_clock = x86_platform.restore_sched_clock_state;
	x86_platform.save_sched_clock_state = save_state;
	x86_platform.restore_sched_clock_state = restore_state;
}

/*
 * Does the page tell the counter's time, which was @before a moment ago? One that says
 * nothing yet may do so later.
 */
static bool __init page_is_right(u64 before)
{
	u64 tsc, time;

	if (!hv_read_tsc_page_tsc(&reference.tsc, &tsc, &time))
		return true;
	return time + MOST_APART >= before && time <= counter() + MOST_APART;
}

static bool __init start_counter(bool tsc_stays, u64 *time)
{
	if (!hv_row_wanted(HV_ROW_REFERENCE_COUNTER,
			   ms_hyperv.features & HV_MSR_TIME_REF_COUNT_AVAILABLE))
		return false;
	if (rdmsrl_safe(HV_X64_MSR_TIME_REF_COUNT, time)) {
		hv_row_refused(HV_ROW_REFERENCE_COUNTER, "reading it faults");
		return false;
	}
	hv_read_reference_counter = read_counter;
	counter_cs.rating = (tsc_stays ? RATING_BELOW_TSC : RATING_ABOVE_TSC) - 5;
	clocksource_register_hz(&counter_cs, HV_CLOCK_HZ);
	hv_frequency_measure();
	hv_row_in_use(HV_ROW_REFERENCE_COUNTER);
	return true;
}

static void __init start_page(bool tsc_stays, u64 before)
{
	if (!hv_row_wanted(HV_ROW_REFERENCE_TSC,
			   ms_hyperv.features & HV_MSR_REFERENCE_TSC_AVAILABLE))
		return;
	if (activate_page()) {
		hv_row_refused(HV_ROW_REFERENCE_TSC, "its MSR does not take the page's address");
		return;
	}
	if (!page_is_right(before)) {
		deactivate_page();
		hv_row_refused(HV_ROW_REFERENCE_TSC, "it tells another time than the counter");
		return;
	}
	page_in_use = true;
	hv_read_reference_counter = read_page;
	page_cs.rating = tsc_stays ? RATING_BELOW_TSC : RATING_ABOVE_TSC;
	clocksource_register_hz(&page_cs, HV_CLOCK_HZ);
	/* Never by the counter: an exit each time is too dear */
	if (!tsc_stays)
		take_over_sched_clock();
	hv_row_in_use(HV_ROW_REFERENCE_TSC);
}

/**
 * hv_clock_init() - use the reference time as clock
 *
 * Context: while the kernel boots, after hv_invariant_tsc_init().
 */
void __init hv_clock_init(void)
{
	bool tsc_stays = hv_row_state(HV_ROW_INVARIANT_TSC) == HV_IN_USE;
	u64 time;

	if (start_counter(tsc_stays, &time)) {
		start_page(tsc_stays, time);
		/* sched_clock() has its other source by now, and stays stable. */
		if (!tsc_stays)
			mark_tsc_unstable("its rate may change when Hyper-V migrates this VM");
	} else if (hv_row_wanted(HV_ROW_REFERENCE_TSC,
				 ms_hyperv.features & HV_MSR_REFERENCE_TSC_AVAILABLE)) {
		hv_row_refused(HV_ROW_REFERENCE_TSC, "there is no counter to fall back on");
	}
}

/**
 * hv_clock_stop() - give the TSC page back
 *
 * The clock goes on by the counter.
 *
 * Context: any; one CPU is left.
 */
void hv_clock_stop(void)
{
	if (page_in_use)
		deactivate_page();
}
