/* SPDX-License-Identifier: GPL-2.0-only */
/* A single thread reads and writes: nothing to order. */
#ifndef HVNEST_UNIT_ASM_BARRIER_H
#define HVNEST_UNIT_ASM_BARRIER_H

#define smp_rmb()	do { } while (0)

#endif /* HVNEST_UNIT_ASM_BARRIER_H */
