// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock_exits: the exits that one read of a clock takes, of L1 and of L2.
 *
 *	clock_exits CLOCK...	l1, kvmclock, hv-page, hv-msr
 *
 * "l1" is clock_gettime(CLOCK_MONOTONIC) in L1. The others are L2's: a guest without a
 * kernel reads KVM's clock, Hyper-V's TSC page or the MSR with Hyper-V's reference time in a
 * loop. That takes no exit but what the reading takes, and there are no timers in it. Where
 * the TSC page says that it is not valid, L2 reads the MSR, as it shall (TLFS, "Timers").
 *
 * L0 and KVM count during a run of SHORT reads and during one of N + SHORT. Both are
 * repeated, and the fewest of each reason are taken: a timer, or an L1 that waits once more for
 * L0's answer, only adds. One line a clock on stdout, with the exits of N reads:
 *
 *	exits CLOCK valid yes|no reads N l1 N l0 N [REASON N]...
 *
 * KVM's clock is valid if L2 may compare what two vCPUs have read, which a kernel wants
 * before it lets its programs read it.
 *
 * Exit code: 0 ok; 2 could not run, without L0's control channel for instance.
 */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/hv_guest.h"
#include "lib/ktap.h"
#include "lib/l0.h"
#include "lib/stats.h"

#define READS		4000
#define READS_BY_EXIT	200	/* so few that most runs are over before a timer fires */
#define SHORT		10
#define REPEATS		5
#define OF_L1		-1

#define MSR_KVMCLOCK	0x4b564d01
#define MSR_HV_COUNTER	0x40000020
#define MSR_HV_PAGE	0x40000021

#define CLOCK_PAGE	0x1a000
#define STABLE		1	/* KVM's clock: in its flags */

enum op { WRITE_MSR = 1, READ_KVMCLOCK, READ_HV_PAGE, READ_HV_MSR };

/* The begin of L2's page of data. */
struct order {
	uint64_t op;
	uint64_t msr, value;
	uint64_t reads;
	uint64_t last;		/* time that was read */
};

static_assert(offsetof(struct order, msr) == 8 && offsetof(struct order, value) == 16 &&
	      offsetof(struct order, reads) == 24 && offsetof(struct order, last) == 32,
	      "the guest code knows the layout");
static_assert(WRITE_MSR == 1 && READ_KVMCLOCK == 2 && READ_HV_PAGE == 3 && READ_HV_MSR == 4,
	      "the guest code knows the operations");

/* KVM's page. Both start with a counter that changes with what follows it. */
struct kvmclock {
	uint32_t version, pad;
	uint64_t tsc, time;
	uint32_t multiplier;
	int8_t shift;
	uint8_t flags;
};

static_assert(offsetof(struct kvmclock, tsc) == 8 && offsetof(struct kvmclock, time) == 16 &&
	      offsetof(struct kvmclock, multiplier) == 24 &&
	      offsetof(struct kvmclock, shift) == 28 && offsetof(struct kvmclock, flags) == 29,
	      "the guest code knows the layout");

/* RBX: what is left to read. RSI: the page. R8: its counter. */
#define TSC_TO_RAX							\
	"	lfence\n"						\
	"	rdtsc\n"						\
	"	shl	$32, %rdx\n"					\
	"	or	%rdx, %rax\n"

#define MSR_TO_RAX							\
	"	mov	$" VM_STRING(MSR_HV_COUNTER) ", %ecx\n"		\
	"	rdmsr\n"						\
	"	shl	$32, %rdx\n"					\
	"	or	%rdx, %rax\n"

#define NEXT(loop)							\
	"	mov	%rax, 32(%rdi)\n"				\
	"	dec	%rbx\n"						\
	"	jnz	" loop "\n"					\
	"	jmp	9f\n"

GUEST_CODE(clock_exits_guest,
	"1:	mov	$" VM_STRING(CLOCK_PAGE) ", %esi\n"
	"	mov	24(%rdi), %rbx\n"
	"	mov	(%rdi), %eax\n"
	"	cmp	$2, %eax\n"
	"	je	2f\n"
	"	cmp	$3, %eax\n"
	"	je	3f\n"
	"	cmp	$4, %eax\n"
	"	je	4f\n"
	"	mov	8(%rdi), %ecx\n"
	"	mov	16(%rdi), %eax\n"
	"	mov	20(%rdi), %edx\n"
	"	wrmsr\n"
	"	jmp	9f\n"

	/* An odd counter: KVM is about to change the page. */
	"2:	mov	(%rsi), %r8d\n"
	"	test	$1, %r8b\n"
	"	jnz	2b\n"
	TSC_TO_RAX
	"	sub	8(%rsi), %rax\n"
	"	movsbl	28(%rsi), %ecx\n"
	"	test	%ecx, %ecx\n"
	"	jns	5f\n"
	"	neg	%ecx\n"
	"	shr	%cl, %rax\n"
	"	jmp	6f\n"
	"5:	shl	%cl, %rax\n"
	"6:	mov	24(%rsi), %edx\n"
	"	mul	%rdx\n"
	"	shrd	$32, %rdx, %rax\n"
	"	add	16(%rsi), %rax\n"
	"	cmp	(%rsi), %r8d\n"
	"	jne	2b\n"
	NEXT("2b")

	/* A counter of 0: the page is not valid. */
	"3:	mov	(%rsi), %r8d\n"
	"	test	%r8d, %r8d\n"
	"	jz	7f\n"
	TSC_TO_RAX
	"	mulq	8(%rsi)\n"
	"	add	16(%rsi), %rdx\n"
	"	mov	%rdx, %rax\n"
	"	cmp	(%rsi), %r8d\n"
	"	jne	3b\n"
	"	jmp	8f\n"
	"7:	" MSR_TO_RAX
	"8:" NEXT("3b")

	"4:" MSR_TO_RAX
	NEXT("4b")

	"9:	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n");

