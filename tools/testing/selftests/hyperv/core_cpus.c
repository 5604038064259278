// SPDX-License-Identifier: GPL-2.0-only
/*
 * core_cpus: what the kernel has told Hyper-V of itself and of each CPU.
 *
 *	core_cpus		as it is
 *	core_cpus hotplug	and after CPU 1 was offline, again and again
 *	core_cpus off		where hypercalls, TSC page and VP assist pages are switched off
 *
 * Proved: the synthetic MSRs name a hypercall page, a TSC page, and for each CPU an
 * index and a VP assist page of its own; a CPU that comes back has its page again; the
 * CPU that is told of migrations is one that is online. What is switched off is not
 * there.
 *
 * Broken by: a page that is not made known to Hyper-V again, that two CPUs share, or that
 * is left behind. Any kernel that uses Hyper-V must pass but for "off". Leaves CPU 1
 * online.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/ktap.h"

#define MSR_GUEST_OS_ID		0x40000000
#define MSR_HYPERCALL		0x40000001
#define MSR_VP_INDEX		0x40000002
#define MSR_REFERENCE_TSC	0x40000021
#define MSR_VP_ASSIST_PAGE	0x40000073
#define MSR_REENLIGHTENMENT	0x40000106

#define ENABLED		1ull
#define TOLD		(1ull << 16)	/* in MSR_REENLIGHTENMENT: somebody is */
#define MAX_CPUS	16
#define ROUNDS		3
#define ONLINE		"/sys/devices/system/cpu/cpu1/online"

static uint64_t read_msr(unsigned int cpu, uint32_t msr)
{
	char path[32];
	uint64_t value;
	int fd;

	snprintf(path, sizeof(path), "/dev/cpu/%u/msr", cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &value, sizeof(value), msr) != sizeof(value))
		ktap_bail("MSR 0x%x of CPU %u: %s", msr, cpu, strerror(errno));
	close(fd);
	return value;
}

/* Each CPU's value of @msr is another one, and has all of @bits. */
static bool differ(uint32_t msr, uint64_t bits)
{
	unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t values[MAX_CPUS];

	for (unsigned int cpu = 0; cpu < cpus && cpu < MAX_CPUS; cpu++) {
		values[cpu] = read_msr(cpu, msr);
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
	ktap_ok(!(read_msr(0, MSR_HYPERCALL) & ENABLED) == !on, "%s hypercall page", on ? "a" : "no");
	ktap_ok(!read_msr(0, MSR_GUEST_OS_ID) == !on, "%s identity", on ? "an" : "no");
	ktap_ok(!(read_msr(0, MSR_REFERENCE_TSC) & ENABLED) == !on, "%s TSC page", on ? "a" : "no");
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
	uint64_t control = read_msr(0, MSR_REENLIGHTENMENT);

	return !(control & TOLD) || control >> 32 != index;
}

static void check_hotplug(void)
{
	uint64_t page = read_msr(1, MSR_VP_ASSIST_PAGE), index = read_msr(1, MSR_VP_INDEX);
	bool told = true, same = true;

	for (int round = 0; round < ROUNDS; round++) {
		set_online(false);
		told &= another_is_told(index);
		set_online(true);
		same &= read_msr(1, MSR_VP_ASSIST_PAGE) == page;
	}
	ktap_ok(same, "CPU 1 comes back with its VP assist page");
	ktap_ok(told, "a CPU that is online is told of migrations");
}

int main(int argc, char **argv)
{
	bool off = argc == 2 && !strcmp(argv[1], "off");
	bool hotplug = argc == 2 && !strcmp(argv[1], "hotplug");

	if (argc > 2 || (argc == 2 && !off && !hotplug))
		ktap_bail("usage: core_cpus [hotplug|off]");
	ktap_plan(hotplug ? 7 : off ? 4 : 5);
	check_vm(!off);
	if (off) {
		ktap_ok(!(read_msr(0, MSR_VP_ASSIST_PAGE) & ENABLED), "no VP assist page");
		return ktap_exit();
	}
	ktap_ok(differ(MSR_VP_INDEX, 0), "each CPU has an index of its own");
	ktap_ok(differ(MSR_VP_ASSIST_PAGE, ENABLED), "each CPU has a VP assist page of its own");
	if (hotplug)
		check_hotplug();
	return ktap_exit();
}
