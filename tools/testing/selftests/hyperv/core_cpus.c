// SPDX-License-Identifier: GPL-2.0-only
/*
 * core_cpus: what the kernel has told Hyper-V of itself and of each CPU.
 *
 *	core_cpus		as it is
 *	core_cpus hotplug	and after CPU 1 was offline, again and again
 *	core_cpus off		where hypercalls, TSC page and VP assist pages are switched off
 *	core_cpus crash		the same in a crash kernel that leaves the other CPU alone
 *
 * Proved: the synthetic MSRs name a hypercall page, a TSC page, and for each CPU an
 * index and a VP assist page of its own; a CPU that is offline has none, as L0 says, and its
 * own again when it comes back; the CPU that is told of migrations is one that is online; the
 * clock has the rate of the reference counter. What is switched off is not there: a kernel that
 * another one has started sees by it what that one has left behind. The VP assist page of a CPU
 * that was stopped by a crash is none of the crash kernel's memory.
 *
 * Broken by: a page that is not made known to Hyper-V again, that two CPUs share, or that
 * is left behind; a TSC page that is read wrong. Any kernel that uses Hyper-V must pass but for "off". Leaves CPU 1
 * online.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/l0.h"
#include "lib/msr.h"

#define MSR_GUEST_OS_ID		0x40000000
#define MSR_HYPERCALL		0x40000001
#define MSR_VP_INDEX		0x40000002
#define MSR_REFERENCE_COUNTER	0x40000020
#define MSR_REFERENCE_TSC	0x40000021
#define MSR_VP_ASSIST_PAGE	0x40000073
#define MSR_REENLIGHTENMENT	0x40000106

#define ENABLED		1ull
#define TOLD		(1ull << 16)	/* in MSR_REENLIGHTENMENT: somebody is */
#define NS_PER_UNIT	100		/* of MSR_REFERENCE_COUNTER */
#define CLOCK_US	20000
#define CLOCK_ERROR_NS	100000		/* 0.5 %: where L0 tells no frequency, L1 takes what it can get */
#define MOMENT_TRIES	16
#define MAX_CPUS	16
#define ROUNDS		3
#define ONLINE		"/sys/devices/system/cpu/cpu1/online"

/* Each CPU's value of @msr is another one, and has all of @bits. */
static bool differ(uint32_t msr, uint64_t bits)
{
	unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t values[MAX_CPUS];

	for (unsigned int cpu = 0; cpu < cpus && cpu < MAX_CPUS; cpu++) {
		values[cpu] = msr_read(cpu, msr);
		if ((values[cpu] & bits) != bits) {
			ktap_diag("CPU %u: 0x%" PRIx64, cpu, values[cpu]);
			return false;
		}
		for (unsigned int other = 0; other < cpu; other++) {
			if (values[other] == values[cpu]) {
				ktap_diag("CPUs %u and %u: 0x%" PRIx64, other, cpu, values[cpu]);
				return false;
			}
		}
	}
	return true;
}

static void check_vm(bool on)
{
	ktap_ok(!(msr_read(0, MSR_HYPERCALL) & ENABLED) == !on, "%s hypercall page", on ? "a" : "no");
	ktap_ok(!msr_read(0, MSR_GUEST_OS_ID) == !on, "%s identity", on ? "an" : "no");
	ktap_ok(!(msr_read(0, MSR_REFERENCE_TSC) & ENABLED) == !on, "%s TSC page", on ? "a" : "no");
}

static int64_t clock_ns(bool by_system_call)
{
	struct timespec now;

	if (!by_system_call || syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now))
		clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* A moment: CLOCK_MONOTONIC at a time between two readings of the reference counter, in ns. */
struct moment {
	int64_t before;
	int64_t clock;
	int64_t after;
};

/* Whatever runs in between two readings widens the moment: the narrowest of several is taken. */
static struct moment moment_now(bool by_system_call)
{
	struct moment best = { .after = INT64_MAX };

	for (int i = 0; i < MOMENT_TRIES; i++) {
		struct moment m;

		m.before = msr_read(0, MSR_REFERENCE_COUNTER) * NS_PER_UNIT;
		m.clock = clock_ns(by_system_call);
		m.after = msr_read(0, MSR_REFERENCE_COUNTER) * NS_PER_UNIT;
		if (m.after - m.before < best.after - best.before)
			best = m;
	}
	return best;
}

