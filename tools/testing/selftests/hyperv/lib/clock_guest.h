/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clock_guest.h: an L2 whose vCPUs read the time in a loop, and how right that is.
 *
 * L2 reads as its clock's users do: KVM's clock (Documentation/virt/kvm/x86/msr.rst,
 * MSR_KVM_SYSTEM_TIME_NEW), or Hyper-V's reference TSC page (TLFS, "Timers"). It notes
 * where the time goes back behind what this vCPU has read, or any vCPU before. Where KVM
 * does not say that the clock is stable across vCPUs, it never goes back itself, as those
 * users do.
 *
 * The judge is L0's reference counter, which no TSC of L1 is part of.
 */
#ifndef CLOCK_GUEST_H
#define CLOCK_GUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vm.h"

#define CLOCK_GUEST_VCPUS	2

/* Where a vCPU has KVM's clock. */
#define CLOCK_KVM_AT(id)	(VM_DATA(id) + 0x800)

enum clock_kind {
	CLOCK_KVM,
	CLOCK_HYPERV,
	CLOCK_KINDS
};

extern const char *const clock_names[CLOCK_KINDS];

/* The begin of a vCPU's page of data. */
struct clock_shared {
	uint64_t op;
	uint64_t msr, value;	/* to write */
	uint64_t kind;
	uint64_t last;		/* ns that were read last */
	uint64_t backward;	/* reads that were less than the one before */
	uint64_t longest;	/* step forward, ns */
	uint64_t cross;		/* reads that were less than one of another vCPU before */
	uint64_t reads;		/* in all */
	uint64_t burst;		/* reads until L2 exits */
	uint64_t unstable;	/* reads of a clock that is not stable across vCPUs */
};

/* A time of L2 and the reference time then, ns. */
struct clock_sample {
	int64_t l2;
	int64_t reference;
	int64_t unsure;		/* the reference time may be so much more or less */
};

struct clock_vcpu {
	struct clock_guest *guest;
	struct vcpu vcpu;
	volatile struct clock_shared *shared;
	unsigned int cpu;		/* of L1 */
	struct clock_sample first;
	pthread_t thread;
};

struct clock_guest {
	struct vm vm;
	enum clock_kind kind;
	unsigned int vcpus;
	unsigned int pause_us;		/* between two bursts of reads; 0: never out of L2 */
	volatile bool stop;
	struct clock_vcpu vcpu[CLOCK_GUEST_VCPUS];
};

/* A VM whose vCPU i runs on @cpus[i] of L1 and knows its clock. */
void clock_guest_create(struct clock_guest *guest, enum clock_kind kind, unsigned int vcpus,
			const unsigned int *cpus);
void clock_guest_destroy(struct clock_guest *guest);

/* Starts to read on all vCPUs, each in a thread of its own; and ends that. */
void clock_guest_start(struct clock_guest *guest, unsigned int pause_us);
void clock_guest_stop(struct clock_guest *guest);

/* A vCPU that is stopped executes WRMSR. */
void clock_guest_write_msr(struct clock_vcpu *vcpu, uint32_t msr, uint64_t value);

/* The same: it asks KVM or Hyper-V for its clock, again if it has it already. */
void clock_guest_turn_on(struct clock_vcpu *vcpu);

/* One read of a vCPU that is stopped, from its CPU of L1. */
struct clock_sample clock_guest_sample(struct clock_vcpu *vcpu);

/* By how many ns the vCPU's clock has left the reference time since it was created. */
int64_t clock_guest_error(struct clock_vcpu *vcpu);

/* That of the vCPU of these VMs whose clock is furthest off. */
int64_t clock_guests_error(struct clock_guest *guests, unsigned int count);

/* What all vCPUs of these VMs have seen, added up; the longest step of any. */
struct clock_shared clock_guests_seen(struct clock_guest *guests, unsigned int count);

/*
 * Where L1 gets Hyper-V's interrupt for a migration, and does the work for it; and two
 * CPUs that it has beside that one. Ends the test where that is not possible.
 */
unsigned int clock_home(unsigned int cpus[2]);

/* Frequency of L1's TSC, as Hyper-V says. */
unsigned int clock_khz(void);

/* Reads an MSR of the CPU of L1; false if that raises #GP. */
bool clock_read_msr(unsigned int cpu, uint32_t msr, uint64_t *value);

void clock_move_to(unsigned int cpu);

#endif
