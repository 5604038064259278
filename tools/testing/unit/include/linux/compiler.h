/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads of what somebody else may write, for a build on the host. A test may write it
 * itself, before any of them.
 */
#ifndef HVNEST_UNIT_LINUX_COMPILER_H
#define HVNEST_UNIT_LINUX_COMPILER_H

extern void (*unit_before_load)(void);

static inline void unit_load(void)
{
	if (unit_before_load)
		unit_before_load();
}

#define READ_ONCE(value)	(unit_load(), *(const volatile __typeof__(value) *)&(value))

#endif /* HVNEST_UNIT_LINUX_COMPILER_H */
