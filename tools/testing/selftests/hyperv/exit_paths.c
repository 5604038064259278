// SPDX-License-Identifier: GPL-2.0-only
/*
 * exit_paths: what L0 does for each kind of exit that L2 makes often.
 *
 *	exit_paths [N [PATH]...]
 *
 * On each path (all of them if none is named) L2 does the same thing SHORT and then
 * N + SHORT times (N is 200 if not given) while L0 counts its exits; the difference by
 * N is what one costs. One line a path and reason on stdout, words separated by one
 * space:
 *
 *	path PATH TICKS			ticks of L1's TSC for one, counting included
 *	l0 PATH REASON HITS		exits of L0 for one
 *
 * Each path alone says what it is; a HLT and an interrupt that L2 sends to itself are
 * two exits of L2 or more.
 *
 * Exit code: 0 ok; 2 could not run, without L0's control channel for instance.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ktap.h"
#include "lib/l0.h"
#include "lib/vm.h"

#define DEFAULT_EXITS	200
#define SHORT		10

#define VECTOR		0x60
#define PIC_MASK	0x21	/* answered by KVM */

#define APIC_BASE	0x1b
#define X2APIC_EOI	0x80b
#define X2APIC_SPIV	0x80f
#define X2APIC_SELF	0x83f
#define X2APIC_TIMER	0x832
#define X2APIC_COUNT	0x838

/* RDI: number of times, at the start of the data page. RBX: what is left of them. */
#define LOOP(name, body)						\
	GUEST_CODE(name,						\
		"	mov	$" VM_STRING(APIC_BASE) ", %ecx\n"	\
		"	rdmsr\n"					\
		"	or	$0xc00, %eax\n"				\
		"	wrmsr\n"					\
		"	mov	$" VM_STRING(X2APIC_SPIV) ", %ecx\n"	\
		"	mov	$0x1ff, %eax\n"				\
		"	xor	%edx, %edx\n"				\
		"	wrmsr\n"					\
		"	mov	$" VM_STRING(X2APIC_TIMER) ", %ecx\n"	\
		"	mov	$" VM_STRING(VECTOR) ", %eax\n"		\
		"	wrmsr\n"					\
		"	mov	(%rdi), %ebx\n"				\
		"1:\n"							\
		body							\
		"	dec	%ebx\n"					\
		"	jnz	1b\n"					\
		"	out	%al, $" VM_STRING(PORT_DONE) "\n"	\
		#name "_irq:\n"						\
		"	push	%rax\n"					\
		"	push	%rcx\n"					\
		"	push	%rdx\n"					\
		VM_END_OF_INTERRUPT					\
		"	iretq\n");					\
	extern const uint8_t name##_irq[]

#define WRMSR(msr, value)						\
	"	mov	$" VM_STRING(msr) ", %ecx\n"			\
	"	mov	$" VM_STRING(value) ", %eax\n"			\
	"	xor	%edx, %edx\n"					\
	"	wrmsr\n"

LOOP(do_cpuid, "	mov	$1, %eax\n"
	       "	mov	%ebx, %r8d\n"
	       "	cpuid\n"
	       "	mov	%r8d, %ebx\n");
LOOP(do_port, "	in	$" VM_STRING(PIC_MASK) ", %al\n");
LOOP(do_port_vmm, "	out	%al, $" VM_STRING(PORT_STEP) "\n");
LOOP(do_rdmsr, "	mov	$" VM_STRING(APIC_BASE) ", %ecx\n"
	       "	rdmsr\n");
LOOP(do_eoi, WRMSR(X2APIC_EOI, 0));
LOOP(do_interrupt, WRMSR(X2APIC_SELF, VECTOR));
LOOP(do_halt, "	cli\n"
	      WRMSR(X2APIC_COUNT, 40000)
	      "	sti\n"
	      "	hlt\n");

static const struct path {
	const char *name;
	const uint8_t *code, *end, *irq;
} paths[] = {
#define PATH(name) { #name, do_##name, do_##name##_end, do_##name##_irq }
	PATH(cpuid), PATH(port), PATH(port_vmm), PATH(rdmsr), PATH(eoi), PATH(interrupt),
	PATH(halt),
};

#define NR_PATHS	(sizeof(paths) / sizeof(paths[0]))

static const struct path *find_path(const char *name)
{
	for (unsigned int i = 0; i < NR_PATHS; i++) {
		if (!strcmp(paths[i].name, name))
			return &paths[i];
	}
	return NULL;
}

static uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* Counts L0's exits while L2 takes the path @times; returns the ticks it took. */
static uint64_t counted_run(const struct path *path, uint32_t times, struct l0_counts *counts)
{
	struct vcpu vcpu;
	uint64_t start;
	struct vm vm;

	vm_create(&vm, path->code, path->end);
	vm_set_gate(&vm, VECTOR, VM_CODE + (path->irq - path->code));
	vcpu_create(&vcpu, &vm, 0);
	*(uint32_t *)vm_at(&vm, VM_DATA(0)) = times;

	l0_count_start();
	start = ticks();
	while (vcpu_run(&vcpu) == KVM_EXIT_IO && vcpu.run->io.port == PORT_STEP)
		;
	if (vcpu.run->exit_reason != KVM_EXIT_IO || vcpu.run->io.port != PORT_DONE)
		vcpu_bad_exit(&vcpu);
	start = ticks() - start;
	l0_count_stop(path->name, counts);

	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	return start;
}

static void measure(const struct path *path, uint32_t times)
{
	struct l0_counts few, many;
	uint64_t quick, slow;

	quick = counted_run(path, SHORT, &few);
	slow = counted_run(path, times + SHORT, &many);
	printf("path %s %.0f\n", path->name, (double)(int64_t)(slow - quick) / times);
	for (unsigned int i = 0; i < L0_REASONS; i++) {
		double each = ((double)many.hits[i] - (double)few.hits[i]) / times;

		if (many.hits[i] != few.hits[i])
			printf("l0 %s %s %.4f\n", path->name, l0_reason_name(i), each);
	}
	fflush(stdout);
}

static void usage(void)
{
	fputs("usage: exit_paths [N [PATH]...]    (N: number of times, at least 1; PATH: one of",
	      stderr);
	for (unsigned int i = 0; i < NR_PATHS; i++)
		fprintf(stderr, " %s", paths[i].name);
	fputs(")\n", stderr);
	exit(KTAP_EXIT_ERROR);
}

int main(int argc, char **argv)
{
	unsigned long times = DEFAULT_EXITS;
	const char *why;
	char *end = "";

	if (argc > 1)
		times = strtoul(argv[1], &end, 10);
	if (*end || !times || times > INT_MAX)
		usage();
	for (int i = 2; i < argc; i++) {
		if (!find_path(argv[i]))
			usage();
	}
	if (!l0_open(&why))
		ktap_bail("exit_paths: %s", why);
	for (int i = 2; i < argc; i++)
		measure(find_path(argv[i]), times);
	for (unsigned int i = 0; argc < 3 && i < NR_PATHS; i++)
		measure(&paths[i], times);
	return 0;
}
