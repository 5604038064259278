/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * worker.h: a thread that runs a vCPU, whose L2 computes what the test can check.
 *
 * L2 computes in registers and memory and exits both into KVM (CPUID) and to the
 * VMM (port). Before each exit it gives RSP and FS base new values, which live in
 * the VMCS only, and uses them after it. worker_end() makes the same steps in C
 * and compares.
 */
#ifndef WORKER_H
#define WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vm.h"

#define WORKER_WORDS	64

/* What the thread, the test and L2 share, in the vCPU's page of data. */
struct worker_shared {
	uint64_t stop;		/* set by the test */
	uint64_t steps;		/* made so far */
	uint64_t x;		/* computed in a register */
	uint64_t sum;		/* of CPUID's registers, the word at FS:0, and RSP */
	uint64_t multiplier;
	uint64_t unused[3];
	uint64_t word[WORKER_WORDS];	/* computed in memory */
};

struct worker {
	struct vcpu vcpu;
	volatile struct worker_shared *shared;
	pthread_t thread;
	volatile pid_t tid;
	unsigned int own_moves;		/* to make between KVM_RUNs; 0: none */
	volatile unsigned int pause_us;	/* between KVM_RUNs; 0: none */
	volatile int cpu;		/* where it last left KVM_RUN */
	unsigned int cpu_changes;	/* that the thread saw between KVM_RUNs */
};

/*
 * Lets the calling thread preempt the workers, whom it would often wait for until
 * the next tick otherwise. Saves time only, so it is no error if it may not.
 */
void worker_be_first(void);

/* Makes a VM for workers. */
void worker_create_vm(struct vm *vm);

/*
 * Adds vCPU number @id to the VM and starts its thread, on any CPU. A thread with
 * @own_moves changes between the first two CPUs so often and then stops itself.
 */
void worker_start(struct worker *worker, struct vm *vm, unsigned int id, unsigned int own_moves);

/* Moves a thread, of a worker or any other, to a CPU. */
void worker_move(pid_t tid, int cpu);

/* Waits until L2 has made @steps more steps. */
void worker_wait(struct worker *worker, unsigned int steps);

/* Stops the worker, destroys its vCPU, and says if L2 computed the right things. */
bool worker_end(struct worker *worker);

#endif
