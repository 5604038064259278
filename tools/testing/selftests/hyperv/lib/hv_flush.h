/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hv_flush.h: who serves the TLB flushes of an L2 that knows Hyper-V (hv_guest.h), and
 * what comes of them, by the counts of KVM and of the rig's L0.
 */
#ifndef HV_FLUSH_H
#define HV_FLUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "hv_guest.h"
#include "l0.h"

/* L0 counts; without it only the rest is checked. */
extern bool hv_flush_l0;

/* What L0 and KVM have done: the latter's for vCPU 0. */
struct hv_flush_count {
	struct l0_direct_flush l0;
	uint64_t hypercalls, exits;
};

struct hv_flush_count hv_flush_now(struct hv_guest *guest);
struct hv_flush_count hv_flush_since(struct hv_guest *guest, const struct hv_flush_count *then);

/* L0 served so many and found so many processors for them, and missed none; else says so. */
bool hv_flush_found(const struct hv_flush_count *since, unsigned int served, unsigned int matched);

/*
 * L0 served @flushes, found every processor that they named, and KVM saw none of them; or,
 * with @direct false, the other way round. Else says what was different.
 */
bool hv_flush_served(const struct hv_flush_count *since, unsigned int flushes, bool direct);

/* vCPU 0's last hypercall succeeded; else says what it returned. */
bool hv_flush_succeeded(struct hv_guest *guest);

/* KVM_CAP_HYPERV_DIRECT_TLBFLUSH, which must be there: on one vCPU, on all of a VM. */
void hv_flush_ask_for(struct vcpu *vcpu);
void hv_flush_ask(struct hv_guest *guest);

/*
 * vCPU 0 flushes VP 1 so many times, and with @watched maps a page anew each time while vCPU 1
 * watches. True if hv_flush_served() and the hypercall succeeded.
 */
bool hv_flush(struct hv_guest *guest, unsigned int calls, bool direct);
bool hv_flush_watched(struct hv_guest *guest, unsigned int form, unsigned int rounds, bool direct);

/* Runs a vCPU once, here, or vCPU 1 on CPU 1: to L0 that is where it is from then on. */
void *hv_flush_run_once(void *vcpu);
void hv_flush_place_vcpu_1(struct hv_guest *guest);

/* One test of a program: @cases results, on so many CPUs. */
struct hv_flush_test {
	const char *key;
	unsigned int cpus, cases;
	void (*run)(void);
	bool not_by_default;
};

/* Runs those that the command line names; the exit code. */
int hv_flush_main(const struct hv_flush_test *tests, unsigned int count, int argc, char **argv);

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#endif
