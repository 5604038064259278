// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu_move: vCPUs are moved from CPU to CPU while L2 runs.
 *
 * L2 computes in registers and memory and exits both into KVM (CPUID) and to the
 * VMM (port). Before each exit it gives RSP and FS base new values, which live in
 * the VMCS only, and uses them after it. Its threads are moved by another thread, or
 * move themselves between two KVM_RUNs: one vCPU, two vCPUs of one VM, and the
 * vCPUs of two VMs, which change places.
 *
 * Proved: after all moves each L2 has computed what the same steps give outside of
 * it, and it went on after every move.
 *
 * Broken by: an eVMCS that is still active on the CPU it left, or that keeps its
 * clean fields although the new CPU (or its VP assist page) never saw it: stale
 * host state crashes L1, stale guest state spoils the sums.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/vm.h"

#define MOVES		20	/* of one vCPU */
#define MOVES_OF_TWO	4	/* two vCPUs compete where L0 has one CPU: slow */
#define STEPS_A_MOVE	20	/* L2 makes at least so many steps between two moves */
#define WORDS		64
#define FS_WORDS	32
#define MAX_VCPUS	2

#define FS_OFFSET	0x800
#define FS_WORD		0x1234567890abcdefull
#define MULTIPLIER	0x5851f42d4c957f2dull

/* What the VMM and L2 share, in the vCPU's page of data. */
struct shared {
	uint64_t stop;		/* set by the VMM */
	uint64_t steps;		/* made so far */
	uint64_t x;		/* computed in a register */
	uint64_t sum;		/* of CPUID's registers, the word at FS:0, and RSP */
	uint64_t multiplier;
	uint64_t unused[3];
	uint64_t word[WORDS];	/* computed in memory */
};

static_assert(offsetof(struct shared, word) == 64, "the guest code knows the layout");

/*
 * r8: x, r9: steps, r10: sum, r12: top of the stack. expected_step() is the twin of
 * one step in C. FS base is MSR 0xc0000100, which KVM passes through.
 */
GUEST_CODE(move_guest,
	"	xor	%r8d, %r8d\n"
	"	xor	%r9d, %r9d\n"
	"	xor	%r10d, %r10d\n"
	"	mov	%rsp, %r12\n"
	"1:	cmpq	$0, (%rdi)\n"
	"	jne	3f\n"
	"	imul	32(%rdi), %r8\n"
	"	add	%r9, %r8\n"
	"	inc	%r8\n"
	"	mov	%r9d, %eax\n"
	"	and	$63, %eax\n"
	"	add	%r8, 64(%rdi, %rax, 8)\n"
	"	mov	%r9d, %r11d\n"
	"	and	$31, %r11d\n"
	"	shl	$3, %r11d\n"
	"	lea	0x800(%rdi, %r11), %rax\n"
	"	xor	%edx, %edx\n"
	"	mov	$0xc0000100, %ecx\n"
	"	wrmsr\n"
	"	mov	%r12, %rsp\n"
	"	sub	%r11, %rsp\n"
	"	xor	%eax, %eax\n"
	"	xor	%ecx, %ecx\n"
	"	cpuid\n"
	"	add	%rax, %r10\n"
	"	add	%rbx, %r10\n"
	"	add	%rcx, %r10\n"
	"	add	%rdx, %r10\n"
	"	inc	%r9\n"
	"	test	$15, %r9d\n"
	"	jnz	2f\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"2:	add	%fs:0, %r10\n"
	"	add	%rsp, %r10\n"
	"	mov	%r9, 8(%rdi)\n"
	"	jmp	1b\n"
	"3:	mov	%r8, 16(%rdi)\n"
	"	mov	%r10, 24(%rdi)\n"
	"	out	%al, $" VM_STRING(PORT_DONE) "\n");

struct runner {
	struct vm vm;		/* unless it shares the first runner's */
	struct vcpu vcpu;
	volatile struct shared *shared;
	pthread_t thread;
	volatile pid_t tid;
	unsigned int own_moves;		/* to make between KVM_RUNs; 0: none */
	unsigned int cpu_changes;	/* that the thread saw between KVM_RUNs */
};

static uint64_t cpuid_sum;

static void move_thread(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(tid, sizeof(set), &set))
		ktap_bail("sched_setaffinity to CPU %d: %s", cpu, strerror(errno));
}

static void *runner_thread(void *arg)
{
	struct runner *runner = arg;
	struct vcpu *vcpu = &runner->vcpu;
	unsigned int moves = 0;
	int cpu = sched_getcpu();

	runner->tid = gettid();
	while (vcpu_run(vcpu) == KVM_EXIT_IO && vcpu->run->io.port == PORT_STEP) {
		if (sched_getcpu() != cpu) {
			cpu = sched_getcpu();
			runner->cpu_changes++;
		}
		if (!runner->own_moves)
			continue;
		if (moves++ < runner->own_moves)
			move_thread(0, !cpu);
		else
			runner->shared->stop = 1;
	}
	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != PORT_DONE)
		vcpu_bad_exit(vcpu);
	return NULL;
}

