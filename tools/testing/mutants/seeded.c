// SPDX-License-Identifier: GPL-2.0-only
/*
 * seeded=NAME: the bug of that mutant is awake.
 */
#include <linux/cache.h>
#include <linux/init.h>
#include <linux/string.h>

static char awake[48] __ro_after_init;

static int __init parse(char *name)
{
	strscpy(awake, name);
	return 0;
}
early_param("seeded", parse);

/* Never inline, nor traced: clocks call it. */
noinline notrace bool seeded(const char *name)
{
	return !strcmp(awake, name);
}
