// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock_read: what it costs a program to read the clock, at any level.
 *
 *	clock_read [CLOCKSOURCE]...	default: the one that is in use
 *
 * Each clock source is made the kernel's, and then clock_gettime(CLOCK_MONOTONIC) is called
 * in a loop, and the same without the vDSO, as a system call. One line a source on stdout:
 *
 *	clock NAME min X.X median X.X syscall X.X
 *
 * in ticks of the TSC for one read, the loop included, over BATCHES batches. The system
 * call's is the smallest. A vDSO that has to ask the kernel costs more than that does.
 *
 * Exit code: 0 ok; 2 could not run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/ktap.h"

#define SOURCE		"/sys/devices/system/clocksource/clocksource0/current_clocksource"

#define READS		100
#define BATCHES		9

static uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static int call_kernel(clockid_t clock, struct timespec *now)
{
	return syscall(SYS_clock_gettime, clock, now);
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Fills @batch with the ticks of each, the smallest first. */
static void measure(int (*read_clock)(clockid_t clock, struct timespec *now), uint64_t *batch)
{
	struct timespec now;

	for (unsigned int i = 0; i < BATCHES; i++) {
		uint64_t start = ticks();

		for (unsigned int read = 0; read < READS; read++)
			read_clock(CLOCK_MONOTONIC, &now);
		batch[i] = ticks() - start;
	}
	qsort(batch, BATCHES, sizeof(*batch), ascending);
}

static void use(const char *name)
{
	int file = open(SOURCE, O_WRONLY);

	if (file < 0 || write(file, name, strlen(name)) < 0)
		ktap_bail("%s to %s: %s", name, SOURCE, strerror(errno));
	close(file);
}

/* The kernel takes any name, and keeps what it has if it knows none such. */
static void read_name(char *name, size_t size)
{
	int file = open(SOURCE, O_RDONLY);
	ssize_t n = read(file, name, size - 1);

	if (file < 0 || n <= 0)
		ktap_bail("%s: %s", SOURCE, strerror(errno));
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	close(file);
}

static void report(void)
{
	uint64_t vdso[BATCHES], kernel[BATCHES];
	char name[64];

	read_name(name, sizeof(name));
	measure(clock_gettime, vdso);
	measure(call_kernel, kernel);
	printf("clock %s min %.1f median %.1f syscall %.1f\n", name, (double)vdso[0] / READS,
	       (double)vdso[BATCHES / 2] / READS, (double)kernel[0] / READS);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc == 1)
		report();
	for (int i = 1; i < argc; i++) {
		use(argv[i]);
		report();
	}
	return 0;
}
