// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmclock: L2 reads its clock on two CPUs of L1, whose TSCs may differ.
 *
 * L2 reads the time as the KVM clock's users do (Documentation/virt/kvm/x86/msr.rst:
 * MSR_KVM_SYSTEM_TIME_NEW), in a loop, while its thread moves between the CPUs; and turns
 * the clock off and on, which makes KVM take a new base for it on the CPU where it is.
 * Where KVM does not say that the clock is stable across vCPUs, L2 never goes back behind
 * what it has read, as those users do.
 *
 * Proved: the clock never goes back, and no step of it is longer than the time that has
 * passed in L1.
 *
 * Broken by: a base that is taken on a CPU whose TSC is behind, and wraps; a clock that is
 * called stable although a TSC is behind its base.
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/vm.h"

#define READS		400
#define MOVES		10
#define BASES		6	/* between two moves: over more than a tick of L1 */
#define SLACK_NS	1000000000ull	/* L1's own clock may tick later than L2's */
#define HANG_SECONDS	60

#define MSR_OLD_CLOCK	0x12
#define MSR_CLOCK	0x4b564d01
#define CLOCK_AT	(VM_DATA(0) + 0x800)

enum op { WRITE_MSR = 1, READ_CLOCK = 2 };

/* The begin of L2's page of data. */
struct shared {
	uint64_t op;
	uint64_t msr, value;	/* to write */
	uint64_t reads;		/* to make */
	uint64_t last;		/* what was read last */
	uint64_t backward;	/* reads that were less than the one before */
	uint64_t longest;	/* step */
};

static_assert(offsetof(struct shared, reads) == 24 && offsetof(struct shared, last) == 32 &&
	      offsetof(struct shared, backward) == 40 && offsetof(struct shared, longest) == 48,
	      "the guest code knows the layout");

/*
 * RSI: the clock's page: version at 0, TSC at 8, time at 16, multiplier at 24, shift at 28,
 * flags at 29.
 */
GUEST_CODE(clock_guest,
	"1:	cmpl	$2, (%rdi)\n"
	"	je	2f\n"
	"	mov	8(%rdi), %ecx\n"
	"	mov	16(%rdi), %eax\n"
	"	mov	20(%rdi), %edx\n"
	"	wrmsr\n"
	"	jmp	9f\n"
	"2:	mov	24(%rdi), %r9\n"
	"	lea	0x800(%rdi), %rsi\n"
	"3:	mov	(%rsi), %r8d\n"
	"	test	$1, %r8b\n"
	"	jnz	3b\n"
	"	lfence\n"
	"	rdtsc\n"
	"	shl	$32, %rdx\n"
	"	or	%rdx, %rax\n"
	"	sub	8(%rsi), %rax\n"
	"	movsbl	28(%rsi), %ecx\n"
	"	test	%ecx, %ecx\n"
	"	js	4f\n"
	"	shl	%cl, %rax\n"
	"	jmp	5f\n"
	"4:	neg	%ecx\n"
	"	shr	%cl, %rax\n"
	"5:	mov	24(%rsi), %edx\n"
	"	mul	%rdx\n"
	"	shrd	$32, %rdx, %rax\n"
	"	add	16(%rsi), %rax\n"
	"	movzbl	29(%rsi), %r10d\n"
	"	lfence\n"
	"	cmp	(%rsi), %r8d\n"
	"	jne	3b\n"
	"	mov	%rax, %rdx\n"
	"	sub	32(%rdi), %rdx\n"
	"	jae	6f\n"
	/* Not stable across vCPUs: stay where we were */
	"	test	$1, %r10b\n"
	"	jz	8f\n"
	"	incq	40(%rdi)\n"
	"	jmp	7f\n"
	"6:	cmp	48(%rdi), %rdx\n"
	"	jbe	7f\n"
	"	mov	%rdx, 48(%rdi)\n"
	"7:	mov	%rax, 32(%rdi)\n"
	"8:	dec	%r9\n"
	"	jnz	3b\n"
	"9:	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n");

static struct vm vm;
static struct vcpu vcpu;
static volatile struct shared *shared;

static void move_to(unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		ktap_bail("sched_setaffinity to CPU %u: %s", cpu, strerror(errno));
}

static void write_msr(uint32_t msr, uint64_t value)
{
	shared->op = WRITE_MSR;
	shared->msr = msr;
	shared->value = value;
	vcpu_run_to_port(&vcpu, PORT_STEP);
}

static void read_clock(void)
{
	shared->op = READ_CLOCK;
	shared->reads = READS;
	vcpu_run_to_port(&vcpu, PORT_STEP);
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

	move_to(0);
	vm_ioctl(vm.fd, KVM_SET_CLOCK, &clock);
	write_msr(MSR_CLOCK, CLOCK_AT | 1);
	shared->last = 0;
	read_clock();
	shared->backward = 0;
	shared->longest = 0;
}

/* What L2 has seen since begin() fits the time that has passed. */
static bool is_right(uint64_t began)
{
	uint64_t passed = l1_now() - began;

	if (!shared->backward && shared->longest <= passed + SLACK_NS)
		return true;
	ktap_diag("in %llu ms: %llu steps back, and one of %llu ms forward (%.1f years)",
		  (unsigned long long)passed / 1000000, (unsigned long long)shared->backward,
		  (unsigned long long)shared->longest / 1000000,
		  shared->longest / 1e9 / 86400 / 365.25);
	return false;
}

/* The old clock has no master clock; back to the new one it gets a new base, here. */
static void take_base(void)
{
	write_msr(MSR_OLD_CLOCK, CLOCK_AT | 1);
	write_msr(MSR_CLOCK, CLOCK_AT | 1);
}

static void test_moves(void)
{
	uint64_t began = l1_now();

	begin();
	for (unsigned int move = 1; move <= MOVES; move++) {
		/* On CPU 0, so that it is fresh when CPU 1 counts on from it. */
		if (move & 1)
			take_base();
		move_to(move & 1);
		read_clock();
	}
	ktap_ok(is_right(began), "the clock is continuous on another CPU");
}

static void test_new_base(void)
{
	uint64_t began = l1_now();

	begin();
	for (unsigned int move = 1; move <= MOVES; move++) {
		move_to(move & 1);
		for (unsigned int base = 0; base < BASES; base++) {
			take_base();
			read_clock();
		}
	}
	ktap_ok(is_right(began), "the clock gets a new base on another CPU");
}

int main(void)
{
	ktap_plan(2);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		ktap_skip_rest("needs two CPUs");
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	vm_create(&vm, clock_guest, clock_guest_end);
	vcpu_create(&vcpu, &vm, 0);
	shared = vm_at(&vm, VM_DATA(0));
	test_moves();
	test_new_base();
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	return ktap_exit();
}
