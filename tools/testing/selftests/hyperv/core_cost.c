// SPDX-License-Identifier: GPL-2.0-only
/*
 * core_cost: what the kernel of L1 pays for a hypercall and for an interrupt.
 *
 *	core_cost [OPERATION]...	default: all that the module core_cost knows
 *
 * The module (tools/testing/modules) must be loaded; it says what an operation is. It takes the
 * ticks of each; then it does the operation SHORT and SHORT + LONG times while L0 counts its
 * exits. A timer that fires meanwhile only adds, so of REPEATS runs the smallest count of
 * each reason is taken. On stdout, words separated by one space:
 *
 *	cost OPERATION MEDIAN MIN STATUS	ticks of the TSC for one, and what the last returned
 *	l0 OPERATION REASON HITS		exits of L0 for one
 *
 * Exit code: 0 ok; 2 could not run, without L0's control channel for instance.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/l0.h"

#define MODULE		"/sys/kernel/debug/core_cost"

#define TIMED		2000
#define SHORT		10
#define LONG		500
#define REPEATS		3

static const char *const operations[] = { "fast", "memory", "ept", "ept-pages", "interrupt" };

#define NR_OPERATIONS	(sizeof(operations) / sizeof(operations[0]))

static void order(const char *operation, unsigned int times)
{
	int file = open(MODULE, O_WRONLY | O_CLOEXEC);
	char line[32];
	int size = snprintf(line, sizeof(line), "%s %u", operation, times);

	if (file < 0 || write(file, line, size) != size)
		ktap_bail("'%s' to %s: %s", line, MODULE, strerror(errno));
	close(file);
}

static void report_ticks(const char *operation)
{
	FILE *file = fopen(MODULE, "re");
	char line[80];

	if (!file || !fgets(line, sizeof(line), file))
		ktap_bail("%s: %s", MODULE, strerror(errno));
	printf("cost %s %s", operation, line);
	fclose(file);
}

/* Of each reason the smallest count of some runs */
static void count(const char *operation, unsigned int times, struct l0_counts *least)
{
	struct l0_counts counts;

	for (unsigned int run = 0; run < REPEATS; run++) {
		l0_count_start();
		order(operation, times);
		l0_count_stop(operation, &counts);
		for (unsigned int i = 0; i < L0_REASONS; i++) {
			if (!run || counts.hits[i] < least->hits[i])
				least->hits[i] = counts.hits[i];
		}
	}
}

static void measure(const char *operation)
{
	struct l0_counts few, many;

	order(operation, TIMED);
	report_ticks(operation);
	count(operation, SHORT, &few);
	count(operation, SHORT + LONG, &many);
	for (unsigned int i = 0; i < L0_REASONS; i++) {
		if (many.hits[i] != few.hits[i])
			printf("l0 %s %s %.4f\n", operation, l0_reason_name(i),
			       ((double)many.hits[i] - (double)few.hits[i]) / LONG);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *why;

	if (!l0_open(&why))
		ktap_bail("core_cost: %s", why);
	for (int i = 1; i < argc; i++)
		measure(argv[i]);
	for (unsigned int i = 0; argc == 1 && i < NR_OPERATIONS; i++)
		measure(operations[i]);
	return 0;
}
