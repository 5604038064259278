// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock_unload: KVM is unloaded in the middle of a migration of L1, and loaded again.
 *
 * Proved: no TSC stays emulated when KVM, who has asked for that, goes; nor is it emulated
 * in a migration without KVM; the next KVM is told of migrations again.
 *
 * Broken by: a KVM that leaves TSC_EMULATION_CONTROL set; one that goes while the kernel
 * calls it. Leaves the modules loaded with their default parameters. KVM must not be in use.
 */
#include <unistd.h>

#include "lib/clock_guest.h"
#include "lib/kmod.h"
#include "lib/ktap.h"
#include "lib/l0.h"

#define POLL_US		10000
#define WAIT_POLLS	100
#define LOADS		2
#define STEP_US		60000	/* before the second unload: what L1 takes to react */
#define ERROR_NS	1000000
#define HANG_SECONDS	60

static unsigned int khz;

static struct l0_clock clock_now(void)
{
	struct l0_clock clock;

	l0_clock_read(&clock);
	return clock;
}

/* It is kvm_intel that asks to be told of migrations; kvm.ko stays loaded. */
static void load(void)
{
	kmod_load("kvm-intel", "");
}

static void unload(void)
{
	kmod_unload("kvm_intel");
}

static void check_untold(void)
{
	l0_migrate(khz / 100 * 70, 0, 0);
	unload();
	ktap_ok(!clock_now().emulating, "KVM ends the emulation when it goes");
}

static void check_without_kvm(void)
{
	uint64_t before = clock_now().migrations;

	l0_migrate(khz, 1, 0);
	ktap_ok(!clock_now().emulating && clock_now().migrations == before + 1,
		"without KVM no TSC is emulated");
}

static void check_pending(void)
{
	unsigned int i;

	for (i = 0; i < LOADS; i++) {
		load();
		l0_migrate(khz / 100 * (i & 1 ? 100 : 80), 1, 0);
		usleep(i * STEP_US);
		unload();
		if (clock_now().emulating)
			break;
	}
	ktap_ok(i == LOADS, "nor after one that L1 was about to end");
}

static void check_reloaded(void)
{
	uint64_t before = clock_now().migrations;
	const unsigned int cpu = 0;
	struct clock_guest guest;
	int64_t error;

	load();
	clock_guest_create(&guest, CLOCK_KVM, 1, &cpu);
	l0_migrate(khz / 100 * 90, 1, 0);
	for (unsigned int i = 0; i < WAIT_POLLS && clock_now().migrations == before; i++)
		usleep(POLL_US);
	error = clock_guest_error(&guest.vcpu[0]);
	ktap_diag("error %lld ns", (long long)error);
	ktap_ok(clock_now().migrations > before && error < ERROR_NS && error > -ERROR_NS,
		"the next KVM is told of migrations");
	clock_guest_destroy(&guest);
}

int main(void)
{
	const char *why;

	ktap_plan(4);
	if (access(KMOD_DIR, R_OK)) {
		ktap_skip_rest("no modules in " KMOD_DIR);
		return ktap_exit();
	}
	if (!l0_open(&why)) {
		ktap_skip_rest("%s", why);
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	khz = clock_khz();
	check_untold();
	check_without_kvm();
	check_pending();
	check_reloaded();
	return ktap_exit();
}
