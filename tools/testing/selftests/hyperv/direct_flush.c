// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct_flush: L2 flushes the TLB of its virtual processors by hypercall, and L0 serves it.
 *
 *	direct_flush [CASE...]	first-entry, late, identity, race, exits; default: all
 *
 * vCPU 0 maps a page anew and flushes VP 1, whose vCPU reads that page on another CPU
 * (lib/hv_guest.h). KVM must not see the hypercall, L0 must find the one processor that
 * it is for, and the page must be the new one. Where an emulated TLB forgives, L0's
 * counts tell; without the rig's L0 only the rest is checked.
 *
 * Proved: L0 serves each form of flush hypercall, for the right processor, from the first
 * entry on or from when the VMM asks for it, and L1 is not woken; a VM's vCPUs share one
 * partition assist page, and VmId is no address.
 *
 * Broken by: a VpId that is written after the first entry or stays clean; the bit for direct
 * flush that L0 is not told of; a page that two vCPUs allocate at once.
 */
#include <pthread.h>
#include <sched.h>
#include <x86intrin.h>

#include "lib/hv_flush.h"
#include "lib/ktap.h"

#define ROUNDS		2	/* remaps of a case that a second vCPU watches */
#define CALLS		100	/* in a row, to count exits */

/* Where the first vCPU's turn ends while it asks, in ticks after it has begun to. */
#define RACE_STEP	60
#define RACE_TICKS	2400
#define NOT_ONE_LOOP	20000	/* ticks between two readings of the TSC */

/* vCPU 1 enters L2 for the first time and stays there. */
static void test_first_entry(void)
{
	struct hv_guest guest;
	bool ok = true;

	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	hv_flush_ask(&guest);
	hv_guest_watch(&guest);
	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	for (unsigned int form = 0; form < HV_GUEST_FORMS; form++)
		ok &= hv_flush_watched(&guest, form, ROUNDS, true);
	ok &= hv_guest_watched(&guest);
	hv_guest_destroy(&guest);
	ktap_ok(ok, "L0 serves each form of flush, for the processor that it names");
}

/* The VMM asks when both vCPUs have run for a while. */
static void test_late(void)
{
	struct hv_guest guest;
	bool ok;

	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	hv_flush_place_vcpu_1(&guest);
	ok = hv_flush(&guest, 1, false);
	hv_flush_ask(&guest);
	hv_flush_place_vcpu_1(&guest);
	ok &= hv_flush(&guest, 1, true);
	hv_guest_destroy(&guest);
	ktap_ok(ok, "L0 serves flushes as soon as the VMM asks for it");
}

/* What L0 is told of a VM. */
static void test_identity(void)
{
	struct hv_flush_count before, since;
	struct hv_guest guest;
	bool ok;

	if (!hv_flush_l0) {
		ktap_skip("VmId tells L0 no address of the kernel", "only the rig's L0 tells");
		return;
	}
	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	hv_flush_ask(&guest);
	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	hv_flush_place_vcpu_1(&guest);
	before = hv_flush_now(&guest);
	ok = hv_flush(&guest, 1, true);
	hv_guest_wrmsr(&guest.vcpu[0], HV_MSR_GUEST_OS_ID, HV_GUEST_OS);
	ok &= hv_flush(&guest, 1, true);
	since = hv_flush_since(&guest, &before);
	if (since.l0.pointers)
		ktap_diag("%llu entries have an address of the kernel as VmId",
			  (unsigned long long)since.l0.pointers);
	hv_guest_destroy(&guest);
	ktap_ok(ok && !since.l0.pointers, "VmId tells L0 no address of the kernel");
}

struct both {
	struct hv_guest guest;
	volatile bool first_asks, second_waits;
};

static void *ask_second(void *arg)
{
	struct both *both = arg;
	struct vcpu *vcpu = &both->guest.vcpu[1];

	/* So that its VMCS is here already, and need not be fetched from the other CPU. */
	hv_flush_run_once(vcpu);
	both->second_waits = true;
	while (!both->first_asks)
		;
	hv_flush_ask_for(vcpu);
	return hv_flush_run_once(vcpu);
}

