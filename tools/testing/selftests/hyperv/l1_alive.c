// SPDX-License-Identifier: GPL-2.0-only
/*
 * l1_alive: L1 itself works, whatever its hypervisor offers.
 *
 *	l1_alive CPUS		so many CPUs has it
 *
 * Proved: all its CPUs are online; a timer wakes a thread on each of them, not too early
 * and not much too late; L1's clock does not go back from one CPU to the next, and runs
 * at the rate of Hyper-V's reference counter; memory that was replaced is nowhere seen
 * as it was before.
 *
 * Broken by: a CPU that does not start, a wrong frequency of the TSC or the APIC timer, a
 * clock that is another one on each CPU, interrupts or TLB flushes that do not reach a CPU.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/worker.h"

#define MSR_REFERENCE_COUNTER	0x40000020
#define NS_PER_UNIT		100

#define MAX_CPUS	16
#define PAGE		4096
#define HANG_SECONDS	60

#define SLEEP_NS	50000000ull
#define LATEST_NS	100000000ull	/* CPUs of L1 take turns on one of L0 */
#define ROUNDS		4		/* over all CPUs */
#define RATE_NS		20000000ull
#define RATE_PERCENT	2
#define RATE_SLACK_NS	1000000ull	/* the two clocks are read one after the other */
#define PAGES		8

static unsigned int cpus;

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec time = { .tv_nsec = ns };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) == EINTR)
		;
}

static void check_timers(void)
{
	bool ok = true;

	for (unsigned int cpu = 0; cpu < cpus; cpu++) {
		uint64_t began, took;

		worker_move(0, cpu);
		began = now();
		sleep_ns(SLEEP_NS);
		took = now() - began;
		if (took < SLEEP_NS || took > SLEEP_NS + LATEST_NS) {
			ktap_diag("CPU %u: slept %" PRIu64 " us", cpu, took / 1000);
			ok = false;
		}
	}
	ktap_ok(ok, "a timer wakes a thread on each CPU");
}

static void check_order(void)
{
	uint64_t last = now();
	bool ok = true;

	for (unsigned int move = 0; move < ROUNDS * cpus; move++) {
		uint64_t time;

		worker_move(0, move % cpus);
		time = now();
		if (time < last) {
			ktap_diag("CPU %u: %" PRIu64 " ns back", move % cpus, last - time);
			ok = false;
		}
		last = time;
	}
	ktap_ok(ok, "the clock does not go back from CPU to CPU");
}

/* In ns, or 0 where it cannot be read. */
static uint64_t reference_time(void)
{
	int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	uint64_t units = 0;

	if (fd >= 0 && pread(fd, &units, sizeof(units), MSR_REFERENCE_COUNTER) != sizeof(units))
		units = 0;
	close(fd);
	return units * NS_PER_UNIT;
}

static void check_rate(void)
{
	const char *name = "the clock has Hyper-V's rate";
	uint64_t reference, time, apart;

	worker_move(0, 0);
	reference = reference_time();
	time = now();
	if (!reference) {
		ktap_skip(name, "Hyper-V's reference counter cannot be read");
		return;
	}
	sleep_ns(RATE_NS);
	reference = reference_time() - reference;
	time = now() - time;
	apart = time > reference ? time - reference : reference - time;
	ktap_diag("%" PRIu64 " us by L1's clock, %" PRIu64 " us by Hyper-V's", time / 1000,
		  reference / 1000);
	ktap_ok(apart <= RATE_SLACK_NS + reference * RATE_PERCENT / 100, "%s", name);
}

/* A page that says how often it was replaced, and how often it is known to have been */
static volatile unsigned int *page;
static atomic_uint known;
static atomic_uint stale;
static atomic_bool stop;
static atomic_uint reads[MAX_CPUS];

static void *read_page(void *arg)
{
	unsigned int cpu = (uintptr_t)arg;

	worker_move(0, cpu);
	while (!stop) {
		unsigned int least = known;

		if (*page < least)
			stale++;
		reads[cpu]++;
	}
	return NULL;
}

static void replace_page(unsigned int number)
{
	unsigned int *other = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (other == MAP_FAILED)
		ktap_bail("mmap: %s", strerror(errno));
	*other = number;
	if (mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)page) == MAP_FAILED)
		ktap_bail("mremap: %s", strerror(errno));
	known = number;
}

/* Until each reader has looked again */
static void wait_for_readers(void)
{
	unsigned int before[MAX_CPUS];

	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		before[cpu] = reads[cpu];
	for (unsigned int cpu = 1; cpu < cpus; cpu++) {
		while (reads[cpu] < before[cpu] + 2)
			usleep(100);
	}
}

static void check_memory(void)
{
	const char *name = "memory that was replaced is seen by all CPUs";
	pthread_t readers[MAX_CPUS];

	if (cpus < 2) {
		ktap_skip(name, "needs two CPUs");
		return;
	}
	worker_move(0, 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		ktap_bail("mmap: %s", strerror(errno));
	for (uintptr_t cpu = 1; cpu < cpus; cpu++) {
		if (pthread_create(&readers[cpu], NULL, read_page, (void *)cpu))
			ktap_bail("no thread for CPU %u", (unsigned int)cpu);
	}
	for (unsigned int number = 1; number <= PAGES; number++) {
		wait_for_readers();
		replace_page(number);
	}
	wait_for_readers();
	stop = true;
	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		pthread_join(readers[cpu], NULL);
	if (stale)
		ktap_diag("%u reads of an older page", stale);
	ktap_ok(!stale, "%s", name);
}

int main(int argc, char **argv)
{
	int wanted = argc == 2 ? atoi(argv[1]) : 0;

	if (wanted < 1 || wanted > MAX_CPUS)
		ktap_bail("usage: l1_alive CPUS");
	ktap_plan(5);
	alarm(HANG_SECONDS);
	cpus = get_nprocs();
	if (cpus != (unsigned int)wanted)
		ktap_diag("%u of %d", cpus, wanted);
	ktap_ok(cpus == (unsigned int)wanted, "all CPUs are online");
	check_timers();
	check_order();
	check_rate();
	check_memory();
	return ktap_exit();
}
