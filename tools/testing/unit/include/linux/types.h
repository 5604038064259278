/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel types that the pure logic uses, for a build on the host.
 */
#ifndef HVNEST_UNIT_LINUX_TYPES_H
#define HVNEST_UNIT_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#undef __always_inline
#define __always_inline inline __attribute__((__always_inline__))

#endif /* HVNEST_UNIT_LINUX_TYPES_H */
