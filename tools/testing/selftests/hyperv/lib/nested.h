/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nested.h: for an L2 that is a hypervisor of a few lines and has a guest, L3.
 *
 * The VMM fills a table with the fields of L2's VMCS and their values; L2 writes them
 * and launches L3, which has L2's page tables, segments and interrupt table.
 */
#ifndef NESTED_H
#define NESTED_H

#include <stdbool.h>
#include <stdint.h>

#include "vm.h"

#define NESTED_FIELDS	96

/* Pages of L2's memory behind the stacks. */
#define NESTED_VMXON_REGION	0x18000
#define NESTED_VMCS_REGION	0x19000
#define NESTED_MSR_BITMAP	0x1a000
#define NESTED_L3_STACK_TOP	0x1c000

/* Primary controls that tests ask for. */
#define NESTED_HLT_EXITING	(1u << 7)
#define NESTED_CR8_LOAD_EXITING	(1u << 19)
#define NESTED_CR8_STORE_EXITING (1u << 20)
#define NESTED_TPR_SHADOW	(1u << 21)
#define NESTED_MSR_BITMAPS	(1u << 28)

/* Basic exit reasons (SDM vol. 3, appendix C). */
#define NESTED_EXIT_CPUID		10
#define NESTED_EXIT_VMCALL		18
#define NESTED_EXIT_CR_ACCESS		28
#define NESTED_EXIT_RDMSR		31
#define NESTED_EXIT_TPR_BELOW_THRESHOLD	43

/* The begin of L2's page of data. */
struct nested {
	uint64_t vmxon_region, vmcs_region;	/* addresses, as operands */
	uint64_t fields;	/* how many of the following L2 writes to its VMCS */
	struct {
		uint64_t encoding, value;
	} field[NESTED_FIELDS];
	uint64_t exits[64];	/* by reason, counted by L2 */
	uint64_t error;		/* VM instruction error + 1, or a reason that is none */
};

/* Where exits[], error, and what a test adds are, for guest code. */
#define NESTED_EXITS	1560
#define NESTED_ERROR	2072
#define NESTED_OWN	2080

/* L2's code that makes it a hypervisor and launches L3; goes to label 8 if it fails. */
#define NESTED_LAUNCH							\
	"	vmxon	(%rdi)\n"					\
	"	jbe	8f\n"						\
	"	vmclear	8(%rdi)\n"					\
	"	jbe	8f\n"						\
	"	vmptrld	8(%rdi)\n"					\
	"	jbe	8f\n"						\
	"	mov	16(%rdi), %rcx\n"				\
	"	lea	24(%rdi), %rsi\n"				\
	"1:	mov	(%rsi), %rdx\n"					\
	"	vmwrite	8(%rsi), %rdx\n"				\
	"	jbe	8f\n"						\
	"	add	$16, %rsi\n"					\
	"	dec	%rcx\n"						\
	"	jnz	1b\n"						\
	"	vmlaunch\n"						\
	"	jmp	8f\n"

/* Counts an exit; the reason is in RDX then. Uses RAX. */
#define NESTED_COUNT_EXIT						\
	"	mov	$0x4402, %eax\n"				\
	"	vmread	%rax, %rdx\n"					\
	"	cmp	$64, %rdx\n"					\
	"	jae	9f\n"						\
	"	incq	1560(%rdi, %rdx, 8)\n"

/* Moves L3 behind the instruction that exited. Uses RAX, RCX and RSI. */
#define NESTED_SKIP							\
	"	mov	$0x440c, %eax\n"	/* instruction length */ \
	"	vmread	%rax, %rsi\n"					\
	"	mov	$0x681e, %eax\n"	/* RIP */		\
	"	vmread	%rax, %rcx\n"					\
	"	add	%rsi, %rcx\n"					\
	"	vmwrite	%rcx, %rax\n"

/* Labels 8 and 9: tells the VMM that L2 gives up, and why. */
#define NESTED_GIVE_UP							\
	"8:	mov	$0x4400, %eax\n"	/* VM instruction error */ \
	"	vmread	%rax, %rdx\n"					\
	"9:	inc	%rdx\n"						\
	"	mov	%rdx, 2072(%rdi)\n"				\
	"	out	%al, $" VM_STRING(PORT_DONE) "\n"

/* True if KVM offers VMX to its guests. */
bool nested_offered(void);

void nested_set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value);
uint64_t nested_get_msr(struct vcpu *vcpu, uint32_t index);

/* True if L2 can have all of the primary controls @controls. */
bool nested_has(struct vcpu *vcpu, uint32_t controls);

/*
 * Lets vCPU 0 use VMX and fills its table: L2 handles exits at @exit_handler, L3
 * begins at @l3, with the primary controls @controls.
 */
void nested_set_up(struct vcpu *vcpu, uint64_t exit_handler, uint64_t l3, uint32_t controls);

/* Adds a field to the table; the last value of a field counts. */
void nested_field(struct vcpu *vcpu, uint32_t encoding, uint64_t value);

/* Runs L2 until it writes to PORT_STEP or needs the VMM otherwise; ends the test if it gives up. */
unsigned int nested_run(struct vcpu *vcpu);

#endif
