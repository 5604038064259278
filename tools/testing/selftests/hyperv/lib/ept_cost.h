/* SPDX-License-Identifier: GPL-2.0-only */
/* ept_cost.h: what some work costs in flushes of EPT mappings, exits to L0, and ticks. */
#ifndef EPT_COST_H
#define EPT_COST_H

#include <stdbool.h>
#include <stdint.h>

#include "l0.h"

struct ept_cost {
	uint64_t l0_exits;	/* of all reasons but interrupts from outside */
	uint64_t msr_reads;	/* of those: nothing to do with flushes, but KVMs differ */
	uint64_t ticks;
	struct l0_ept ept;
};

/*
 * Does the work twice: first for the ticks, then for what L0 counts, which takes ticks
 * itself. False if there is no L0 that counts; *@why says so then.
 */
bool ept_cost_of(void (*work)(void *arg), void *arg, struct ept_cost *cost, const char **why);

/* Prints the record that 'rig bench tlb' reads: "tlb WORKLOAD PAGES", then names and values. */
void ept_cost_print(const char *workload, unsigned int pages, const struct ept_cost *cost);

/* True if our modules flush by hypercall. */
bool ept_cost_is_ours(void);

/*
 * The next case: @ok, what is asked of our modules. Of another KVM, or where ours may not
 * use the hypercalls, nothing is asked: skipped.
 */
void ept_cost_case(bool ok, const char *name);

#endif
