// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock_save: L1 is saved to a file and restored by another VMM of L0, while L2 reads its
 * clocks on two CPUs.
 *
 * Two VMs with two vCPUs each, one on KVM's clock, the other on Hyper-V's TSC page.
 *
 * Proved: L1 was saved while L2 ran, and L2 goes on after the restore; no clock of it goes
 * back, on its vCPU or behind what another one has read; no step is longer than the time that
 * has passed by L0's reference counter; and over all saves L2's time is the counter's.
 *
 * The counter is what L0 says, whatever L1 makes of the TSC. How well L0 itself keeps the time
 * over a save this does not tell: KVM as L0 works the counter out from the page that it has
 * given L1, so that both jump together if they do.
 *
 * Broken by: an L2 that KVM in L1 cannot enter again when L0 has loaded its state anew; a
 * clock that jumps over the time in which L1 did not run, or falls behind.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock_guest.h"
#include "lib/ktap.h"
#include "lib/l0.h"
#include "lib/worker.h"

#define SAVES		2
#define READS		400	/* before and after a save, at least */
#define ERROR_NS	1000000
#define POLL_US		200
#define HANG_SECONDS	30	/* of L1's time, which stops meanwhile */

static struct clock_guest guests[CLOCK_KINDS];

static void wait_for_reads(void)
{
	uint64_t enough = clock_guests_seen(guests, CLOCK_KINDS).reads + READS;

	while (clock_guests_seen(guests, CLOCK_KINDS).reads < enough)
		usleep(POLL_US);
}

/* Returns how many of L1's CPUs ran L2 then; *@longest is L2's step above the time passed. */
static unsigned int save_once(int64_t *longest)
{
	struct clock_sample before, after;
	struct clock_shared seen;
	unsigned int in_l2;

	before = clock_guest_sample(&guests[0].vcpu[0]);
	/* Reads on all: no vCPU's next step begins before that one. */
	clock_guests_error(guests, CLOCK_KINDS);
	for (unsigned int i = 0; i < CLOCK_KINDS; i++)
		clock_guest_start(&guests[i], 0);
	wait_for_reads();
	in_l2 = l0_save();
	wait_for_reads();
	for (unsigned int i = 0; i < CLOCK_KINDS; i++)
		clock_guest_stop(&guests[i]);
	seen = clock_guests_seen(guests, CLOCK_KINDS);
	after = clock_guest_sample(&guests[0].vcpu[0]);
	*longest = seen.longest - (after.reference - before.reference);
	ktap_diag("saved while %u CPUs ran L2; %" PRId64 " us passed, the longest step %" PRIu64
		  " us", in_l2, (after.reference - before.reference) / 1000, seen.longest / 1000);
	return in_l2;
}

int main(void)
{
	static const unsigned int cpus[] = { 0, 1 };
	int64_t longest = INT64_MIN, error;
	struct clock_shared seen;
	bool in_l2 = true;
	const char *why;

	ktap_plan(5);
	if (!l0_open(&why)) {
		ktap_skip_rest("%s", why);
		return ktap_exit();
	}
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		ktap_skip_rest("needs two CPUs");
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	for (unsigned int i = 0; i < CLOCK_KINDS; i++)
		clock_guest_create(&guests[i], i, 2, cpus);
	worker_be_first();
	for (unsigned int i = 0; i < SAVES; i++) {
		int64_t step;

		in_l2 &= save_once(&step) > 0;
		if (step > longest)
			longest = step;
	}
	error = clock_guests_error(guests, CLOCK_KINDS);
	seen = clock_guests_seen(guests, CLOCK_KINDS);
	ktap_diag("error %" PRId64 " ns after %" PRIu64 " reads, %" PRIu64 " of them unstable",
		  error, seen.reads, seen.unstable);
	ktap_ok(in_l2, "L2 runs when L1 is saved, and goes on");
	ktap_ok(!seen.backward && !seen.cross, "no clock goes back");
	ktap_ok(longest < ERROR_NS, "none takes a longer step than time has passed");
	ktap_ok(llabs(error) < ERROR_NS, "each is L0's reference time, within 1 ms");
	ktap_ok(!seen.unstable, "and stable across vCPUs all the time");
	for (unsigned int i = 0; i < CLOCK_KINDS; i++)
		clock_guest_destroy(&guests[i]);
	return ktap_exit();
}
