// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr_bitmap [1 | 2]: an MSR that L2 owns is intercepted and passed through in turns,
 * on so many vCPUs.
 *
 * L2 writes and reads an MSR in a loop. Between two runs of the loop the VMM sets
 * an MSR filter that denies nothing, reads, writes, or both; KVM then changes the
 * MSR bitmap, and under the enlightened MSR bitmap must tell L0 by a clean bit.
 *
 * Proved, for each MSR: an allowed access never
 * reaches the VMM; a denied access reaches it every time, from the first one after
 * the change; each read gives what the last effective write left. And where L0
 * counts exits: an MSR that is passed through again costs L0 nothing.
 *
 * Broken by: a change of the bitmap that does not dirty the MSR_BITMAP clean bit
 * (L0 keeps the old bitmap: denied accesses go unseen), or that dirties it for one
 * vCPU only. L0 may ignore the clean bit on VMLAUNCH and when it sees another
 * eVMCS, so each vCPU thread stays on a CPU of its own, and the case of two vCPUs
 * needs two CPUs. KVM as L0 consults its copy of the bitmap for the three base
 * MSRs; for the others it reads L1's bitmap, and only a Hyper-V can fail there.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/l0.h"
#include "lib/vm.h"

#define ACCESSES	4	/* writes, and as many reads, in one run of the loop */
#define MANY_ACCESSES	200	/* the same where L0 counts them */
#define FIRST_VALUE	0x120000000000ull	/* canonical, both halves in use */
#define DENIED_VALUE	0x7700000000aaull	/* what the VMM answers to a read */
#define MAX_VCPUS	2

#define DENY_READ	KVM_MSR_FILTER_READ
#define DENY_WRITE	KVM_MSR_FILTER_WRITE

/* What the VMM and L2 tell each other, in the vCPU's page of data. */
struct shared {
	uint64_t msr;
	uint64_t value;		/* the first value to write; the next one is one more */
	uint64_t accesses;
	uint64_t sum;		/* of all values read */
};

GUEST_CODE(msr_guest,
	"1:	mov	(%rdi), %ecx\n"
	"	mov	8(%rdi), %r8\n"
	"	mov	16(%rdi), %r9\n"
	"	xor	%r10d, %r10d\n"
	"2:	mov	%r8, %rax\n"
	"	mov	%r8, %rdx\n"
	"	shr	$32, %rdx\n"
	"	wrmsr\n"
	"	rdmsr\n"
	"	shl	$32, %rdx\n"
	"	or	%rdx, %rax\n"
	"	add	%rax, %r10\n"
	"	inc	%r8\n"
	"	dec	%r9\n"
	"	jnz	2b\n"
	"	mov	%r10, 24(%rdi)\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n");

static const struct {
	const char *name;
	uint32_t index;
} tested[] = {
	{ "FS_BASE", 0xc0000100 },
	{ "GS_BASE", 0xc0000101 },
	{ "KERNEL_GS_BASE", 0xc0000102 },
	{ "SYSENTER_EIP", 0x176 },
};

#define KERNEL_GS_BASE	tested[2]

/* The filter of each run of the loop. */
static const uint32_t phases[] = {
	0, DENY_READ, 0, DENY_WRITE, 0, DENY_READ | DENY_WRITE, 0,
	DENY_READ | DENY_WRITE, DENY_READ, DENY_WRITE, 0, DENY_READ, DENY_READ, 0,
};

#define PHASES	(sizeof(phases) / sizeof(phases[0]))

struct runner {
	struct vcpu vcpu;
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct shared *shared;
	int cpu;
	uint64_t in_msr;	/* what the last effective write left in the MSR */
	unsigned int reads, writes, errors;	/* of the run: seen by the VMM */
	unsigned int bad_phases;
};

static void set_filter(struct vm *vm, uint32_t msr, uint32_t denied)
{
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	uint8_t none_allowed = 0;

	if (denied) {
		filter.ranges[0].flags = denied;
		filter.ranges[0].base = msr;
		filter.ranges[0].nmsrs = 1;
		filter.ranges[0].bitmap = &none_allowed;
	}
	vm_ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

static void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		ktap_bail("sched_setaffinity to CPU %d: %s", cpu, strerror(errno));
}

