/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hyper-V's reference TSC page (TLFS, "Timers", partition reference time enlightenment):
 * reading it, and what follows from its scale.
 *
 * Hyper-V may write the page at any time, and changes the sequence when it does. The
 * reference time counts 100 ns.
 *
 * Pure logic: compiles in the kernel and on the host. Context: any.
 */
#ifndef HVNEST_EVMCS_TSC_PAGE_H
#define HVNEST_EVMCS_TSC_PAGE_H

#include <linux/compiler.h>
#include <linux/math64.h>
#include <linux/types.h>

#include <asm/barrier.h>

#define EVMCS_REFERENCE_HZ	10000000ull
#define EVMCS_NS_PER_SECOND	1000000000ull

/* The begin of the page. */
struct evmcs_tsc_page {
	u32 sequence;	/* 0: the page does not tell the time */
	u32 reserved;
	u64 scale;	/* reference time per tick of the TSC, as a fraction of 2^64 */
	u64 offset;	/* to add; wraps */
};

/**
 * struct evmcs_tsc_sample - what the page makes of one TSC
 * @tsc:   that was read
 * @time:  reference time then
 * @scale: with which it was computed
 */
struct evmcs_tsc_sample {
	u64 tsc;
	u64 time;
	u64 scale;
};

/**
 * evmcs_tsc_page_read() - read the time and the TSC that belongs to it
 * @page:     Hyper-V's
 * @read_tsc: reads the TSC, not before loads that precede it
 * @sample:   set if the page is valid
 *
 * Return: false if it is not: the sequence is 0.
 */
static __always_inline bool evmcs_tsc_page_read(const struct evmcs_tsc_page *page,
						u64 (*read_tsc)(void),
						struct evmcs_tsc_sample *sample)
{
	u32 before, after = READ_ONCE(page->sequence);
	u64 offset;

	do {
		before = after;
		/* Scale, offset and TSC belong together if the sequence is the same ... */
		smp_rmb();
		sample->scale = READ_ONCE(page->scale);
		offset = READ_ONCE(page->offset);
		sample->tsc = read_tsc();
		/* ... behind them. */
		smp_rmb();
		after = READ_ONCE(page->sequence);
	} while (before != after);
	sample->time = mul_u64_u64_shr(sample->tsc, sample->scale, 64) + offset;
	return after;
}

/**
 * evmcs_tsc_page_hz() - the frequency of a TSC that a page is made for
 * @scale: of the page
 *
 * Return: Hz, rounded down; 0 for a scale that no TSC has: above 1.1 THz.
 */
static inline u64 evmcs_tsc_page_hz(u64 scale)
{
	if (scale >> 24 <= EVMCS_REFERENCE_HZ)
		return 0;
	return mul_u64_u64_div_u64(EVMCS_REFERENCE_HZ << 32, 1ull << 32, scale);
}

/**
 * evmcs_clock_ns() - nanoseconds for ticks of a TSC
 * @ticks: how many; negative, or more than 2^32 seconds, is nonsense
 * @hz:    of the TSC, not 0
 *
 * Return: ns, rounded down; 0 for nonsense.
 */
static inline u64 evmcs_clock_ns(u64 ticks, u64 hz)
{
	if (ticks >> 63 || ticks >> 32 >= hz)
		return 0;
	return mul_u64_u64_div_u64(ticks, EVMCS_NS_PER_SECOND, hz);
}

/**
 * evmcs_clock_behind_ns() - does a new base of a guest's clock let it go back?
 * @base_ns: time of the old base
 * @ticks:   of the TSC since then, up to the last that a guest can have read
 * @hz:      of that TSC, not 0
 * @new_ns:  time of the new base
 *
 * A clock that was rounded otherwise is ahead a little. One that is ahead by more than a
 * second was wrong.
 *
 * Return: ns that the new base is behind what can have been read, at most a second.
 */
static inline u64 evmcs_clock_behind_ns(u64 base_ns, u64 ticks, u64 hz, u64 new_ns)
{
	u64 behind = base_ns + evmcs_clock_ns(ticks, hz) - new_ns;

	return behind <= EVMCS_NS_PER_SECOND ? behind : 0;
}

#endif /* HVNEST_EVMCS_TSC_PAGE_H */
