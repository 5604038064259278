/* SPDX-License-Identifier: GPL-2.0-only */
/* bench.h: measures what one exit of a guest costs. */
#ifndef HVNEST_BENCH_H
#define HVNEST_BENCH_H

#include <stdbool.h>
#include <stdint.h>

/* TSC ticks of one CPUID in the guest, those that it takes to time it included. */
struct bench {
	uint32_t exits;		/* timed ones */
	uint64_t min, median, p99;
	uint64_t overhead;	/* of two reads of the TSC with nothing between them */
	uint32_t tsc_khz;	/* 0: KVM does not tell */
};

/*
 * Runs a guest of ours through /dev/kvm that executes CPUID @exits times. Ends the
 * program if KVM fails.
 */
void bench_cpuid(struct bench *bench, uint32_t exits);

/*
 * The options of "bench cpuid"; NULL: not given. Prints the result, saves it, compares
 * it with a saved one. Returns the program's exit code.
 */
struct bench_options {
	uint32_t exits;
	bool json;
	const char *save;
	const char *against;
};

int bench_run(const struct bench_options *options);

#endif