static uint64_t fs_word(unsigned int i)
{
	return FS_WORD * (i + 1);
}

static void expected_step(struct shared *s, unsigned int id)
{
	unsigned int slot = s->steps % FS_WORDS;

	s->x = s->x * s->multiplier + s->steps + 1;
	s->word[s->steps % WORDS] += s->x;
	s->sum += cpuid_sum + fs_word(slot) + VM_STACK(id) + 0x1000 - 8 * slot;
	s->steps++;
}

static bool result_is_right(struct runner *runner)
{
	struct shared expected = { .multiplier = MULTIPLIER };
	struct shared found;

	memcpy(&found, (void *)runner->shared, sizeof(found));
	while (expected.steps < found.steps)
		expected_step(&expected, runner->vcpu.id);
	if (found.x == expected.x && found.sum == expected.sum &&
	    !memcmp(found.word, expected.word, sizeof(found.word)))
		return true;
	ktap_diag("after %llu steps: x %#llx, not %#llx; sum %#llx, not %#llx; memory %s",
		  (unsigned long long)found.steps, (unsigned long long)found.x,
		  (unsigned long long)expected.x, (unsigned long long)found.sum,
		  (unsigned long long)expected.sum,
		  memcmp(found.word, expected.word, sizeof(found.word)) ? "wrong" : "right");
	return false;
}

static void start(struct runner *runner, struct vm *vm, unsigned int id)
{
	uint64_t *words = vm_at(vm, VM_DATA(id) + FS_OFFSET);

	for (unsigned int i = 0; i < FS_WORDS; i++)
		words[i] = fs_word(i);
	vcpu_create(&runner->vcpu, vm, id);
	runner->shared = vm_at(vm, VM_DATA(id));
	runner->shared->multiplier = MULTIPLIER;
	if (pthread_create(&runner->thread, NULL, runner_thread, runner))
		ktap_bail("no thread for vCPU %u", id);
}

static void wait_for_steps(struct runner *runner, uint64_t steps)
{
	while (runner->shared->steps < steps)
		usleep(1000);
}

/* Moves all threads, again and again, each time when all of them have gone on. */
static void move_from_outside(struct runner *runner, unsigned int vcpus, unsigned int moves)
{
	for (unsigned int move = 0; move < moves; move++) {
		for (unsigned int i = 0; i < vcpus; i++)
			wait_for_steps(&runner[i], runner[i].shared->steps + STEPS_A_MOVE);
		for (unsigned int i = 0; i < vcpus; i++)
			move_thread(runner[i].tid, (move + i) & 1);
	}
	for (unsigned int i = 0; i < vcpus; i++) {
		wait_for_steps(&runner[i], runner[i].shared->steps + STEPS_A_MOVE);
		runner[i].shared->stop = 1;
	}
}

enum mover { ITSELF, ANOTHER_THREAD };

static void check_moves(const char *name, enum mover mover, unsigned int moves,
			unsigned int vcpus, unsigned int vms)
{
	struct runner runner[MAX_VCPUS];
	bool ok = true;

	memset(runner, 0, sizeof(runner));
	for (unsigned int i = 0; i < vms; i++)
		vm_create(&runner[i].vm, move_guest, move_guest_end);
	for (unsigned int i = 0; i < vcpus; i++) {
		runner[i].own_moves = mover == ITSELF ? moves : 0;
		if (vms > 1)
			start(&runner[i], &runner[i].vm, 0);
		else
			start(&runner[i], &runner[0].vm, i);
	}
	if (mover == ANOTHER_THREAD)
		move_from_outside(runner, vcpus, moves);
	for (unsigned int i = 0; i < vcpus; i++) {
		pthread_join(runner[i].thread, NULL);
		ktap_diag("thread %u: moved %u times, saw %u moves, %llu steps of L2", i, moves,
			  runner[i].cpu_changes,
			  (unsigned long long)runner[i].shared->steps);
		ok &= result_is_right(&runner[i]) && runner[i].cpu_changes;
		vcpu_destroy(&runner[i].vcpu);
	}
	for (unsigned int i = 0; i < vms; i++)
		vm_destroy(&runner[i].vm);
	ktap_ok(ok, "%s", name);
}

int main(void)
{
	struct kvm_cpuid_entry2 leaf = vm_supported_cpuid(0);

	ktap_plan(4);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		ktap_skip_rest("needs two CPUs");
		return ktap_exit();
	}
	cpuid_sum = (uint64_t)leaf.eax + leaf.ebx + leaf.ecx + leaf.edx;
	check_moves("one vCPU, moves itself between runs", ITSELF, MOVES, 1, 1);
	check_moves("one vCPU, moved by another thread", ANOTHER_THREAD, MOVES, 1, 1);
	check_moves("two vCPUs of one VM, moved by another thread", ANOTHER_THREAD,
		    MOVES_OF_TWO, 2, 1);
	check_moves("vCPUs of two VMs, moved by another thread", ANOTHER_THREAD,
		    MOVES_OF_TWO, 2, 2);
	return ktap_exit();
}