struct clock {
	const char *name;
	unsigned int cpuid;	/* HV_GUEST_* that L2 sees; 0: it is L1's clock */
	enum op read;
	uint32_t msr;		/* that takes the address of its page */
};

static const struct clock clocks[] = {
	{ "l1", 0, 0, 0 },
	{ "kvmclock", HV_GUEST_KVM, READ_KVMCLOCK, MSR_KVMCLOCK },
	{ "hv-page", HV_GUEST_HYPERV, READ_HV_PAGE, MSR_HV_PAGE },
	{ "hv-msr", HV_GUEST_HYPERV, READ_HV_MSR, 0 },
};

#define NR_CLOCKS	(sizeof(clocks) / sizeof(clocks[0]))

struct exits {
	uint64_t l1;
	struct l0_counts l0;
};

static struct hv_guest guest;
static volatile struct order *order;

static void start_l2(const struct clock *clock)
{
	hv_guest_create_with(&guest, 1, clock->cpuid, clock_exits_guest, clock_exits_guest_end);
	order = vm_at(&guest.vm, VM_DATA(0));
	if (!clock->msr)
		return;
	order->op = WRITE_MSR;
	order->msr = clock->msr;
	order->value = CLOCK_PAGE | 1;
	hv_guest_run(&guest.vcpu[0]);
}

static bool valid(const struct clock *clock)
{
	const volatile struct kvmclock *page;

	if (!clock->msr)
		return true;
	page = vm_at(&guest.vm, CLOCK_PAGE);
	return clock->msr == MSR_KVMCLOCK ? page->flags & STABLE : page->version;
}

static void read_clock(const struct clock *clock, unsigned int reads)
{
	struct timespec now;

	if (clock->cpuid) {
		order->op = clock->read;
		order->reads = reads;
		hv_guest_run(&guest.vcpu[0]);
		return;
	}
	while (reads--)
		clock_gettime(CLOCK_MONOTONIC, &now);
}

static struct exits count(const struct clock *clock, unsigned int reads)
{
	struct exits exits = { 0 };

	if (clock->cpuid)
		exits.l1 = stats_exits(&guest.vcpu[0]);
	l0_count_start();
	read_clock(clock, reads);
	l0_count_stop(clock->name, &exits.l0);
	if (clock->cpuid)
		exits.l1 = stats_exits(&guest.vcpu[0]) - exits.l1;
	return exits;
}

static long long smallest(const uint64_t *values)
{
	uint64_t least = values[0];

	for (unsigned int i = 1; i < REPEATS; i++) {
		if (values[i] < least)
			least = values[i];
	}
	return least;
}

/* What the long runs have more than the short ones, of L0's reason @reason or of L1. */
static long long between(const struct exits *few, const struct exits *many, int reason)
{
	uint64_t less[REPEATS], more[REPEATS];

	for (unsigned int i = 0; i < REPEATS; i++) {
		less[i] = reason == OF_L1 ? few[i].l1 : few[i].l0.hits[reason];
		more[i] = reason == OF_L1 ? many[i].l1 : many[i].l0.hits[reason];
	}
	return smallest(more) - smallest(less);
}

static void measure(const struct clock *clock)
{
	struct exits few[REPEATS], many[REPEATS];
	long long total = 0, hits[L0_REASONS];
	unsigned int reads = READS;

	if (clock->cpuid)
		start_l2(clock);
	/* The first run pays for what the others find. */
	count(clock, SHORT);
	if (clock->read == READ_HV_MSR || (clock->read == READ_HV_PAGE && !valid(clock)))
		reads = READS_BY_EXIT;
	for (unsigned int i = 0; i < REPEATS; i++) {
		few[i] = count(clock, SHORT);
		many[i] = count(clock, reads + SHORT);
	}
	for (unsigned int i = 0; i < L0_REASONS; i++) {
		hits[i] = between(few, many, i);
		total += hits[i];
	}
	printf("exits %s valid %s reads %u l1 %lld l0 %lld", clock->name,
	       valid(clock) ? "yes" : "no", reads, between(few, many, OF_L1), total);
	for (unsigned int i = 0; i < L0_REASONS; i++) {
		if (hits[i])
			printf(" %s %lld", l0_reason_name(i), hits[i]);
	}
	putchar('\n');
	fflush(stdout);
	if (clock->cpuid)
		hv_guest_destroy(&guest);
}

static const struct clock *find(const char *name)
{
	for (unsigned int i = 0; i < NR_CLOCKS; i++) {
		if (!strcmp(clocks[i].name, name))
			return &clocks[i];
	}
	ktap_bail("clock_exits: no clock '%s'; there are l1, kvmclock, hv-page, hv-msr", name);
}

int main(int argc, char **argv)
{
	const char *why;

	if (argc < 2)
		ktap_bail("usage: clock_exits CLOCK...");
	if (!l0_open(&why))
		ktap_bail("clock_exits: %s", why);
	for (int i = 1; i < argc; i++)
		measure(find(argv[i]));
	return 0;
}
