// SPDX-License-Identifier: GPL-2.0-only
/*
 * boot_cost: what L1 has cost when its kernel starts init.
 *
 * As the kernel's rdinit= it notes that, and goes on as /init. Later, in what that runs, it
 * tells on stdout, words separated by one space:
 *
 *	boot ticks TICKS		of the TSC
 *	boot l0 REASON HITS		exits of L0
 *
 * The note is the TSC, and CPUID with a leaf that nobody else asks for: L0 must have begun to
 * count before it started L1, and stop at that leaf (the scenario's l0-run has it so).
 *
 * Exit code: 0 ok; 2 could not run.
 */
#include <cpuid.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/l0.h"

#define NOTE	"BOOT_COST_TICKS"	/* in the environment of all that L1 runs */
#define LEAF	0x40f00000

static void note(char **argv)
{
	uint32_t low, high, eax, ebx, ecx, edx;
	char text[24];

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	__cpuid(LEAF, eax, ebx, ecx, edx);
	(void)(eax + ebx + ecx + edx);
	snprintf(text, sizeof(text), "%" PRIu64, (uint64_t)high << 32 | low);
	setenv(NOTE, text, 1);
	execv("/init", argv);
	ktap_bail("/init: %s", strerror(errno));
}

static void report(const char *ticks)
{
	struct l0_counts counts;
	const char *why;

	if (!l0_open_counting(&why))
		ktap_bail("boot_cost: %s", why);
	l0_count_read("boot", &counts);
	printf("boot ticks %s\n", ticks);
	for (unsigned int i = 0; i < L0_REASONS; i++) {
		if (counts.hits[i])
			printf("boot l0 %s %" PRIu64 "\n", l0_reason_name(i), counts.hits[i]);
	}
}

int main(int argc, char **argv)
{
	const char *ticks = getenv(NOTE);

	if (getpid() == 1)
		note(argv);
	if (argc != 1 || !ticks)
		ktap_bail("usage: boot_cost, after a boot with rdinit=/selftests/boot_cost");
	report(ticks);
	return 0;
}
