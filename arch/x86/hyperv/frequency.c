// SPDX-License-Identifier: GPL-2.0-only
/*
 * How fast the TSC and the APIC timer count, whether the TSC's rate stays, and that time
 * may pass without notice (relaxed timing).
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/init.h>
#include <linux/math64.h>
#include <linux/nmi.h>
#include <clocksource/hyperv_timer.h>
#include <asm/apic.h>
#include <asm/io_apic.h>
#include <asm/mshyperv.h>
#include <asm/timer.h>
#include <asm/tsc.h>
#include <asm/x86_init.h>

#include "core.h"

/* No TSC and no APIC timer is slower or faster. */
#define LEAST_HZ	1000000ull
#define MOST_HZ		100000000000ull

/* For how long the TSC is measured, in units of the reference counter */
#define MEASURE_UNITS	(HV_CLOCK_HZ / 50)
#define READS		5

/* More ticks than any TSC has meanwhile: the counter stands still. */
#define TOO_LONG	(MOST_HZ / 50)

/* CPUID 0x80000007: the TSC's rate does not change */
#define POWER_LEAF	0x80000007
#define INVARIANT_BIT	BIT(8)

static u64 read_hz(u32 msr)
{
	u64 hz;

	if (rdmsrl_safe(msr, &hz) || hz < LEAST_HZ || hz > MOST_HZ)
		return 0;
	return hz;
}

/**
 * hv_tsc_hz() - the TSC's rate now
 *
 * TLFS 12.2.2: it is another one after a migration.
 *
 * Context: any.
 * Return: in Hz, or 0 where Hyper-V does not know.
 */
u64 hv_tsc_hz(void)
{
	if (!(ms_hyperv.features & HV_ACCESS_FREQUENCY_MSRS) ||
	    !(ms_hyperv.misc_features & HV_FEATURE_FREQUENCY_MSRS_AVAILABLE))
		return 0;
	return read_hz(HV_X64_MSR_TSC_FREQUENCY);
}

/* When the kernel boots. To calibrate, it asks twice: each read is an exit. */
static unsigned long boot_tsc_khz __ro_after_init;

static unsigned long hyperv_tsc_khz(void)
{
	return boot_tsc_khz;
}

/* The reference counter, and the TSC when it was read; of some reads the quickest */
static u64 read_both(u64 *tsc)
{
	u64 least = U64_MAX, units = 0;
	int i;

	for (i = 0; i < READS; i++) {
		u64 before = rdtsc_ordered(), read = hv_read_reference_counter();
		u64 took = rdtsc_ordered() - before;

		if (took < least) {
			least = took;
			units = read;
			*tsc = before + took / 2;
		}
	}
	return units;
}

static unsigned long measure_tsc_khz(void)
{
	u64 began, ended, from, to, hz;

	from = read_both(&began);
	while (hv_read_reference_counter() - from < MEASURE_UNITS) {
		if (rdtsc_ordered() - began > TOO_LONG)
			return 0;
		cpu_relax();
	}
	to = read_both(&ended);
	hz = mul_u64_u64_div_u64(ended - began, HV_CLOCK_HZ, to - from);
	return hz < LEAST_HZ || hz > MOST_HZ ? 0 : div_u64(hz, 1000);
}

/**
 * hv_frequency_measure() - have the TSC's rate measured against the reference counter
 *
 * There may be no other timer that tells the time: a VM of the second generation has none.
 *
 * Context: while the kernel boots, after hv_frequency_init(); the counter can be read.
 */
void __init hv_frequency_measure(void)
{
	if (hv_row_state(HV_ROW_FREQUENCIES) == HV_IN_USE)
		return;
	x86_platform.calibrate_tsc = measure_tsc_khz;
	x86_platform.calibrate_cpu = measure_tsc_khz;
}

/**
 * hv_frequency_init() - take the frequencies from Hyper-V and calibrate nothing
 *
 * Context: while the kernel boots, before it calibrates.
 */
