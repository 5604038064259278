/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * l0.h: asks the rig's L0 how often each exit reason occurred, what it did for L1's
 * EPTs, which TLB flushes of L2 it served, and which pages L1 has told it of; and has it
 * migrate L1, save and restore it.
 *
 * The control channel is the second serial port of L1, one line each way:
 *
 *	count start		L0 clears its table of exits and starts to count: "ok"
 *	count stop NAME		L0 stops: "ok N", then N lines "REASON HITS", decimal
 *	count read NAME		the same when L0 has stopped by itself
 *	read ept|direct_flush|clock|pages
 *				"ok N", then N lines "NAME VALUE"; N is 0 if L0 has none
 *	clock WORDS		L0 does with L1's clock what its debugfs file "clock" takes
 *				these words for: "ok"
 *	save			L0's VMM saves L1 to a file, and another one goes on from it:
 *				"ok N", N of L1's CPUs ran L2
 *
 * A real Hyper-V has no such channel; l0_open() then says so and the test skips
 * the part that needs it.
 */
#ifndef L0_H
#define L0_H

#include <stdbool.h>
#include <stdint.h>

/* Basic exit reasons (Intel SDM volume 3, appendix C) that tests name. */
#define L0_CPUID	10
#define L0_VMCALL	18
#define L0_VMRESUME	24
#define L0_MSR_READ	31
#define L0_MSR_WRITE	32
#define L0_PAUSE	40
#define L0_REASONS	80

struct l0_counts {
	uint64_t hits[L0_REASONS];
};

/* Counts since L0 has booted; a strict L0's alone. */
struct l0_ept {
	uint64_t flush_space;	/* hypercalls that flush a whole address space */
	uint64_t flush_list;	/* hypercalls that flush a list of ranges */
	uint64_t pages_named;	/* in those lists */
	uint64_t pages_changed;	/* entries that L0 held and L1 had changed when flushed */
	uint64_t invept_single;
	uint64_t invept_global;
	uint64_t invvpid;
	uint64_t refaults;	/* faults of L2 that L0 resolved by a leaf of its own */
	uint64_t missed;	/* entries that L1 changed and did not flush */
};

/* Likewise: direct flushes, hypercalls of L2 that L0 served. */
struct l0_direct_flush {
	uint64_t served;
	uint64_t named;		/* virtual processors */
	uint64_t matched;	/* of L1's processors, those that L0 flushed */
	uint64_t missed;	/* those that it should have, by L1's eVMCSs */
	uint64_t pointers;	/* entries whose VmId is an address of L1's kernel */
	uint64_t split;		/* entries of a VM that has two partition assist pages */
};

/* True if L0 answers; otherwise *@why says what is missing. */
bool l0_open(const char **why);

/* The same where L0 has begun to count before it started L1: l0_count_read() comes next. */
bool l0_open_counting(const char **why);

void l0_count_start(void);
void l0_count_stop(const char *name, struct l0_counts *counts);

/* What L0 had counted when it stopped by itself */
void l0_count_read(const char *name, struct l0_counts *counts);

/* 0, or -1 if L0 does not count this. */
int l0_ept_read(struct l0_ept *counters);
int l0_direct_flush_read(struct l0_direct_flush *counters);

/*
 * The MSR of the VP assist page of the processor of that VP index, which may be offline. 0, or
 * -1 if L0 does not tell.
 */
int l0_assist_page_read(uint64_t vp_index, uint64_t *msr);

/* Migrations of L1 to a TSC of another frequency, since L0 has booted. */
struct l0_clock {
	uint64_t migrations;	/* that have ended */
	uint64_t emulating;	/* 1 while RDTSC is trapped */
	uint64_t khz;		/* of L1's TSC since the last one */
	uint64_t rdtsc;		/* that were trapped */
	uint64_t emulated;	/* ns of the last one, while RDTSC was trapped */
	uint64_t stopped;	/* ns of the last one, while L2 did not run */
};

int l0_clock_read(struct l0_clock *counters);

/*
 * Begins a migration: L1 gets so many interrupts, and a TSC that is @jump ticks
 * off when it has ended. It ends when L1 says so.
 */
void l0_migrate(unsigned int khz, unsigned int interrupts, long long jump);

/* Makes the reference TSC page invalid, and valid again. */
void l0_tsc_page(bool valid);

/* Each @every-th RDTSC changes the page while it is read; 0: none does. */
void l0_tear_page(unsigned int every);

/* From now on the TSC of that CPU is so many ticks behind. */
void l0_tsc_behind(unsigned int cpu, unsigned long long ticks);

/* Returns in an L1 that was saved and restored: how many of its CPUs ran L2 when it was saved. */
unsigned int l0_save(void);

/* The reason's name, "REASON_nn" if it has none; valid until the next call. */
const char *l0_reason_name(unsigned int reason);

#endif
