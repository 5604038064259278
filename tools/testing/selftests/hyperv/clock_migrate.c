// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock_migrate: L1 is migrated to TSCs of other frequencies while L2 reads the time.
 *
 * usage: clock_migrate kvmclock|hyperv|two-vms MIGRATIONS [PAUSE_US]
 *
 * L2 has two vCPUs, or with two-vms one in each of two VMs, the first with KVM's clock and
 * the second with Hyper-V's. They read the time in a loop, with pauses of so many
 * microseconds (none without the word), while L0 plays both machines of a migration
 * (the rig's L0 alone can).
 *
 * Proved: the time never goes back, on a vCPU nor across them; it is that of L0's reference
 * counter, within 1 ms after all migrations; and it has that one's rate.
 *
 * Broken by: a guest whose clock is not written anew; a guest that runs between the end of
 * the emulation and that; a new base that lies before what L2 has read.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock_guest.h"
#include "lib/ktap.h"
#include "lib/l0.h"

#define POLL_US		30000	/* to ask L0 is dear */
#define AFTER_US	30000	/* L2 reads on when the migration has ended */
#define WAIT_POLLS	200
#define HANG_SECONDS	300

#define ERROR_NS	1000000
#define RATE_MS		500
#define RATE_PPM	50

/* Of the first frequency */
static const unsigned int percents[] = { 70, 130, 100, 85, 115, 75, 125, 90, 110, 100 };

static struct clock_guest guests[2];
static unsigned int nr_guests;

static void wait_for_end(uint64_t migrations)
{
	struct l0_clock clock;

	for (unsigned int i = 0; i < WAIT_POLLS; i++) {
		usleep(POLL_US);
		l0_clock_read(&clock);
		if (clock.migrations == migrations)
			return;
	}
	ktap_bail("L1 has not ended the emulation of its TSC");
}

static int64_t migrate(const char *what, unsigned int from, unsigned int to, unsigned int pause_us,
		       unsigned int home)
{
	struct clock_shared before = clock_guests_seen(guests, nr_guests), after;
	struct l0_clock clock;
	uint64_t migrations;
	int64_t error;

	l0_clock_read(&clock);
	migrations = clock.migrations;
	for (unsigned int g = 0; g < nr_guests; g++)
		clock_guest_start(&guests[g], pause_us);
	clock_move_to(home);
	usleep(POLL_US);
	l0_migrate(to, 1, 0);
	wait_for_end(migrations + 1);
	usleep(AFTER_US);
	for (unsigned int g = 0; g < nr_guests; g++)
		clock_guest_stop(&guests[g]);
	l0_clock_read(&clock);
	after = clock_guests_seen(guests, nr_guests);
	error = clock_guests_error(guests, nr_guests);
	ktap_diag("migration %s from %u to %u kHz: backward %" PRIu64 " cross %" PRIu64
		  " unstable %" PRIu64 " longest %" PRIu64 " ns error %" PRId64 " ns stopped %"
		  PRIu64 " ns emulated %" PRIu64 " ns", what, from, to,
		  after.backward - before.backward, after.cross - before.cross,
		  after.unstable - before.unstable, after.longest, error, clock.stopped,
		  clock.emulated);
	return error;
}

/* Parts in a million that the first vCPU's clock is fast. */
static int64_t rate_error(void)
{
	struct clock_sample first = clock_guest_sample(&guests[0].vcpu[0]), last;

	usleep(RATE_MS * 1000);
	last = clock_guest_sample(&guests[0].vcpu[0]);
	return ((last.l2 - first.l2) - (last.reference - first.reference)) * 1000000 /
	       (last.reference - first.reference);
}

int main(int argc, char **argv)
{
	unsigned int migrations = argc > 2 ? atoi(argv[2]) : 0, pause_us = argc > 3 ? atoi(argv[3]) : 0;
	bool two_vms = argc > 1 && !strcmp(argv[1], "two-vms");
	unsigned int home, cpus[2], khz, base;
	struct clock_shared seen;
	enum clock_kind kind;
	int64_t worst = 0, rate;
	const char *why;

	for (kind = 0; kind < CLOCK_KINDS; kind++) {
		if (argc > 1 && !strcmp(argv[1], clock_names[kind]))
			break;
	}
	if (!migrations || (kind == CLOCK_KINDS && !two_vms)) {
		fprintf(stderr, "usage: clock_migrate kvmclock|hyperv|two-vms MIGRATIONS [PAUSE_US]\n");
		return 2;
	}
	ktap_plan(4);
	if (!l0_open(&why)) {
		ktap_skip_rest("%s", why);
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	home = clock_home(cpus);
	base = khz = clock_khz();
	nr_guests = two_vms ? 2 : 1;
	if (two_vms) {
		clock_guest_create(&guests[0], CLOCK_KVM, 1, &cpus[0]);
		clock_guest_create(&guests[1], CLOCK_HYPERV, 1, &cpus[1]);
	} else {
		clock_guest_create(&guests[0], kind, 2, cpus);
	}
	for (unsigned int i = 0; i < migrations; i++) {
		unsigned int to = base / 100 * percents[i % (sizeof(percents) / sizeof(percents[0]))];
		int64_t error = migrate(argv[1], khz, to, pause_us, home);

		if (llabs(error) > llabs(worst))
			worst = error;
		khz = to;
	}
	rate = rate_error();
	seen = clock_guests_seen(guests, nr_guests);
	ktap_ok(!seen.backward, "the time never goes back on a vCPU");
	ktap_ok(!seen.cross, "nor across vCPUs");
	ktap_diag("error: at most %" PRId64 " ns", worst);
	ktap_ok(llabs(worst) < ERROR_NS, "it is that of the reference counter, within 1 ms");
	ktap_diag("rate: %" PRId64 " ppm over %u ms", rate, RATE_MS);
	ktap_ok(llabs(rate) < RATE_PPM, "and has its rate, within 50 ppm");
	for (unsigned int g = 0; g < nr_guests; g++)
		clock_guest_destroy(&guests[g]);
	return ktap_exit();
}
