// SPDX-License-Identifier: GPL-2.0-only
/*
 * vp_runtime: how long Hyper-V says that each CPU has run.
 *
 *	vp_runtime		on the CPUs that are online
 *	vp_runtime hotplug	and with CPU 1 offline, and online again
 *
 * Proved: debugfs has a line for each CPU that is online; its time grows with work on that
 * CPU, no faster than time goes by, and hardly where there is no work.
 *
 * Broken by: a unit that is not Hyper-V's, one CPU that answers for another. On our core only.
 * It may lag behind by what L0's scheduler accounts at once: KVM's tick.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/ktap.h"

#define RUNTIME		"/sys/kernel/debug/hvnest-core/vp-runtime"
#define ONLINE		"/sys/devices/system/cpu/cpu1/online"

#define MS		1000000ull	/* in ns */
#define PERIOD		(30 * MS)
#define LAG		(10 * MS)
#define MAX_CPUS	16

/* Of each CPU ns, or ABSENT. Time when that was read. */
struct runtimes {
	uint64_t ns[MAX_CPUS];
	uint64_t now;
};

#define ABSENT		UINT64_MAX

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_RAW, &time);
	return time.tv_sec * 1000 * MS + time.tv_nsec;
}

static void read_runtimes(struct runtimes *runtimes)
{
	FILE *file = fopen(RUNTIME, "re");
	unsigned int cpu;
	uint64_t ns;

	if (!file)
		ktap_bail("%s: %s", RUNTIME, strerror(errno));
	for (cpu = 0; cpu < MAX_CPUS; cpu++)
		runtimes->ns[cpu] = ABSENT;
	while (fscanf(file, "%u %" SCNu64, &cpu, &ns) == 2 && cpu < MAX_CPUS)
		runtimes->ns[cpu] = ns;
	if (!feof(file))
		ktap_bail("%s has a line that is none", RUNTIME);
	fclose(file);
	runtimes->now = now();
}

static unsigned int count(const struct runtimes *runtimes)
{
	unsigned int cpus = 0;

	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		cpus += runtimes->ns[cpu] != ABSENT;
	return cpus;
}

static void work(unsigned int cpu)
{
	uint64_t end = now() + PERIOD;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		ktap_bail("CPU %u: %s", cpu, strerror(errno));
	while (now() < end)
		;
}

static bool worked[MAX_CPUS], too_fast, not_idle;

/* One CPU works, or none (MAX_CPUS). */
static void watch(unsigned int worker)
{
	struct runtimes before, after;
	uint64_t passed;

	read_runtimes(&before);
	if (worker < MAX_CPUS)
		work(worker);
	else
		usleep(PERIOD / 1000);
	read_runtimes(&after);
	passed = after.now - before.now;
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++) {
		uint64_t ran = after.ns[cpu] - before.ns[cpu];

		if (before.ns[cpu] == ABSENT)
			continue;
		ktap_diag("CPU %u ran %" PRIu64 " of %" PRIu64 " us, %s", cpu, ran / 1000,
			  passed / 1000, cpu == worker ? "with work" : "without");
		too_fast |= ran > passed + LAG;
		if (cpu == worker)
			worked[cpu] = ran >= passed / 2;
		else
			not_idle |= ran > passed / 2;
	}
}

static void set_online(bool online)
{
	int fd = open(ONLINE, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, online ? "1" : "0", 1) != 1)
		ktap_bail("%s: %s", ONLINE, strerror(errno));
	close(fd);
}

static void check_hotplug(void)
{
	struct runtimes all, without, again;

	read_runtimes(&all);
	set_online(false);
	read_runtimes(&without);
	set_online(true);
	read_runtimes(&again);
	ktap_ok(without.ns[1] == ABSENT && count(&without) == count(&all) - 1,
		"no line for a CPU that is offline");
	ktap_ok(again.ns[1] >= all.ns[1] && count(&again) == count(&all),
		"the same CPU again when it is back");
}

int main(int argc, char **argv)
{
	bool hotplug = argc == 2 && !strcmp(argv[1], "hotplug"), all_worked = true;
	unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct runtimes first;

	if (argc > 2 || (argc == 2 && !hotplug))
		ktap_bail("usage: vp_runtime [hotplug]");
	ktap_plan(hotplug ? 6 : 4);
	read_runtimes(&first);
	ktap_ok(count(&first) == cpus, "a line for each of %u CPUs", cpus);
	for (unsigned int cpu = 0; cpu < cpus && cpu < MAX_CPUS; cpu++) {
		watch(cpu);
		all_worked &= worked[cpu];
	}
	watch(MAX_CPUS);
	ktap_ok(all_worked, "it grows with work, on the CPU that works");
	ktap_ok(!too_fast, "no faster than time goes by");
	ktap_ok(!not_idle, "not where there is no work");
	if (hotplug)
		check_hotplug();
	return ktap_exit();
}
