// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpuid_bench: what one L2 exit costs.
 *
 *	cpuid_bench [N] [--count]
 *
 * L2 executes CPUID leaf 1 in a tight loop (64-bit, in-kernel irqchip, RFLAGS
 * 0x202); each CPUID is one exit from L2. A long run of N + SHORT exits minus a
 * short run of SHORT exits, divided by N (4000 if not given), leaves the set-up
 * of the VM out. Short and long runs are repeated and the smallest of each is
 * taken, since L1's background work can only add.
 *
 * Output on stdout, one record a line, words separated by one space:
 *
 *	exits N				exits between the short and the long run
 *	ticks_per_exit X.X		TSC ticks of L1 for one of them
 *	l0 NAME REASON SHORT LONG	only with --count, one line a reason
 *	l0_per_exit X.XX		only with --count: all reasons together
 *
 * An "l0" line says how often L0 saw the exit reason REASON (decimal; NAME is
 * its usual name, for instance VMRESUME, or REASON_nn) during a counted short
 * run and during a counted long run: (LONG - SHORT) / N is the figure for one L2
 * exit. The counted runs come after the timed ones and are not timed. Lines that
 * start with '#' are comments. With --count and without L0's control channel the
 * timed records are still printed.
 *
 * Exit code: 0 ok; 2 could not run (the reason is on stderr), which includes
 * --count without a control channel.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cpuid_loop.h"
#include "lib/ktap.h"
#include "lib/l0.h"

#define DEFAULT_EXITS	4000
#define SHORT		10
#define REPEATS		3

static uint64_t fastest_run(uint32_t exits)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < REPEATS; i++) {
		uint64_t ticks = cpuid_loop(exits);

		if (ticks < best)
			best = ticks;
	}
	return best;
}

static void counted_run(const char *name, uint32_t exits, struct l0_counts *counts)
{
	l0_count_start();
	cpuid_loop(exits);
	l0_count_stop(name, counts);
}

static void print_counts(uint32_t exits)
{
	struct l0_counts few, many;
	int64_t total = 0;

	counted_run("short", SHORT, &few);
	counted_run("long", exits + SHORT, &many);
	for (unsigned int i = 0; i < L0_REASONS; i++) {
		if (!few.hits[i] && !many.hits[i])
			continue;
		total += many.hits[i] - few.hits[i];
		printf("l0 %s %u %llu %llu\n", l0_reason_name(i), i,
		       (unsigned long long)few.hits[i], (unsigned long long)many.hits[i]);
	}
	printf("l0_per_exit %.2f\n", (double)total / exits);
}

static void usage(void)
{
	fputs("usage: cpuid_bench [N] [--count]    (N is a number of exits, at least 1)\n", stderr);
	exit(KTAP_EXIT_ERROR);
}

int main(int argc, char **argv)
{
	unsigned long exits = DEFAULT_EXITS;
	uint64_t few, many;
	bool count = false;
	const char *why;

	for (int i = 1; i < argc; i++) {
		char *end;

		if (!strcmp(argv[i], "--count")) {
			count = true;
			continue;
		}
		exits = strtoul(argv[i], &end, 10);
		if (*end || !exits || exits > INT_MAX)
			usage();
	}
	few = fastest_run(SHORT);
	many = fastest_run(exits + SHORT);
	printf("exits %lu\n", exits);
	printf("ticks_per_exit %.1f\n", (double)(int64_t)(many - few) / exits);
	fflush(stdout);
	if (!count)
		return 0;
	if (!l0_open(&why))
		ktap_bail("cpuid_bench: --count: %s", why);
	print_counts(exits);
	return 0;
}
