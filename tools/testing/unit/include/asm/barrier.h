/* SPDX-License-Identifier: GPL-2.0-only */
/* For a build on the host. */
#ifndef HVNEST_UNIT_ASM_BARRIER_H
#define HVNEST_UNIT_ASM_BARRIER_H

/* A single thread reads and writes: nothing to order. */
#define smp_rmb()	do { } while (0)

#endif /* HVNEST_UNIT_ASM_BARRIER_H */