void __init hv_frequency_init(void)
{
	bool offered = ms_hyperv.features & HV_ACCESS_FREQUENCY_MSRS &&
		       ms_hyperv.misc_features & HV_FEATURE_FREQUENCY_MSRS_AVAILABLE;
	u64 apic_hz;

	if (!hv_row_wanted(HV_ROW_FREQUENCIES, offered)) {
		ms_hyperv.misc_features &= ~HV_FEATURE_FREQUENCY_MSRS_AVAILABLE;
		return;
	}
	apic_hz = read_hz(HV_X64_MSR_APIC_FREQUENCY);
	boot_tsc_khz = div_u64(hv_tsc_hz(), 1000);
	if (!boot_tsc_khz || !apic_hz) {
		ms_hyperv.misc_features &= ~HV_FEATURE_FREQUENCY_MSRS_AVAILABLE;
		hv_row_refused(HV_ROW_FREQUENCIES, "Hyper-V does not tell those of TSC and APIC");
		return;
	}
	x86_platform.calibrate_tsc = hyperv_tsc_khz;
	x86_platform.calibrate_cpu = hyperv_tsc_khz;
	setup_force_cpu_cap(X86_FEATURE_TSC_KNOWN_FREQ);
	lapic_timer_period = div_u64(apic_hz, HZ);
	hv_row_in_use(HV_ROW_FREQUENCIES);
}

/* Where the rate may change, a timer that goes by the TSC would be wrong afterwards. */
static void __init no_tsc_deadline(void)
{
	if (hv_row_state(HV_ROW_FREQUENCIES) == HV_IN_USE)
		setup_clear_cpu_cap(X86_FEATURE_TSC_DEADLINE_TIMER);
}

/**
 * hv_invariant_tsc_init() - have a TSC whose rate stays, over migrations, too
 *
 * The bit in CPUID that says so to Linux is set by Hyper-V when a guest asks for it
 * (Linux's hyperv-tlfs.h; the TLFS has the MSR reserved).
 *
 * Context: while the kernel boots, before it looks for that bit.
 */
void __init hv_invariant_tsc_init(void)
{
	bool offered = ms_hyperv.features & HV_ACCESS_TSC_INVARIANT;

	if (!hv_row_wanted(HV_ROW_INVARIANT_TSC, offered)) {
		ms_hyperv.features &= ~HV_ACCESS_TSC_INVARIANT;
		no_tsc_deadline();
		return;
	}
	if (wrmsrl_safe(HV_X64_MSR_TSC_INVARIANT_CONTROL, HV_EXPOSE_INVARIANT_TSC) ||
	    cpuid_eax(0x80000000) < POWER_LEAF || !(cpuid_edx(POWER_LEAF) & INVARIANT_BIT)) {
		ms_hyperv.features &= ~HV_ACCESS_TSC_INVARIANT;
		hv_row_refused(HV_ROW_INVARIANT_TSC, "Hyper-V offers it and does not show it");
		no_tsc_deadline();
		return;
	}
	setup_force_cpu_cap(X86_FEATURE_TSC_RELIABLE);
	hv_row_in_use(HV_ROW_INVARIANT_TSC);
}

/**
 * hv_relaxed_timing_init() - no watchdogs
 *
 * TLFS 2.4.5: a virtual processor may not run for long, which is no lockup, and timer
 * interrupts may come late, which is no broken timer.
 *
 * Context: while the kernel boots.
 */
void __init hv_relaxed_timing_init(void)
{
	if (!hv_row_wanted(HV_ROW_RELAXED_TIMING,
			   ms_hyperv.hints & HV_X64_RELAXED_TIMING_RECOMMENDED))
		return;
#ifdef CONFIG_X86_IO_APIC
	no_timer_check = 1;
#endif
	hardlockup_detector_disable();
	hv_row_in_use(HV_ROW_RELAXED_TIMING);
}
