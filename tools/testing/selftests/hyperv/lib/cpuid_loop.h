/* SPDX-License-Identifier: GPL-2.0-only */
/* cpuid_loop.h: an L2 that executes CPUID leaf 1 in a tight loop. */
#ifndef CPUID_LOOP_H
#define CPUID_LOOP_H

#include <stdint.h>

/*
 * Runs a new VM whose vCPU executes CPUID @n times and then writes to a port, so
 * it has n + 1 exits. Returns the TSC ticks that KVM_RUN took.
 */
uint64_t cpuid_loop(uint32_t n);

#endif
