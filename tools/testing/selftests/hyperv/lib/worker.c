// SPDX-License-Identifier: GPL-2.0-only
/* worker.c: see worker.h. */
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"

#define FS_WORDS	32
#define FS_OFFSET	0x800
#define FS_WORD		0x1234567890abcdefull
#define MULTIPLIER	0x5851f42d4c957f2dull
#define POLL_US		200

static_assert(offsetof(struct worker_shared, word) == 64, "the guest code knows the layout");

/*
 * r8: x, r9: steps, r10: sum, r12: top of the stack. expected_step() is the twin of
 * one step in C. FS base is MSR 0xc0000100, which KVM passes through.
 */
GUEST_CODE(worker_guest,
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

void worker_be_first(void)
{
	struct sched_param lowest = { .sched_priority = 1 };

	/* Threads that it creates are ordinary ones again. */
	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest);
}

void worker_create_vm(struct vm *vm)
{
	vm_create(vm, worker_guest, worker_guest_end);
}

void worker_move(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(tid, sizeof(set), &set))
		ktap_bail("sched_setaffinity to CPU %d: %s", cpu, strerror(errno));
}

static void *worker_thread(void *arg)
{
	struct worker *worker = arg;
	struct vcpu *vcpu = &worker->vcpu;
	unsigned int moves = 0;

	worker->cpu = sched_getcpu();
	worker->tid = gettid();
	while (vcpu_run(vcpu) == KVM_EXIT_IO && vcpu->run->io.port == PORT_STEP) {
		int cpu = sched_getcpu();

		if (cpu != worker->cpu) {
			worker->cpu = cpu;
			worker->cpu_changes++;
		}
		if (worker->pause_us)
			usleep(worker->pause_us);
		if (!worker->own_moves)
			continue;
		if (moves++ < worker->own_moves)
			worker_move(0, !cpu);
		else
			worker->shared->stop = 1;
	}
	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != PORT_DONE)
		vcpu_bad_exit(vcpu);
	return NULL;
}

static uint64_t fs_word(unsigned int i)
{
	return FS_WORD * (i + 1);
}

void worker_start(struct worker *worker, struct vm *vm, unsigned int id, unsigned int own_moves)
{
	uint64_t *words = vm_at(vm, VM_DATA(id) + FS_OFFSET);

	memset(worker, 0, sizeof(*worker));
	for (unsigned int i = 0; i < FS_WORDS; i++)
		words[i] = fs_word(i);
	vcpu_create(&worker->vcpu, vm, id);
	worker->shared = vm_at(vm, VM_DATA(id));
	worker->shared->multiplier = MULTIPLIER;
	worker->own_moves = own_moves;
	if (pthread_create(&worker->thread, NULL, worker_thread, worker))
		ktap_bail("no thread for vCPU %u", id);
	while (!worker->tid)
		usleep(POLL_US);
}

void worker_wait(struct worker *worker, unsigned int steps)
{
	uint64_t end = worker->shared->steps + steps;

	while (worker->shared->steps < end)
		usleep(POLL_US);
}

static void expected_step(struct worker_shared *s, unsigned int id, uint64_t cpuid_sum)
{
	unsigned int slot = s->steps % FS_WORDS;

	s->x = s->x * s->multiplier + s->steps + 1;
	s->word[s->steps % WORKER_WORDS] += s->x;
	s->sum += cpuid_sum + fs_word(slot) + VM_STACK(id) + 0x1000 - 8 * slot;
	s->steps++;
}

bool worker_end(struct worker *worker)
{
	struct kvm_cpuid_entry2 leaf = vm_supported_cpuid(0);
	uint64_t cpuid_sum = (uint64_t)leaf.eax + leaf.ebx + leaf.ecx + leaf.edx;
	struct worker_shared expected = { .multiplier = MULTIPLIER };
	struct worker_shared found;

	if (!worker->own_moves)
		worker->shared->stop = 1;
	pthread_join(worker->thread, NULL);
	vcpu_destroy(&worker->vcpu);
	memcpy(&found, (void *)worker->shared, sizeof(found));
	while (expected.steps < found.steps)
		expected_step(&expected, worker->vcpu.id, cpuid_sum);
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
