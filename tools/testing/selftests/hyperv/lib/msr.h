/* SPDX-License-Identifier: GPL-2.0-only */
/* msr.h: reads MSRs of L1's CPUs. */
#ifndef MSR_H
#define MSR_H

#include <stdint.h>

/* What @msr holds on @cpu; a read that faults ends the test. */
uint64_t msr_read(unsigned int cpu, uint32_t msr);

#endif