/* By how much the clock is too fast or too slow, whenever in its moments it was read: at least */
static int64_t clock_error(bool by_system_call)
{
	struct moment a = moment_now(by_system_call), b;
	int64_t time, least, most;

	usleep(CLOCK_US);
	b = moment_now(by_system_call);
	time = b.clock - a.clock;
	least = b.before - a.after;
	most = b.after - a.before;
	ktap_diag("%s: %" PRId64 " ns, Hyper-V's %" PRId64 " to %" PRId64 " ns",
		  by_system_call ? "system call" : "vDSO", time, least, most);
	return time < least ? least - time : time > most ? time - most : 0;
}

/* The kernel has one way to read Hyper-V's time, and the vDSO another one. */
static void check_clock(void)
{
	ktap_ok(clock_error(false) < CLOCK_ERROR_NS && clock_error(true) < CLOCK_ERROR_NS,
		"the clock counts Hyper-V's time");
}

static void set_online(bool online)
{
	int fd = open(ONLINE, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, online ? "1" : "0", 1) != 1)
		ktap_bail("%s: %s", ONLINE, strerror(errno));
	close(fd);
}

/* CPU 1 is offline: is somebody else told? */
static bool another_is_told(uint64_t index)
{
	uint64_t control = msr_read(0, MSR_REENLIGHTENMENT);

	return !(control & TOLD) || control >> 32 != index;
}

static void check_hotplug(void)
{
	uint64_t page = msr_read(1, MSR_VP_ASSIST_PAGE), index = msr_read(1, MSR_VP_INDEX);
	bool told = true, same = true, gone = true;
	const char *why;
	bool l0 = l0_open(&why);

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t offline = 0;

		set_online(false);
		told &= another_is_told(index);
		l0 = l0 && !l0_assist_page_read(index, &offline);
		gone &= !(offline & ENABLED);
		set_online(true);
		same &= msr_read(1, MSR_VP_ASSIST_PAGE) == page;
	}
	if (l0)
		ktap_ok(gone, "CPU 1 has no VP assist page while it is offline");
	else
		ktap_skip("CPU 1 has no VP assist page while it is offline", "L0 does not tell");
	ktap_ok(same, "CPU 1 comes back with its VP assist page");
	ktap_ok(told, "a CPU that is online is told of migrations");
}

/* No CPU has one. */
static bool no_assist_pages(void)
{
	unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	bool none = true;

	for (unsigned int cpu = 0; cpu < cpus; cpu++) {
		uint64_t page = msr_read(cpu, MSR_VP_ASSIST_PAGE);

		if (page & ENABLED) {
			ktap_diag("CPU %u: 0x%" PRIx64, cpu, page);
			none = false;
		}
	}
	return none;
}

static bool is_our_memory(uint64_t address)
{
	FILE *file = fopen("/proc/iomem", "r");
	unsigned long long first, last;
	bool found = false;
	char line[128];

	if (!file)
		ktap_bail("/proc/iomem: %s", strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, ": System RAM") && sscanf(line, "%llx-%llx", &first, &last) == 2)
			found |= address >= first && address <= last;
	}
	fclose(file);
	return found;
}

/* Of two CPUs, that one which this kernel does not know */
static void check_other_cpu(void)
{
	static const char name[] = "the other CPU's VP assist page lies elsewhere";
	uint64_t page;
	const char *why;

	if (!l0_open(&why) || l0_assist_page_read(!msr_read(0, MSR_VP_INDEX), &page)) {
		ktap_skip(name, "L0 does not tell");
		return;
	}
	ktap_diag("VP assist page 0x%" PRIx64, page);
	ktap_ok(!(page & ENABLED) || !is_our_memory(page & ~0xfffull), name);
}

int main(int argc, char **argv)
{
	bool crash = argc == 2 && !strcmp(argv[1], "crash");
	bool off = crash || (argc == 2 && !strcmp(argv[1], "off"));
	bool hotplug = argc == 2 && !strcmp(argv[1], "hotplug");

	if (argc > 2 || (argc == 2 && !off && !hotplug))
		ktap_bail("usage: core_cpus [hotplug|off|crash]");
	ktap_plan(hotplug ? 9 : crash ? 7 : 6);
	check_vm(!off);
	check_clock();
	if (off) {
		ktap_ok(no_assist_pages(), "no VP assist page");
		ktap_ok(!(msr_read(0, MSR_REENLIGHTENMENT) & TOLD), "nobody is told of migrations");
		if (crash)
			check_other_cpu();
		return ktap_exit();
	}
	ktap_ok(differ(MSR_VP_INDEX, 0), "each CPU has an index of its own");
	ktap_ok(differ(MSR_VP_ASSIST_PAGE, ENABLED), "each CPU has a VP assist page of its own");
	if (hotplug)
		check_hotplug();
	return ktap_exit();
}