static uint64_t get_msr(struct vcpu *vcpu, uint32_t index)
{
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(msrs->entries[0]));
	uint64_t value;

	if (!msrs)
		ktap_bail("no memory for an MSR");
	msrs->nmsrs = 1;
	msrs->entries[0].index = index;
	if (vm_ioctl(vcpu->fd, KVM_GET_MSRS, msrs) != 1)
		ktap_bail("KVM_GET_MSRS: KVM does not know MSR %#x", index);
	value = msrs->entries[0].data;
	free(msrs);
	return value;
}

/* Runs the loop once; plays the MSR for the accesses that reach the VMM. */
static void run_loop(struct runner *runner)
{
	struct kvm_run *run = runner->vcpu.run;
	struct shared *shared = runner->shared;

	runner->reads = 0;
	runner->writes = 0;
	runner->errors = 0;
	for (;;) {
		switch (vcpu_run(&runner->vcpu)) {
		case KVM_EXIT_X86_RDMSR:
			run->msr.data = DENIED_VALUE;
			runner->reads++;
			break;
		case KVM_EXIT_X86_WRMSR:
			if (run->msr.data != shared->value + runner->writes)
				runner->errors++;
			runner->writes++;
			break;
		case KVM_EXIT_IO:
			if (run->io.port != PORT_STEP)
				vcpu_bad_exit(&runner->vcpu);
			return;
		default:
			vcpu_bad_exit(&runner->vcpu);
		}
		if (run->msr.index != shared->msr)
			runner->errors++;
		run->msr.error = 0;
	}
}

static uint64_t expected_sum(struct runner *runner, uint32_t denied)
{
	struct shared *shared = runner->shared;
	uint64_t n = shared->accesses;

	if (denied & DENY_READ)
		return n * DENIED_VALUE;
	if (denied & DENY_WRITE)
		return n * runner->in_msr;
	return n * shared->value + n * (n - 1) / 2;
}

/* Runs the loop and judges it; of a vCPU's bad runs only the first is described. */
static void run_phase(struct runner *runner, unsigned int phase)
{
	struct shared *shared = runner->shared;
	uint32_t denied = phases[phase];
	unsigned int reads = denied & DENY_READ ? ACCESSES : 0;
	unsigned int writes = denied & DENY_WRITE ? ACCESSES : 0;
	uint64_t sum, left, left_expected;

	shared->value = FIRST_VALUE + phase * 0x10000 + runner->vcpu.id * 0x100;
	sum = expected_sum(runner, denied);
	run_loop(runner);
	if (!writes)
		runner->in_msr = shared->value + ACCESSES - 1;
	left = get_msr(&runner->vcpu, shared->msr);
	if (runner->reads == reads && runner->writes == writes && !runner->errors &&
	    shared->sum == sum && left == runner->in_msr)
		return;
	left_expected = runner->in_msr;
	runner->in_msr = left;
	if (runner->bad_phases++)
		return;
	ktap_diag("vCPU %u, run %u, denied%s%s%s: saw %u of %u reads, %u of %u writes, %u wrong",
		  runner->vcpu.id, phase, denied & DENY_READ ? " reads" : "",
		  denied & DENY_WRITE ? " writes" : "", denied ? "" : " nothing",
		  runner->reads, reads, runner->writes, writes, runner->errors);
	ktap_diag("  sum read %#llx, expected %#llx; left in the MSR %#llx, expected %#llx",
		  (unsigned long long)shared->sum, (unsigned long long)sum,
		  (unsigned long long)left, (unsigned long long)left_expected);
}

static void *runner_thread(void *arg)
{
	struct runner *runner = arg;

	pin_to_cpu(runner->cpu);
	for (unsigned int phase = 0; phase < PHASES; phase++) {
		pthread_barrier_wait(runner->barrier);	/* the filter is set */
		run_phase(runner, phase);
		pthread_barrier_wait(runner->barrier);	/* all vCPUs have run */
	}
	return NULL;
}

