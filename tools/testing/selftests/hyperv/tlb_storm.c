// SPDX-License-Identifier: GPL-2.0-only
/*
 * tlb_storm: a page is mapped anew again and again while other CPUs read it.
 *
 *	tlb_storm [ROUNDS]	default: 1000
 *
 * To be run in a guest. One thread maps one of two pages of a file to an address, has
 * the kernel flush the TLBs by that, and says which page it is; a thread on each other
 * CPU reads the address and compares.
 *
 * Proved: no CPU reads a page that was unmapped before.
 *
 * Broken by: a flush of remote TLBs that does not reach a CPU.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/ktap.h"

#define PAGE		4096
#define MAX_READERS	63
#define ROUNDS		1000

static volatile uint64_t *window;
static volatile uint64_t generation;	/* its parity is the page's */
static volatile bool stop;

struct reader {
	pthread_t thread;
	unsigned int cpu;
	volatile uint64_t seen;
	uint64_t wrong;
};

static void pin(unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		ktap_bail("sched_setaffinity to CPU %u: %s", cpu, strerror(errno));
}

static void *read_on(void *arg)
{
	struct reader *reader = arg;

	pin(reader->cpu);
	while (!stop) {
		uint64_t now = generation;

		/* Until this is seen the page stays. */
		if (now != reader->seen) {
			reader->wrong += (*window ^ now) & 1;
			reader->seen = now;
		}
		(void)*window;
	}
	return NULL;
}

static void map(int file, unsigned int page)
{
	if (mmap((void *)window, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, file, page * PAGE) !=
	    window)
		ktap_bail("mmap: %s", strerror(errno));
}

static int make_file(void)
{
	int file = memfd_create("tlb_storm", 0);

	for (uint64_t page = 0; page < 2; page++) {
		if (pwrite(file, &page, sizeof(page), page * PAGE) != sizeof(page))
			ktap_bail("memfd: %s", strerror(errno));
	}
	if (ftruncate(file, 2 * PAGE))
		ktap_bail("memfd: %s", strerror(errno));
	return file;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct reader reader[MAX_READERS] = { 0 };
	unsigned int readers = cpus - 1 < MAX_READERS ? cpus - 1 : MAX_READERS;
	uint64_t wrong = 0;
	int file = make_file();

	if (!rounds)
		ktap_bail("usage: %s [ROUNDS]", argv[0]);
	ktap_plan(1);
	if (!readers) {
		ktap_skip_rest("needs two CPUs");
		return ktap_exit();
	}
	window = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
	if (window == MAP_FAILED)
		ktap_bail("mmap: %s", strerror(errno));
	pin(0);
	for (unsigned int i = 0; i < readers; i++) {
		reader[i].cpu = i + 1;
		if (pthread_create(&reader[i].thread, NULL, read_on, &reader[i]))
			ktap_bail("no thread for CPU %u", i + 1);
	}
	for (unsigned int round = 1; round <= rounds; round++) {
		map(file, round & 1);
		generation = round;
		for (unsigned int i = 0; i < readers; i++)
			while (reader[i].seen != round)
				;
	}
	stop = true;
	for (unsigned int i = 0; i < readers; i++) {
		pthread_join(reader[i].thread, NULL);
		wrong += reader[i].wrong;
	}
	if (wrong)
		ktap_diag("%llu reads of a page that was unmapped before", (unsigned long long)wrong);
	ktap_ok(!wrong, "%u CPUs see each of %u pages", readers, rounds);
	return ktap_exit();
}
