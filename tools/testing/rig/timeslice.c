// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shortens the time slices of L0's scheduler. Where several vCPUs of L1 share L0's one
 * CPU, one that waits for another has to wait for a tick, which is millions of
 * instructions away. This program wakes up more often; whenever it goes back to sleep
 * the scheduler chooses anew, and takes who has run least.
 *
 * usage: timeslice [NS]	150000 without the word
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SLICE_NS 150000

int main(int argc, char **argv)
{
	struct sched_param first = { .sched_priority = 1 };
	struct timespec slice = { .tv_nsec = argc > 1 ? atol(argv[1]) : SLICE_NS };

	if (sched_setscheduler(0, SCHED_FIFO, &first)) {
		perror("timeslice");
		return 1;
	}
	for (;;)
		nanosleep(&slice, NULL);
}
