// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock_faults: what can go wrong with Hyper-V's clock while L2 reads the time.
 *
 * usage: clock_faults CASE
 *
 *	plain		nothing
 *	twice		a migration of which L0 tells twice
 *	lost		one of which it does not tell
 *	in-a-row	one that begins before L1 has ended the one before
 *	jump		one after which L1's TSC is another, not only faster or slower
 *	frozen		L2 has itself asked for TSC emulation, which KVM does not do
 *	cpu-off		the CPU that is to be told has gone
 *	new-vcpus	a VM comes and goes meanwhile, with new vCPUs
 *	page-off	the TSC page is declared invalid, and valid again
 *	torn		the page changes while L1 and L2 read it
 *	tsc-behind	a CPU's TSC falls behind, and vCPUs that have run move to it
 *
 * Two VMs read the time, each with one vCPU: the first has KVM's clock, the second
 * Hyper-V's. They run at a CPU of L1 each, and L1 does its part of a migration on a third.
 *
 * Proved: the time does not go back, and is that of L0's reference counter within 1 ms;
 * L1 ends the emulation of its TSC; L2 is told when its clock is not stable.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock_guest.h"
#include "lib/kmod.h"
#include "lib/ktap.h"
#include "lib/l0.h"

#define MSR_HV_TSC_EMULATION_CONTROL	0x40000107

#define VMS		2
#define PAUSE_US	2000
#define LONG_PAUSE_US	50000
#define POLL_US		30000	/* to ask L0 is dear */
#define WAIT_US		4500000
#define SETTLE_US	30000
#define ERROR_NS	1000000
#define HANG_SECONDS	60
#define NEW_VMS		2
#define MOVES		2
#define STAY_US		10000
#define EVERY		3
#define BEHIND_TICKS	2250000		/* 1.5 ms */
#define UNNOTICED_US	120000		/* L1 does not look all the time */
#define TICK_POLL_US	500
#define TICK_AGE_US	3000		/* a tick is ten milliseconds */

static struct clock_guest guests[VMS];
static unsigned int home, cpus[2], khz;

static void wait_for_end(uint64_t migrations)
{
	struct l0_clock clock;

	/* Most end at once. What L1 is not told of takes a second, and many questions. */
	for (unsigned int waited = 0, pause = POLL_US; waited < WAIT_US; pause += pause / 4) {
		usleep(pause);
		waited += pause;
		l0_clock_read(&clock);
		if (clock.migrations >= migrations && !clock.emulating)
			return;
	}
	ktap_diag("L1's TSC is still emulated");
}

static void twice(void)
{
	l0_migrate(khz / 100 * 130, 2, 0);
	wait_for_end(1);
}

static void lost(void)
{
	/* L1 takes its time to notice, all of it with RDTSC trapped: let L2 read less often. */
	for (unsigned int vm = 0; vm < VMS; vm++)
		guests[vm].pause_us = LONG_PAUSE_US;
	l0_migrate(khz / 100 * 70, 0, 0);
	wait_for_end(1);
}

static void in_a_row(void)
{
	l0_migrate(khz / 100 * 70, 1, 0);
	l0_migrate(khz / 100 * 130, 1, 0);
	wait_for_end(1);
	l0_migrate(khz / 100 * 90, 1, 0);
	wait_for_end(2);
}

static void jump(void)
{
	l0_migrate(khz / 100 * 130, 1, 10000000000);
	wait_for_end(1);
	l0_migrate(khz / 100 * 70, 1, -9000000000);
	wait_for_end(2);
}

static void plain(void)
{
	l0_migrate(khz / 100 * 70, 1, 0);
	wait_for_end(1);
}

static void frozen(void)
{
	for (unsigned int i = 0; i < VMS; i++)
		clock_guest_stop(&guests[i]);
	clock_guest_write_msr(&guests[1].vcpu[0], MSR_HV_TSC_EMULATION_CONTROL, 1);
	for (unsigned int i = 0; i < VMS; i++)
		clock_guest_start(&guests[i], PAUSE_US);
	clock_move_to(home);
	plain();
}

/* CPU 0 cannot go: let KVM, where it is loaded, tell Hyper-V another one. */
static void leave_cpu_0(void)
{
	clock_move_to(1);
	kmod_unload("kvm_intel");
	kmod_load("kvm-intel", "");
}

static void set_online(bool online)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", home);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, online ? "1" : "0", 1) != 1)
		ktap_bail("%s: %s", path, strerror(errno));
	close(fd);
}

static void cpu_off(void)
{
	clock_move_to(cpus[0]);
	set_online(false);
	plain();
	set_online(true);
}

/* Each has to take its first base in the middle of it. */
static void new_vcpus(void)
{
	struct l0_clock clock;

	l0_migrate(khz / 100 * 70, 1, 0);
	for (unsigned int i = 0; i < NEW_VMS; i++) {
		const unsigned int here[] = { home, home };
		struct clock_guest guest;

		clock_guest_create(&guest, i & 1, 2, here);
		usleep(POLL_US);
		if (llabs(clock_guests_error(&guest, 1)) >= ERROR_NS)
			ktap_diag("VM %u has a clock that is %" PRId64 " ns off", i,
				  clock_guests_error(&guest, 1));
		clock_guest_destroy(&guest);
		l0_clock_read(&clock);
	}
	wait_for_end(1);
}

