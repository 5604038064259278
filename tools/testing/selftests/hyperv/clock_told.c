// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock_told: how soon L1 ends the emulation of its TSC after a migration.
 *
 * L0 plays both machines of a migration (the rig's L0 alone can), and interrupts L1 once. No
 * VM is there whose clock would have to be written anew.
 *
 * Proved: the TSC is emulated for less than LONGEST_MS, by L0's clock. Each RDTSC is an exit
 * meanwhile.
 *
 * Broken by: an L1 that waits before it calls KVM, as the kernel's own core does (100 ms).
 */
#include <inttypes.h>
#include <unistd.h>

#include "lib/clock_guest.h"
#include "lib/ktap.h"
#include "lib/l0.h"

#define LONGEST_MS	50
#define NS_PER_MS	1000000
#define POLL_US		30000
#define WAIT_POLLS	200

int main(void)
{
	struct l0_clock before, clock;
	const char *why;

	ktap_plan(1);
	if (!l0_open(&why) || l0_clock_read(&before)) {
		ktap_skip_rest("L0 plays no migrations");
		return ktap_exit();
	}
	l0_migrate(clock_khz() / 100 * 90, 1, 0);
	for (unsigned int i = 0; i < WAIT_POLLS; i++) {
		usleep(POLL_US);
		l0_clock_read(&clock);
		if (clock.migrations > before.migrations)
			break;
	}
	ktap_diag("%" PRIu64 " migrations, emulated for %" PRIu64 " us",
		  clock.migrations - before.migrations, clock.emulated / 1000);
	ktap_ok(clock.migrations > before.migrations && clock.emulated < LONGEST_MS * NS_PER_MS,
		"the TSC is not emulated for long");
	return ktap_exit();
}
