// SPDX-License-Identifier: GPL-2.0-only
/* state.c: see state.h. */
#include "state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ktap.h"

#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176

/* Bits that L2 can have in any combination and does not feel. */
#define RFLAGS_FREE		0x2400d5	/* ID, AC, SF, ZF, AF, PF, CF */
#define CR4_FREE		0x48c		/* OSXMMEXCPT, PGE, DE, TSD */

static_assert(offsetof(struct state_report, reports) == 80, "the guest code stores there");
static_assert(sizeof(struct state_report) == 112, "the guest code stores there");

#define REPORT_MSR(msr, at)						\
	"	mov	$" VM_STRING(msr) ", %ecx\n"			\
	"	rdmsr\n"						\
	"	mov	%eax, " VM_STRING(at) "(%rdi)\n"		\
	"	mov	%edx, 4 + " VM_STRING(at) "(%rdi)\n"

/*
 * The flags are reported before an instruction changes them and are put back at
 * the end. SGDT and SIDT store ten bytes, of which the first two are the limit.
 */
GUEST_CODE(state_guest,
	"1:	mov	%rsp, (%rdi)\n"
	"	pushfq\n"
	"	mov	(%rsp), %rax\n"
	"	mov	%rax, 8(%rdi)\n"
	"	mov	%cr3, %rax\n"
	"	mov	%rax, 16(%rdi)\n"
	"	mov	%cr4, %rax\n"
	"	mov	%rax, 24(%rdi)\n"
	REPORT_MSR(0xc0000101, 40)
	REPORT_MSR(0x175, 48)
	REPORT_MSR(0x176, 56)
	"	sgdt	64(%rdi)\n"
	"	movzwl	64(%rdi), %eax\n"
	"	mov	%rax, 64(%rdi)\n"
	"	mov	80(%rdi), %rdx\n"
	"	sidt	72(%rdi)\n"
	"	movzwl	72(%rdi), %eax\n"
	"	mov	%rax, 72(%rdi)\n"
	"	inc	%rdx\n"
	"	mov	%rdx, 80(%rdi)\n"
	REPORT_MSR(0xc0000100, 32)
	"	add	$0x1000, %eax\n"
	"	wrmsr\n"
	"	popfq\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n"
	"state_ud_handler:\n"
	"	incq	88(%rdi)\n"
	"	iretq\n"
	"state_gp_handler:\n"
	"	incq	96(%rdi)\n"
	"	pop	%rax\n"
	"	add	%rax, 104(%rdi)\n"
	"	iretq\n");

extern const uint8_t state_ud_handler[], state_gp_handler[];

void state_create(struct vm *vm, struct vcpu *vcpu)
{
	vm_create(vm, state_guest, state_guest_end);
	vm_set_gate(vm, STATE_UD, VM_CODE + (state_ud_handler - state_guest));
	vm_set_gate(vm, STATE_GP, VM_CODE + (state_gp_handler - state_guest));
	vcpu_create(vcpu, vm, 0);
}

struct state_report *state_report(struct vcpu *vcpu)
{
	return vm_at(vcpu->vm, VM_DATA(vcpu->id));
}

/* Spreads the lowest bits of @seed over the bits of @mask. */
static uint64_t scatter(unsigned int seed, uint64_t mask)
{
	uint64_t bits = 0;

	for (uint64_t bit = 1; bit <= mask; bit <<= 1) {
		if (!(mask & bit))
			continue;
		if (seed & 1)
			bits |= bit;
		seed >>= 1;
	}
	return bits;
}

struct state state_of(unsigned int seed)
{
	return (struct state){ .field = {
		[STATE_RSP] = VM_STACK(0) + 0x1000 - 16 * (seed % 64),
		[STATE_RFLAGS] = VM_RFLAGS | scatter(seed, RFLAGS_FREE),
		[STATE_CR3] = VM_PAGE_TABLES | scatter(seed, 0x18),	/* PCD, PWT */
		[STATE_CR4] = VM_CR4 | scatter(seed, CR4_FREE),
		[STATE_FS_BASE] = 0x7f0000000000 + seed * 0x100000ull,
		[STATE_GS_BASE] = 0xffff900000000000 + seed * 0x100000ull,
		[STATE_SYSENTER_ESP] = 0xffffa00000000000 + seed * 0x10ull,
		[STATE_SYSENTER_EIP] = 0xffffb00000000000 + seed * 0x10ull,
		[STATE_GDT_LIMIT] = 0xff - seed % 64,
		[STATE_IDT_LIMIT] = 0xfff - seed % 64,
	} };
}

static void set_sysenter(struct vcpu *vcpu, uint64_t esp, uint64_t eip)
{
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + 2 * sizeof(msrs->entries[0]));

	if (!msrs)
		ktap_bail("no memory for two MSRs");
	msrs->nmsrs = 2;
	msrs->entries[0].index = MSR_SYSENTER_ESP;
	msrs->entries[0].data = esp;
	msrs->entries[1].index = MSR_SYSENTER_EIP;
	msrs->entries[1].data = eip;
	if (vm_ioctl(vcpu->fd, KVM_SET_MSRS, msrs) != 2)
		ktap_bail("KVM_SET_MSRS: KVM refuses the SYSENTER MSRs");
	free(msrs);
}

void state_set(struct vcpu *vcpu, const struct state *state)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	vm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
	sregs.cr3 = state->field[STATE_CR3];
	sregs.cr4 = state->field[STATE_CR4];
	sregs.fs.base = state->field[STATE_FS_BASE];
	sregs.gs.base = state->field[STATE_GS_BASE];
	sregs.gdt.limit = state->field[STATE_GDT_LIMIT];
	sregs.idt.limit = state->field[STATE_IDT_LIMIT];
	vm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
	vm_ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	regs.rsp = state->field[STATE_RSP];
	regs.rflags = state->field[STATE_RFLAGS];
	vm_ioctl(vcpu->fd, KVM_SET_REGS, &regs);
	set_sysenter(vcpu, state->field[STATE_SYSENTER_ESP], state->field[STATE_SYSENTER_EIP]);
}

bool state_is(struct vcpu *vcpu, struct state *expected)
{
	static const char *const name[STATE_FIELDS] = {
		[STATE_RSP] = "RSP", [STATE_RFLAGS] = "RFLAGS", [STATE_CR3] = "CR3",
		[STATE_CR4] = "CR4", [STATE_FS_BASE] = "FS base", [STATE_GS_BASE] = "GS base",
		[STATE_SYSENTER_ESP] = "SYSENTER_ESP", [STATE_SYSENTER_EIP] = "SYSENTER_EIP",
		[STATE_GDT_LIMIT] = "GDT limit", [STATE_IDT_LIMIT] = "IDT limit",
	};
	const struct state *found = &state_report(vcpu)->state;
	bool same = true;

	for (unsigned int i = 0; i < STATE_FIELDS; i++) {
		if (found->field[i] == expected->field[i])
			continue;
		same = false;
		ktap_diag("L2 has %s %#llx, not %#llx", name[i],
			  (unsigned long long)found->field[i],
			  (unsigned long long)expected->field[i]);
	}
	expected->field[STATE_FS_BASE] += STATE_FS_STEP;
	return same;
}

void state_inject(struct vcpu *vcpu, uint8_t vector, bool has_error_code, uint32_t error_code)
{
	struct kvm_vcpu_events events;

	vm_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events);
	events.exception.injected = 1;
	events.exception.nr = vector;
	events.exception.has_error_code = has_error_code;
	events.exception.error_code = error_code;
	vm_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events);
}