static uint64_t unstable_reads(void)
{
	return clock_guests_seen(guests, VMS).unstable;
}

static void page_off(void)
{
	uint64_t before, off, on;

	before = unstable_reads();
	l0_tsc_page(false);
	usleep(SETTLE_US);
	off = unstable_reads();
	usleep(SETTLE_US);
	ktap_ok(!before && off && unstable_reads() > off, "L2 knows that its clock is not stable");
	l0_tsc_page(true);
	usleep(SETTLE_US);
	on = unstable_reads();
	usleep(SETTLE_US);
	ktap_ok(unstable_reads() == on, "and that it is again");
}

static void torn(void)
{
	l0_tear_page(EVERY);
	usleep(SETTLE_US);
	l0_tear_page(0);
}

/*
 * L1's clock has just been updated: with a time that is later than that of a CPU behind by more
 * than its age, which L1 would notice without looking for it.
 */
static void leave_tick_behind(void)
{
	struct timespec before, now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
	do {
		usleep(TICK_POLL_US);
		clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	} while (now.tv_nsec == before.tv_nsec);
	usleep(TICK_AGE_US);
}

/*
 * To and fro, for each that comes back has read the right time meanwhile. Reads become exits,
 * which are dear.
 */
static void tsc_behind(void)
{
	for (unsigned int i = 0; i < MOVES; i++) {
		for (unsigned int vm = 0; vm < VMS; vm++)
			clock_guest_stop(&guests[vm]);
		if (!i) {
			l0_tsc_behind(cpus[1], BEHIND_TICKS);
			usleep(UNNOTICED_US);
		}
		guests[0].vcpu[0].cpu = cpus[i & 1];
		guests[1].vcpu[0].cpu = cpus[!(i & 1)];
		leave_tick_behind();
		for (unsigned int vm = 0; vm < VMS; vm++)
			clock_guest_start(&guests[vm], LONG_PAUSE_US);
		clock_move_to(home);
		usleep(STAY_US);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
	unsigned int cases;	/* of its own */
} faults[] = {
	{ .name = "plain", .run = plain },
	{ .name = "twice", .run = twice },
	{ .name = "lost", .run = lost },
	{ .name = "in-a-row", .run = in_a_row },
	{ .name = "jump", .run = jump },
	{ .name = "frozen", .run = frozen },
	{ .name = "cpu-off", .run = cpu_off },
	{ .name = "new-vcpus", .run = new_vcpus },
	{ .name = "page-off", .run = page_off, .cases = 2 },
	{ .name = "torn", .run = torn },
	{ .name = "tsc-behind", .run = tsc_behind },
};

#define FAULTS	(sizeof(faults) / sizeof(faults[0]))

int main(int argc, char **argv)
{
	struct clock_shared seen;
	struct l0_clock clock;
	unsigned int i = 0;
	const char *why;
	int64_t error;

	while (i < FAULTS && (argc != 2 || strcmp(argv[1], faults[i].name)))
		i++;
	if (i == FAULTS) {
		fprintf(stderr, "usage: clock_faults CASE; the source lists them\n");
		return 2;
	}
	ktap_plan(3 + faults[i].cases);
	if (!l0_open(&why)) {
		ktap_skip_rest("%s", why);
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	home = clock_home(cpus);
	if (faults[i].run == cpu_off && !home) {
		leave_cpu_0();
		home = clock_home(cpus);
	}
	khz = clock_khz();
	clock_guest_create(&guests[0], CLOCK_KVM, 1, &cpus[0]);
	clock_guest_create(&guests[1], CLOCK_HYPERV, 1, &cpus[1]);
	for (unsigned int vm = 0; vm < VMS; vm++)
		clock_guest_start(&guests[vm], PAUSE_US);
	clock_move_to(home);
	usleep(POLL_US);

	faults[i].run();
	usleep(SETTLE_US);
	for (unsigned int vm = 0; vm < VMS; vm++)
		clock_guest_stop(&guests[vm]);
	l0_clock_read(&clock);
	error = clock_guests_error(guests, VMS);
	seen = clock_guests_seen(guests, VMS);
	ktap_ok(!seen.backward && !seen.cross, "the time never goes back");
	ktap_diag("error %" PRId64 " ns, longest step %" PRIu64 " ns, emulated %" PRIu64
		  " ns, RDTSC trapped %" PRIu64 " times", error, seen.longest, clock.emulated,
		  clock.rdtsc);
	ktap_ok(llabs(error) < ERROR_NS, "it is that of the reference counter, within 1 ms");
	ktap_ok(!clock.emulating, "L1's TSC is not emulated");
	for (unsigned int vm = 0; vm < VMS; vm++)
		clock_guest_destroy(&guests[vm]);
	return ktap_exit();
}
