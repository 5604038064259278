// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmclock: L2 reads its clock on two CPUs of L1, whose TSCs may differ.
 *
 * L2 reads KVM's clock in a loop, while its thread moves between the CPUs; and turns the clock
 * off and on, which makes KVM take a new base for it on the CPU where it is.
 *
 * Proved: the clock never goes back, and no step of it is longer than the time that has
 * passed in L1.
 *
 * Broken by: a base that is taken on a CPU whose TSC is behind, and wraps; a clock that is
 * called stable although a TSC is behind its base.
 */
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock_guest.h"
#include "lib/ktap.h"

#define READS		400
#define MOVES		10
#define BASES		6	/* between two moves: over more than a tick of L1 */
#define SLACK_NS	1000000000ull	/* L1's own clock may tick later than L2's */
#define HANG_SECONDS	60

#define MSR_OLD_CLOCK	0x12

static struct clock_guest guest;
static struct clock_vcpu *const vcpu = &guest.vcpu[0];

static void read_clock(void)
{
	vcpu->shared->burst = READS;
	vcpu_run_to_port(&vcpu->vcpu, PORT_STEP);
}

static uint64_t l1_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void begin(void)
{
	/* L2 is not so young that a clock that is late would be below zero. */
	struct kvm_clock_data clock = { .clock = 1000000000 };

	clock_move_to(0);
	vm_ioctl(guest.vm.fd, KVM_SET_CLOCK, &clock);
	clock_guest_turn_on(vcpu);
	vcpu->shared->last = 0;
	read_clock();
	vcpu->shared->backward = 0;
	vcpu->shared->longest = 0;
}

/* What L2 has seen since begin() fits the time that has passed. */
static bool is_right(uint64_t began)
{
	uint64_t passed = l1_now() - began;

	if (!vcpu->shared->backward && vcpu->shared->longest <= passed + SLACK_NS)
		return true;
	ktap_diag("in %" PRIu64 " ms: %" PRIu64 " steps back, and one of %" PRIu64
		  " ms forward (%.1f years)", passed / 1000000, vcpu->shared->backward,
		  vcpu->shared->longest / 1000000, vcpu->shared->longest / 1e9 / 86400 / 365.25);
	return false;
}

/* The old clock has no master clock; back to the new one it gets a new base, here. */
static void take_base(void)
{
	clock_guest_write_msr(vcpu, MSR_OLD_CLOCK, CLOCK_KVM_AT(0) | 1);
	clock_guest_turn_on(vcpu);
}

static void test_moves(void)
{
	uint64_t began = l1_now();

	begin();
	for (unsigned int move = 1; move <= MOVES; move++) {
		/* On CPU 0, so that it is fresh when CPU 1 counts on from it. */
		if (move & 1)
			take_base();
		clock_move_to(move & 1);
		read_clock();
	}
	ktap_ok(is_right(began), "the clock is continuous on another CPU");
}

static void test_new_base(void)
{
	uint64_t began = l1_now();

	begin();
	for (unsigned int move = 1; move <= MOVES; move++) {
		clock_move_to(move & 1);
		for (unsigned int base = 0; base < BASES; base++) {
			take_base();
			read_clock();
		}
	}
	ktap_ok(is_right(began), "the clock gets a new base on another CPU");
}

int main(void)
{
	static const unsigned int cpu;

	ktap_plan(2);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		ktap_skip_rest("needs two CPUs");
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	clock_guest_create(&guest, CLOCK_KVM, 1, &cpu);
	test_moves();
	test_new_base();
	clock_guest_destroy(&guest);
	return ktap_exit();
}
