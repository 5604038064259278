// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu_move: vCPUs are moved from CPU to CPU while L2 runs.
 *
 *	vcpu_move [CASE]	self, other, two-vcpus, two-vms, load; default: all
 *
 * L2 computes (lib/worker.h). Its threads are moved by another thread, or move
 * themselves between two KVM_RUNs: one vCPU, two vCPUs of one VM, and the vCPUs
 * of two VMs, which change places; and one vCPU for which there is no free CPU.
 *
 * Proved: after all moves each L2 has computed what the same steps give outside of
 * it, and it went on after every move.
 *
 * Broken by: an eVMCS that is still active on the CPU it left, or that keeps its
 * clean fields although the new CPU (or its VP assist page) never saw it: stale
 * host state crashes L1, stale guest state spoils the sums.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/worker.h"

#define MOVES		14	/* of one vCPU */
#define MOVES_OF_TWO	5	/* of each of two vCPUs */
#define MOVES_IN_LOAD	4	/* of one vCPU that competes with other threads */
#define STEPS_A_MOVE	20	/* L2 makes at least so many steps between two moves */
#define MAX_WORKERS	2
#define CPUS		2
#define PAUSE_US	100	/* of a thread that competes with others, now and then */
#define SPINS		50000	/* of a busy thread between two pauses */

enum mover { ITSELF, ANOTHER_THREAD };

static const struct test {
	const char *key, *name;
	enum mover mover;
	unsigned int moves, workers, vms;
	bool load;		/* a busy thread on each CPU */
} tests[] = {
	{ "self", "one vCPU, moves itself between runs", ITSELF, MOVES, 1, 1, false },
	{ "other", "one vCPU, moved by another thread", ANOTHER_THREAD, MOVES, 1, 1, false },
	{ "two-vcpus", "two vCPUs of one VM, moved by another thread", ANOTHER_THREAD,
	  MOVES_OF_TWO, 2, 1, false },
	{ "two-vms", "vCPUs of two VMs, moved by another thread", ANOTHER_THREAD,
	  MOVES_OF_TWO, 2, 2, false },
	{ "load", "one vCPU that competes for both CPUs", ANOTHER_THREAD,
	  MOVES_IN_LOAD, 1, 1, true },
};

#define TESTS	(sizeof(tests) / sizeof(tests[0]))

static volatile bool load_ends;

/* Each of its wakes preempts the vCPU in KVM_RUN. */
static void *load_thread(void *cpu)
{
	worker_move(0, *(const int *)cpu);
	while (!load_ends) {
		for (volatile unsigned int i = 0; i < SPINS; i++)
			;
		usleep(PAUSE_US);
	}
	return NULL;
}

static void start_load(pthread_t *load)
{
	static const int cpu[CPUS] = { 0, 1 };

	load_ends = false;
	for (unsigned int i = 0; i < CPUS; i++)
		if (pthread_create(&load[i], NULL, load_thread, (void *)&cpu[i]))
			ktap_bail("no busy thread for CPU %u", i);
}

static void end_load(pthread_t *load)
{
	load_ends = true;
	for (unsigned int i = 0; i < CPUS; i++)
		pthread_join(load[i], NULL);
}

/* Moves all threads, again and again, each time when all of them have gone on. */
static void move_from_outside(struct worker *worker, const struct test *test)
{
	for (unsigned int move = 0; move < test->moves; move++) {
		for (unsigned int i = 0; i < test->workers; i++)
			worker_wait(&worker[i], STEPS_A_MOVE);
		for (unsigned int i = 0; i < test->workers; i++)
			worker_move(worker[i].tid, (move + i) & 1);
	}
	for (unsigned int i = 0; i < test->workers; i++)
		worker_wait(&worker[i], STEPS_A_MOVE);
}

static void run(const struct test *test)
{
	struct worker worker[MAX_WORKERS];
	struct vm vm[MAX_WORKERS];
	pthread_t load[CPUS];
	bool ok = true;

	for (unsigned int i = 0; i < test->vms; i++)
		worker_create_vm(&vm[i]);
	for (unsigned int i = 0; i < test->workers; i++)
		worker_start(&worker[i], &vm[test->vms > 1 ? i : 0], test->vms > 1 ? 0 : i,
			     test->mover == ITSELF ? test->moves : 0);
	/* Where L0 has one CPU, two busy CPUs wait for L0's next tick at each move. */
	for (unsigned int i = 0; i < test->workers; i++)
		worker[i].pause_us = test->mover == ANOTHER_THREAD && !test->load ? PAUSE_US : 0;
	if (test->load)
		start_load(load);
	if (test->mover == ANOTHER_THREAD)
		move_from_outside(worker, test);
	if (test->load)
		end_load(load);
	for (unsigned int i = 0; i < test->workers; i++) {
		ok &= worker_end(&worker[i]) && worker[i].cpu_changes;
		ktap_diag("thread %u: moved %u times, saw %u moves, %llu steps of L2", i,
			  test->moves, worker[i].cpu_changes,
			  (unsigned long long)worker[i].shared->steps);
	}
	for (unsigned int i = 0; i < test->vms; i++)
		vm_destroy(&vm[i]);
	ktap_ok(ok, "%s", test->name);
}

static bool chosen(const struct test *test, const char *key)
{
	return !key || !strcmp(test->key, key);
}

int main(int argc, char **argv)
{
	const char *key = argc > 1 ? argv[1] : NULL;
	unsigned int planned = 0;

	for (unsigned int i = 0; i < TESTS; i++)
		planned += chosen(&tests[i], key);
	if (!planned)
		ktap_bail("usage: %s [self|other|two-vcpus|two-vms|load]", argv[0]);
	ktap_plan(planned);
	if (sysconf(_SC_NPROCESSORS_ONLN) < CPUS) {
		ktap_skip_rest("needs two CPUs");
		return ktap_exit();
	}
	worker_be_first();
	for (unsigned int i = 0; i < TESTS; i++)
		if (chosen(&tests[i], key))
			run(&tests[i]);
	return ktap_exit();
}
