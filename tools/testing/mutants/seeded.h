/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bugs that sleep until the kernel's parameter seeded= names one: see run.
 */
#ifndef SEEDED_H
#define SEEDED_H

#include <linux/types.h>

bool seeded(const char *name);

#endif
