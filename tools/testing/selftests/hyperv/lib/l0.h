/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * l0.h: asks the rig's L0 how often each exit reason occurred.
 *
 * The control channel is the second serial port of L1, one line each way:
 *
 *	count start		L0 clears its table of exits and starts to count: "ok"
 *	count stop NAME		L0 stops: "ok N", then N lines "REASON HITS", decimal
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
#define L0_VMRESUME	24
#define L0_MSR_READ	31
#define L0_MSR_WRITE	32
#define L0_REASONS	80

struct l0_counts {
	uint64_t hits[L0_REASONS];
};

/* True if L0 answers; otherwise *@why says what is missing. */
bool l0_open(const char **why);

void l0_count_start(void);
void l0_count_stop(const char *name, struct l0_counts *counts);

/* The reason's name, "REASON_nn" if it has none; valid until the next call. */
const char *l0_reason_name(unsigned int reason);

#endif
