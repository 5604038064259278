// SPDX-License-Identifier: GPL-2.0-only
/*
 * Starts a program whose main thread goes before all threads that it creates. QEMU's
 * main thread serves the virtio ports and waits otherwise: where L0 has one CPU, an L1
 * that waits for an answer of it would spin until L0's scheduler takes turns.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sched_param lowest = { .sched_priority = 1 };

	if (argc < 2 || sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest)) {
		perror("first");
		return 1;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 1;
}
