/* SPDX-License-Identifier: GPL-2.0-only */
/* Products of 128 bits, for a build on the host; as the CPU's, a division must not overflow. */
#ifndef HVNEST_UNIT_LINUX_MATH64_H
#define HVNEST_UNIT_LINUX_MATH64_H

#include <stdlib.h>

#include <linux/types.h>

static inline u64 mul_u64_u64_shr(u64 a, u64 b, unsigned int shift)
{
	return (__uint128_t)a * b >> shift;
}

static inline u64 mul_u64_u64_div_u64(u64 a, u64 b, u64 divisor)
{
	__uint128_t product = (__uint128_t)a * b;

	if (!divisor || product / divisor > UINT64_MAX)
		abort();
	return product / divisor;
}

#endif /* HVNEST_UNIT_LINUX_MATH64_H */
