// SPDX-License-Identifier: GPL-2.0-only
/*
 * cr8_load: an L2 that uses CR8 as Windows does, all the time.
 *
 *	cr8_load [PAIRS]
 *
 * L2 raises CR8 to 2 (DISPATCH_LEVEL) and lowers it to 0 around a few instructions of
 * work, PAIRS times (100000 if not given). Now and then it sends itself an interrupt while
 * CR8 is raised, of class 2, which has to wait until CR8 is lowered, and of class 13, which
 * has not, in turns.
 *
 * Proved: each interrupt arrives exactly once, at its place; and once KVM has seen that
 * L2 uses CR8, that costs no exits: at most one in a hundred pairs, beside those that the
 * interrupts make. The ticks for one pair are printed (ticks_per_pair), to compare KVMs.
 *
 * Broken by: a TPR shadow that is not turned on, or turned off again all the time; a
 * TPR threshold that makes CR8 exit when nothing is pending.
 */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ktap.h"
#include "lib/stats.h"
#include "lib/vm.h"

#define DEFAULT_PAIRS	100000
#define WARM_PAIRS	2000
#define EVERY		1000
#define VECTOR_WAITS	0x2f
#define VECTOR_COMES	0xd1

/* What the VMM and L2 share, in the vCPU's page of data. */
struct shared {
	uint64_t pairs;		/* to make */
	uint64_t every;		/* so many pairs an interrupt */
	uint64_t waited;	/* interrupts that had to wait: got with CR8 lowered */
	uint64_t came;		/* those that had not: got with CR8 raised */
	uint64_t wrong;		/* got elsewhere */
	uint64_t start, end;	/* TSC */
};

static_assert(offsetof(struct shared, end) == 48, "the guest code knows the layout");

/*
 * r8: pairs to go, r9: pairs until the next interrupt, r10: 1 while CR8 is raised, r11:
 * the vector. x2APIC: SVR is MSR 0x80f, EOI 0x80b, SELF IPI 0x83f.
 */
GUEST_CODE(load_guest,
	"	mov	$0x80f, %ecx\n"
	"	mov	$0x1ff, %eax\n"
	"	xor	%edx, %edx\n"
	"	wrmsr\n"
	"	mov	$" VM_STRING(VECTOR_WAITS) ", %r11d\n"
	"1:	mov	(%rdi), %r8\n"
	"	mov	8(%rdi), %r9\n"
	"	rdtsc\n"
	"	mov	%eax, 40(%rdi)\n"
	"	mov	%edx, 44(%rdi)\n"
	"2:	mov	$2, %eax\n"
	"	mov	%cr8, %rbx\n"
	"	mov	%rax, %cr8\n"
	"	mov	$1, %r10d\n"
	"	dec	%r9\n"
	"	jz	4f\n"
	"3:	imul	%r8, %rsi\n"		/* the work */
	"	inc	%rsi\n"
	"	xor	%r10d, %r10d\n"
	"	mov	%rbx, %cr8\n"
	"	dec	%r8\n"
	"	jnz	2b\n"
	"	rdtsc\n"
	"	mov	%eax, 48(%rdi)\n"
	"	mov	%edx, 52(%rdi)\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n"
	"4:	mov	8(%rdi), %r9\n"
	"	mov	%r11d, %eax\n"
	"	xor	%edx, %edx\n"
	"	mov	$0x83f, %ecx\n"
	"	wrmsr\n"
	"	xor	$" VM_STRING(VECTOR_WAITS) " ^ " VM_STRING(VECTOR_COMES) ", %r11d\n"
	"	jmp	3b\n"
	"load_waits:\n"
	"	test	%r10d, %r10d\n"
	"	jnz	5f\n"
	"	incq	16(%rdi)\n"
	"	jmp	6f\n"
	"load_comes:\n"
	"	test	%r10d, %r10d\n"
	"	jz	5f\n"
	"	incq	24(%rdi)\n"
	"	jmp	6f\n"
	"5:	incq	32(%rdi)\n"
	"6:	push	%rax\n"
	"	push	%rcx\n"
	"	push	%rdx\n"
	VM_END_OF_INTERRUPT
	"	iretq\n");

extern const uint8_t load_waits[], load_comes[];

static struct vm vm;
static struct vcpu vcpu;
static struct shared *shared;

static void create(void)
{
	struct kvm_sregs sregs;

	vm_create(&vm, load_guest, load_guest_end);
	vm_set_gate(&vm, VECTOR_WAITS, VM_CODE + (load_waits - load_guest));
	vm_set_gate(&vm, VECTOR_COMES, VM_CODE + (load_comes - load_guest));
	vcpu_create(&vcpu, &vm, 0);
	vm_ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);
	sregs.apic_base |= 1 << 10;	/* x2APIC */
	vm_ioctl(vcpu.fd, KVM_SET_SREGS, &sregs);
	shared = vm_at(&vm, VM_DATA(0));
}

/* Makes @pairs, with an interrupt at each one in @every; returns L2's exits. */
static uint64_t run(uint64_t pairs, uint64_t every)
{
	uint64_t exits = stats_exits(&vcpu);

	memset(shared, 0, sizeof(*shared));
	shared->pairs = pairs;
	shared->every = every;
	vcpu_run_to_port(&vcpu, PORT_STEP);
	return stats_exits(&vcpu) - exits;
}

static bool interrupts_are(uint64_t expected)
{
	if (shared->waited == (expected + 1) / 2 && shared->came == expected / 2 && !shared->wrong)
		return true;
	ktap_diag("%llu waited, %llu came at once, %llu were wrong; %llu were sent",
		  (unsigned long long)shared->waited, (unsigned long long)shared->came,
		  (unsigned long long)shared->wrong, (unsigned long long)expected);
	return false;
}

int main(int argc, char **argv)
{
	unsigned long pairs = DEFAULT_PAIRS;
	uint64_t exits, interrupts;
	char *end = "";

	ktap_plan(4);
	if (argc > 1)
		pairs = strtoul(argv[1], &end, 10);
	if (argc > 2 || *end || pairs < EVERY || pairs > INT_MAX)
		ktap_bail("usage: %s [PAIRS]    (at least %u)", argv[0], EVERY);
	interrupts = pairs / EVERY;
	create();

	/* The first interrupt comes in the first pairs that a new vCPU ever makes. */
	run(8, 2);
	ktap_ok(interrupts_are(4), "interrupts arrive at their place, in the first pairs");
	run(WARM_PAIRS, WARM_PAIRS + 1);
	ktap_ok(interrupts_are(0), "none arrives that was not sent");

	exits = run(pairs, pairs + 1);
	ktap_diag("ticks_per_pair %.1f", (double)(shared->end - shared->start) / pairs);
	ktap_diag("%lu pairs, no interrupts: %llu exits", pairs, (unsigned long long)exits);
	ktap_ok(exits <= pairs / 100, "CR8 in use makes no exits");

	exits = run(pairs, EVERY);
	ktap_diag("ticks_per_pair_with_interrupts %.1f",
		  (double)(shared->end - shared->start) / pairs);
	ktap_diag("%lu pairs, %llu interrupts: %llu exits, %.1f an interrupt", pairs,
		  (unsigned long long)interrupts, (unsigned long long)exits,
		  (double)exits / interrupts);
	ktap_ok(interrupts_are(interrupts), "interrupts arrive at their place, under load");
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	return ktap_exit();
}