/* Returns when this CPU has just got its turn: the time, and in @length how long one is. */
static uint64_t own_turn(uint64_t *length)
{
	uint64_t begin = 0, last = __rdtsc(), now;

	for (;;) {
		now = __rdtsc();
		if (now - last > NOT_ONE_LOOP) {
			if (begin) {
				*length = last - begin;
				return now;
			}
			begin = now;
		}
		last = now;
	}
}

/*
 * Two vCPUs ask at once. In the rig two CPUs of L1 take turns on one of L0's: the first one
 * asks @before_end ticks before its turn ends, so that the second finds it half-way.
 */
static void ask_at_once(uint64_t before_end)
{
	struct both both = { .first_asks = false };
	uint64_t begin, length;
	pthread_t thread;

	hv_guest_create(&both.guest, 2, HV_GUEST_AWARE);
	hv_guest_enable_hypercalls(&both.guest.vcpu[0]);
	thread = hv_guest_thread(ask_second, &both);
	while (!both.second_waits)
		sched_yield();
	begin = own_turn(&length);
	while (__rdtsc() - begin + before_end < length)
		;
	both.first_asks = true;
	hv_flush_ask_for(&both.guest.vcpu[0]);
	pthread_join(thread, NULL);
	/* L0 sees the page of each vCPU at its entry, on a CPU of its own. */
	hv_flush_run_once(&both.guest.vcpu[0]);
	hv_guest_destroy(&both.guest);
}

static void test_race(void)
{
	struct l0_direct_flush before, after;
	uint64_t before_end = 0;

	if (!hv_flush_l0) {
		ktap_skip("vCPUs that ask at once share a partition assist page",
			  "only the rig's L0 tells");
		return;
	}
	l0_direct_flush_read(&before);
	do {
		before_end += RACE_STEP;
		ask_at_once(before_end);
		l0_direct_flush_read(&after);
	} while (before_end < RACE_TICKS && after.split == before.split);
	if (after.split != before.split)
		ktap_diag("two pages, when the first asked %llu ticks before the end of its turn",
			  (unsigned long long)before_end);
	ktap_ok(after.split == before.split, "vCPUs that ask at once share a partition assist page");
}

/* A record for the bench, and the check that L1 is not woken. */
static void test_exits(void)
{
	for (unsigned int direct = 0; direct < 2; direct++) {
		struct l0_counts by_reason = { 0 };
		struct hv_flush_count before, since;
		struct hv_guest guest;
		uint64_t ticks;
		bool ok;

		hv_guest_create(&guest, 2, HV_GUEST_AWARE);
		if (direct)
			hv_flush_ask(&guest);
		hv_guest_enable_hypercalls(&guest.vcpu[0]);
		hv_flush_place_vcpu_1(&guest);
		hv_flush(&guest, 1, direct);
		hv_guest_order_flush(&guest.vcpu[0], HV_GUEST_CALL, 0, CALLS);
		before = hv_flush_now(&guest);
		if (hv_flush_l0)
			l0_count_start();
		ticks = __rdtsc();
		hv_guest_run(&guest.vcpu[0]);
		ticks = __rdtsc() - ticks;
		if (hv_flush_l0)
			l0_count_stop(direct ? "direct" : "off", &by_reason);
		since = hv_flush_since(&guest, &before);
		/* The last exit of L1 is L2's word that it is done. */
		ktap_diag("direct-flush %s flushes %u l1_exits %llu hypercalls %llu ticks %llu vmcall %llu vmresume %llu",
			  direct ? "on" : "off", CALLS, (unsigned long long)since.exits - 1,
			  (unsigned long long)since.hypercalls, (unsigned long long)ticks,
			  (unsigned long long)by_reason.hits[L0_VMCALL],
			  (unsigned long long)by_reason.hits[L0_VMRESUME]);
		ok = hv_flush_succeeded(&guest) && hv_flush_served(&since, CALLS, direct);
		hv_guest_destroy(&guest);
		ktap_ok(ok, direct ? "no flush wakes L1" : "each flush wakes L1 where the VMM does not ask");
	}
}

static const struct hv_flush_test tests[] = {
	{ "first-entry", 2, 1, test_first_entry, false },
	{ "late", 2, 1, test_late, false },
	{ "identity", 2, 1, test_identity, false },
	{ "race", 2, 1, test_race, false },
	{ "exits", 2, 2, test_exits, false },
};

int main(int argc, char **argv)
{
	return hv_flush_main(tests, ARRAY_SIZE(tests), argc, argv);
}
