/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hyper-V's reference TSC page as the base of the guests' clocks: see clock.c.
 */
#ifndef HVNEST_EVMCS_CLOCK_H
#define HVNEST_EVMCS_CLOCK_H

#include <linux/types.h>

/* For kvm-intel.ko's table: a CPU is so many microseconds behind. Set while there is no VM. */
extern void (*evmcs_clock_behind_op)(int cpu, u64 microseconds);

bool evmcs_read_tsc_page(u64 cycle_last, u64 *tsc, u64 *time);
bool evmcs_tsc_is_behind(void);
void evmcs_clock_cpu_on(void);
void evmcs_clock_stop(void);

#endif /* HVNEST_EVMCS_CLOCK_H */