static void create(struct vm *vm, struct runner *runner, unsigned int vcpus, uint32_t msr)
{
	struct kvm_enable_cap to_vmm = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args[0] = KVM_MSR_EXIT_REASON_FILTER,
	};

	vm_create(vm, msr_guest, msr_guest_end);
	vm_ioctl(vm->fd, KVM_ENABLE_CAP, &to_vmm);
	for (unsigned int i = 0; i < vcpus; i++) {
		memset(&runner[i], 0, sizeof(runner[i]));
		vcpu_create(&runner[i].vcpu, vm, i);
		runner[i].shared = vm_at(vm, VM_DATA(i));
		runner[i].shared->msr = msr;
		runner[i].shared->accesses = ACCESSES;
		runner[i].cpu = i;
	}
}

static void destroy(struct vm *vm, struct runner *runner, unsigned int vcpus)
{
	for (unsigned int i = 0; i < vcpus; i++)
		vcpu_destroy(&runner[i].vcpu);
	vm_destroy(vm);
}

static bool toggle(uint32_t msr, unsigned int vcpus)
{
	struct runner runner[MAX_VCPUS];
	pthread_barrier_t barrier;
	unsigned int bad = 0;
	struct vm vm;

	create(&vm, runner, vcpus, msr);
	pthread_barrier_init(&barrier, NULL, vcpus + 1);
	for (unsigned int i = 0; i < vcpus; i++) {
		runner[i].barrier = &barrier;
		if (pthread_create(&runner[i].thread, NULL, runner_thread, &runner[i]))
			ktap_bail("no thread for vCPU %u", i);
	}
	for (unsigned int phase = 0; phase < PHASES; phase++) {
		set_filter(&vm, msr, phases[phase]);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
	}
	for (unsigned int i = 0; i < vcpus; i++) {
		pthread_join(runner[i].thread, NULL);
		bad += runner[i].bad_phases;
		if (runner[i].bad_phases)
			ktap_diag("vCPU %u: %u of %zu runs were wrong", i, runner[i].bad_phases,
				  PHASES);
	}
	pthread_barrier_destroy(&barrier);
	destroy(&vm, runner, vcpus);
	return !bad;
}

/* L0's exits for reads and writes of MSRs while L2 uses an MSR that was just allowed. */
static void count_in_l0(void)
{
	const char *name = "passed through again: L0 sees no access";
	struct l0_counts counts;
	struct runner runner;
	const char *why;
	uint64_t hits;
	struct vm vm;

	if (!l0_open(&why)) {
		ktap_skip(name, "%s", why);
		return;
	}
	pin_to_cpu(0);
	create(&vm, &runner, 1, KERNEL_GS_BASE.index);
	run_loop(&runner);
	set_filter(&vm, KERNEL_GS_BASE.index, DENY_READ | DENY_WRITE);
	run_loop(&runner);
	set_filter(&vm, KERNEL_GS_BASE.index, 0);
	runner.shared->accesses = MANY_ACCESSES;
	l0_count_start();
	run_loop(&runner);
	l0_count_stop("msr_bitmap", &counts);
	destroy(&vm, &runner, 1);

	hits = counts.hits[L0_MSR_READ] + counts.hits[L0_MSR_WRITE];
	ktap_diag("%u accesses by L2; L0 saw %llu MSR accesses in all", 2 * MANY_ACCESSES,
		  (unsigned long long)hits);
	ktap_ok(hits < MANY_ACCESSES / 2, "%s", name);
}

int main(int argc, char **argv)
{
	unsigned int n = sizeof(tested) / sizeof(tested[0]);
	int vcpus = argc > 1 ? atoi(argv[1]) : 1;

	if (vcpus < 1 || vcpus > MAX_VCPUS) {
		fprintf(stderr, "usage: msr_bitmap [1 | 2]\n");
		return KTAP_EXIT_ERROR;
	}
	ktap_plan(n + 1);
	if (sysconf(_SC_NPROCESSORS_ONLN) < vcpus) {
		ktap_skip_rest("%d vCPUs need as many CPUs", vcpus);
		return ktap_exit();
	}
	for (unsigned int i = 0; i < n; i++)
		ktap_ok(toggle(tested[i].index, vcpus), "%s", tested[i].name);
	count_in_l0();
	return ktap_exit();
}
