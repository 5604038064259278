// SPDX-License-Identifier: GPL-2.0-only
/* script.c: see script.h. */
#include "script.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ktap.h"

#define STEPS_AT	0x18000
#define LOG_AT		0x19000

#define GP		13
#define FIRST_VECTOR	16
#define STUB_SIZE	16

#define APIC_BASE_X2APIC	(1u << 10)

/* The APIC's registers: offsets in KVM's copy of them, as in xAPIC mode. */
#define APIC_TPR	0x80
#define APIC_SVR	0xf0
#define APIC_ISR	0x100
#define APIC_IRR	0x200
#define SVR_ENABLED	0x1ff

/* What L2 and the test share, in the vCPU's page of data. */
struct shared {
	uint64_t steps;		/* where they are */
	uint64_t log;		/* where the next entry goes */
	uint64_t flags;
	uint64_t x2apic;
};

static_assert(offsetof(struct shared, x2apic) == 24, "the guest code knows the layout");
static_assert(SCRIPT_SET_CR8 == 1 && SCRIPT_GET_CR8 == 2 && SCRIPT_SET_TPR == 3 &&
	      SCRIPT_GET_TPR == 4 && SCRIPT_GET_PPR == 5 && SCRIPT_IPI == 6 &&
	      SCRIPT_CPUID == 7 && SCRIPT_X2APIC == 8 && SCRIPT_APIC_OFF == 9 &&
	      SCRIPT_INTERRUPT == 10 && SCRIPT_IN_HANDLER == 11 && SCRIPT_RETURN == 12 &&
	      SCRIPT_GP == 13, "the guest code knows the operations");
static_assert(SCRIPT_RAISE == 1 && SCRIPT_READ_PPR == 2, "the guest code knows the flags");

/* Logs RAX as @what. The entry is taken in one instruction, since a handler may log, too. */
#define LOG(what)						\
	"	mov	$16, %edx\n"				\
	"	xadd	%rdx, 8(%rdi)\n"			\
	"	movq	$" VM_STRING(what) ", (%rdx)\n"		\
	"	mov	%rax, 8(%rdx)\n"

/* Registers of the APIC by number: that of the MSR less 0x800, or the MMIO offset by 16. */
#define READ_APIC(reg)						\
	"	mov	$" VM_STRING(reg) ", %ecx\n"		\
	"	call	script_read_apic\n"
#define WRITE_APIC(reg)						\
	"	mov	$" VM_STRING(reg) ", %ecx\n"		\
	"	call	script_write_apic\n"

#define WHEN(op, label)						\
	"	cmp	$" VM_STRING(op) ", %ecx\n"		\
	"	je	" label "\n"

/*
 * RBX walks over the steps. An even vector goes by ICR with the shorthand for self,
 * an odd one by the register for self IPIs if there is one. EOI is register 0x0b,
 * the spurious vector of no concern. After #GP L2 skips the instruction: MOV to CR8,
 * which begins with 0x44, has four bytes, WRMSR two.
 */
GUEST_CODE(script_guest,
	"1:	mov	(%rdi), %rbx\n"
	"2:	mov	(%rbx), %ecx\n"
	"	mov	8(%rbx), %rax\n"
	"	add	$16, %rbx\n"
	WHEN(1, "11f")
	WHEN(2, "12f")
	WHEN(3, "13f")
	WHEN(4, "14f")
	WHEN(5, "15f")
	WHEN(6, "16f")
	WHEN(7, "17f")
	WHEN(8, "18f")
	WHEN(9, "19f")
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n"
	"11:	mov	%rax, %cr8\n"
	"	jmp	2b\n"
	"12:	mov	%cr8, %rax\n"
	LOG(2)
	"	jmp	2b\n"
	"13:	" WRITE_APIC(0x08)
	"	jmp	2b\n"
	"14:	" READ_APIC(0x08)
	LOG(4)
	"	jmp	2b\n"
	"15:	" READ_APIC(0x0a)
	LOG(5)
	"	jmp	2b\n"
	"16:	test	$1, %al\n"
	"	jz	1f\n"
	"	cmpb	$0, 24(%rdi)\n"
	"	je	1f\n"
	WRITE_APIC(0x3f)
	"	jmp	2b\n"
	"1:	or	$0x40000, %eax\n"
	WRITE_APIC(0x30)
	"	jmp	2b\n"
	"17:	mov	%rax, %rsi\n"
	"1:	xor	%eax, %eax\n"
	"	xor	%ecx, %ecx\n"
	"	push	%rbx\n"
	"	cpuid\n"
	"	pop	%rbx\n"
	"	dec	%rsi\n"
	"	jnz	1b\n"
	"	jmp	2b\n"
	"18:	mov	$0x1b, %ecx\n"		/* IA32_APIC_BASE */
	"	rdmsr\n"
	"	or	$0x400, %eax\n"
	"	wrmsr\n"
	"	movb	$1, 24(%rdi)\n"
	"	jmp	2b\n"
	"19:	mov	$0xff, %eax\n"
	WRITE_APIC(0x0f)
	"	jmp	2b\n"

	"script_read_apic:\n"
	"	cmpb	$0, 24(%rdi)\n"
	"	je	1f\n"
	"	add	$0x800, %ecx\n"
	"	rdmsr\n"
	"	shl	$32, %rdx\n"
	"	or	%rdx, %rax\n"
	"	ret\n"
	"1:	shl	$4, %ecx\n"
	"	add	$" VM_STRING(VM_APIC) ", %ecx\n"
	"	mov	(%rcx), %eax\n"
	"	ret\n"
	"script_write_apic:\n"
	"	cmpb	$0, 24(%rdi)\n"
	"	je	1f\n"
	"	add	$0x800, %ecx\n"
	"	xor	%edx, %edx\n"
	"	wrmsr\n"
	"	ret\n"
	"1:	shl	$4, %ecx\n"
	"	add	$" VM_STRING(VM_APIC) ", %ecx\n"
	"	mov	%eax, (%rcx)\n"
	"	ret\n"

	"script_gp:\n"
	"	pop	%rax\n"
	LOG(13)
	"	mov	(%rsp), %rax\n"
	"	cmpb	$0x44, (%rax)\n"
	"	jne	1f\n"
	"	addq	$2, (%rsp)\n"
	"1:	addq	$2, (%rsp)\n"
	"	iretq\n"

	"script_interrupt:\n"
	"	push	%rax\n"
	"	push	%rcx\n"
	"	push	%rdx\n"
	"	mov	24(%rsp), %eax\n"
	LOG(10)
	"	testb	$2, 16(%rdi)\n"
	"	jz	1f\n"
	READ_APIC(0x0a)
	LOG(11)
	"1:	testb	$1, 16(%rdi)\n"
	"	jnz	2f\n"
	"	xor	%eax, %eax\n"
	WRITE_APIC(0x0b)
	"	jmp	3f\n"
	"2:	mov	%cr8, %rax\n"
	"	push	%rax\n"
	"	mov	32(%rsp), %eax\n"
	"	shr	$4, %eax\n"
	"	mov	%rax, %cr8\n"
	"	xor	%eax, %eax\n"
	WRITE_APIC(0x0b)
	"	sti\n"
	"	nop\n"
	"	nop\n"
	"	cli\n"
	"	pop	%rax\n"
	"	mov	%rax, %cr8\n"
	"3:	mov	24(%rsp), %eax\n"
	LOG(12)
	"	pop	%rdx\n"
	"	pop	%rcx\n"
	"	pop	%rax\n"
	"	add	$8, %rsp\n"
	"	iretq\n"
	/* A stub for each vector from 16 on. */
	"	.balign	16\n"
	"script_stubs:\n"
	"	.set	script_number, 16\n"
	"	.rept	240\n"
	"	pushq	$script_number\n"
	"	jmp	script_interrupt\n"
	"	.balign	16\n"
	"	.set	script_number, script_number + 1\n"
	"	.endr\n");

extern const uint8_t script_gp[], script_stubs[];

static struct shared *shared_with(struct script *script)
{
	return vm_at(&script->vm, VM_DATA(0));
}

uint8_t script_vector(unsigned int class, unsigned int n)
{
	return class * 16 + (class * 5 + n * 3) % 15;	/* never 0xff, the spurious one */
}

static void set_pending(struct script_model *model, uint8_t vector)
{
	model->pending[vector / 64] |= 1ull << vector % 64;
}

/* The highest vector pending, or 0. */
static uint8_t highest_pending(const struct script_model *model)
{
	for (unsigned int vector = 255; vector; vector--) {
		if (model->pending[vector / 64] >> vector % 64 & 1)
			return vector;
	}
	return 0;
}

static void expect(struct script_model *model, uint64_t what, uint64_t value)
{
	if (model->entries == SCRIPT_MAX)
		ktap_bail("a script's log is too long");
	model->log[model->entries].what = what;
	model->log[model->entries++].value = value;
}

/*
 * Delivers what TPR lets through, the highest first. The handler ends the interrupt
 * before the next one, so there is never one in service outside of it.
 */
static void deliver(struct script_model *model, unsigned int flags)
{
	for (;;) {
		uint8_t vector = highest_pending(model);

		if (vector / 16 <= model->tpr / 16)
			return;
		model->pending[vector / 64] &= ~(1ull << vector % 64);
		expect(model, SCRIPT_INTERRUPT, vector);
		if (flags & SCRIPT_READ_PPR)
			expect(model, SCRIPT_IN_HANDLER, vector & 0xf0);
		/* Putting CR8 back clears the rest of TPR. */
		if (flags & SCRIPT_RAISE)
			model->tpr &= 0xf0;
		expect(model, SCRIPT_RETURN, vector);
	}
}

static void model_step(struct script_model *model, const struct script_step *step)
{
	switch (step->what) {
	case SCRIPT_SET_CR8:
		if (step->value > 15)
			expect(model, SCRIPT_GP, 0);
		else
			model->tpr = step->value << 4;
		break;
	case SCRIPT_GET_CR8:
		expect(model, SCRIPT_GET_CR8, model->tpr >> 4);
		break;
	case SCRIPT_SET_TPR:
		if (model->x2apic && step->value > 255)
			expect(model, SCRIPT_GP, 0);
		else
			model->tpr = step->value;
		break;
	case SCRIPT_GET_TPR:
	case SCRIPT_GET_PPR:
		expect(model, step->what, model->tpr);
		break;
	case SCRIPT_IPI:
		set_pending(model, step->value);
		break;
	case SCRIPT_X2APIC:
		model->x2apic = true;
		break;
	}
}

static void set_gates(struct script *script)
{
	vm_set_gate(&script->vm, GP, VM_CODE + (script_gp - script_guest));
	for (unsigned int vector = FIRST_VECTOR; vector < 256; vector++)
		vm_set_gate(&script->vm, vector, VM_CODE + (script_stubs - script_guest) +
			    (vector - FIRST_VECTOR) * STUB_SIZE);
}

void script_create(struct script *script, bool x2apic)
{
	struct kvm_sregs sregs;

	memset(script, 0, sizeof(*script));
	vm_create(&script->vm, script_guest, script_guest_end);
	set_gates(script);
	vcpu_create(&script->vcpu, &script->vm, 0);
	if (x2apic) {
		vm_ioctl(script->vcpu.fd, KVM_GET_SREGS, &sregs);
		sregs.apic_base |= APIC_BASE_X2APIC;
		vm_ioctl(script->vcpu.fd, KVM_SET_SREGS, &sregs);
	}
	script->model.x2apic = x2apic;
	shared_with(script)->x2apic = x2apic;
	script_set_apic(script, 0, 0);
}

void script_destroy(struct script *script)
{
	vcpu_destroy(&script->vcpu);
	vm_destroy(&script->vm);
}

void script_add(struct script *script, enum script_op op, uint64_t value)
{
	if (script->steps == SCRIPT_MAX)
		ktap_bail("a script is too long");
	script->step[script->steps].what = op;
	script->step[script->steps++].value = value;
}

static uint32_t *apic_register(struct kvm_lapic_state *apic, unsigned int offset)
{
	return (uint32_t *)(apic->regs + offset);
}

void script_set_apic(struct script *script, uint8_t tpr, unsigned int classes)
{
	struct kvm_lapic_state apic;

	vm_ioctl(script->vcpu.fd, KVM_GET_LAPIC, &apic);
	*apic_register(&apic, APIC_SVR) = SVR_ENABLED;
	*apic_register(&apic, APIC_TPR) = tpr;
	memset(script->model.pending, 0, sizeof(script->model.pending));
	for (unsigned int i = 0; i < 8; i++)
		*apic_register(&apic, APIC_IRR + i * 16) = 0;
	for (unsigned int class = 1; class < 16; class++) {
		uint8_t vector = script_vector(class, tpr);

		if (!(classes >> class & 1))
			continue;
		*apic_register(&apic, APIC_IRR + vector / 32 * 16) |= 1u << vector % 32;
		set_pending(&script->model, vector);
	}
	vm_ioctl(script->vcpu.fd, KVM_SET_LAPIC, &apic);
	script->model.tpr = tpr;
}

void script_send(struct script *script, uint8_t vector)
{
	struct kvm_msi msi = { .address_lo = VM_APIC, .data = vector };

	if (vm_ioctl(script->vm.fd, KVM_SIGNAL_MSI, &msi) != 1)
		ktap_diag("the APIC did not take the MSI");
	set_pending(&script->model, vector);
}

static const char *name_of(uint64_t what)
{
	static const char *const name[] = {
		[SCRIPT_END] = "nothing", [SCRIPT_GET_CR8] = "CR8", [SCRIPT_GET_TPR] = "TPR",
		[SCRIPT_GET_PPR] = "PPR", [SCRIPT_INTERRUPT] = "interrupt",
		[SCRIPT_IN_HANDLER] = "PPR in a handler", [SCRIPT_RETURN] = "return from",
		[SCRIPT_GP] = "#GP",
	};

	return what < sizeof(name) / sizeof(name[0]) && name[what] ? name[what] : "?";
}

static bool log_is_right(struct script *script)
{
	const struct script_step *log = vm_at(&script->vm, LOG_AT);
	const struct script_model *model = &script->model;
	unsigned int entries = (shared_with(script)->log - LOG_AT) / sizeof(*log);

	for (unsigned int i = 0; i < model->entries || i < entries; i++) {
		static const struct script_step none;
		const struct script_step *found = i < entries ? &log[i] : &none;
		const struct script_step *wanted = i < model->entries ? &model->log[i] : &none;

		if (found->what == wanted->what && found->value == wanted->value)
			continue;
		ktap_diag("L2's log, entry %u of %u: %s %#llx, expected %s %#llx", i, model->entries,
			  name_of(found->what), (unsigned long long)found->value,
			  name_of(wanted->what), (unsigned long long)wanted->value);
		return false;
	}
	return true;
}

/* What the VMM sees of L2's APIC. */
static bool apic_is_right(struct script *script)
{
	const struct script_model *model = &script->model;
	const uint8_t cr8 = model->tpr >> 4;
	struct kvm_lapic_state apic;
	struct kvm_sregs sregs;
	bool ok;

	vm_ioctl(script->vcpu.fd, KVM_GET_LAPIC, &apic);
	vm_ioctl(script->vcpu.fd, KVM_GET_SREGS, &sregs);
	ok = *apic_register(&apic, APIC_TPR) == model->tpr && sregs.cr8 == cr8 &&
	     !!(sregs.apic_base & APIC_BASE_X2APIC) == model->x2apic;
	for (unsigned int i = 0; i < 8; i++) {
		uint32_t pending = model->pending[i / 2] >> i % 2 * 32;

		ok &= *apic_register(&apic, APIC_IRR + i * 16) == pending &&
		      !*apic_register(&apic, APIC_ISR + i * 16);
	}
	if (!ok)
		ktap_diag("TPR %#x, sregs.cr8 %#llx, APIC base %#llx, or IRR or ISR; expected TPR %#x",
			  *apic_register(&apic, APIC_TPR), (unsigned long long)sregs.cr8,
			  (unsigned long long)sregs.apic_base, model->tpr);
	return ok;
}

bool script_run(struct script *script)
{
	struct shared *shared = shared_with(script);
	struct script_step *to = vm_at(&script->vm, STEPS_AT);
	struct script_model *model = &script->model;
	bool ok;

	memcpy(to, script->step, script->steps * sizeof(*to));
	to[script->steps].what = SCRIPT_END;
	shared->steps = STEPS_AT;
	shared->log = LOG_AT;
	shared->flags = script->flags;

	model->entries = 0;
	deliver(model, script->flags);
	for (unsigned int i = 0; i < script->steps; i++) {
		model_step(model, &script->step[i]);
		deliver(model, script->flags);
	}
	script->steps = 0;
	vcpu_run_to_port(&script->vcpu, PORT_STEP);
	ok = script->vcpu.run->cr8 == model->tpr >> 4;
	if (!ok)
		ktap_diag("kvm_run->cr8 is %#llx", (unsigned long long)script->vcpu.run->cr8);
	ok &= apic_is_right(script);
	return log_is_right(script) && ok;
}

/* Lets KVM complete the instruction that brought L2 to the VMM. */
static void settle(struct vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	if (ioctl(vcpu->fd, KVM_RUN, 0) >= 0 || errno != EINTR)
		ktap_bail("KVM_RUN does not heed immediate_exit");
	vcpu->run->immediate_exit = 0;
}

void script_migrate(struct script *script)
{
	struct vcpu *vcpu = &script->vcpu;
	struct vm old_vm = script->vm;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state apic;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	settle(vcpu);
	vm_ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	vm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
	vm_ioctl(vcpu->fd, KVM_GET_LAPIC, &apic);
	vm_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events);
	vcpu_destroy(vcpu);

	vm_create(&script->vm, script_guest, script_guest_end);
	memcpy(script->vm.mem, old_vm.mem, VM_MEM_SIZE);
	vm_destroy(&old_vm);
	vcpu_create(vcpu, &script->vm, 0);
	vm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
	vm_ioctl(vcpu->fd, KVM_SET_REGS, &regs);
	vm_ioctl(vcpu->fd, KVM_SET_LAPIC, &apic);
	vm_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events);
}

bool script_init(struct script *script)
{
	/* Delivery mode 5; asking for the state lets KVM act on it. */
	struct kvm_msi init = { .address_lo = VM_APIC, .data = 0x500 };
	struct vcpu *vcpu = &script->vcpu;
	struct kvm_mp_state mp_state;
	struct kvm_sregs before, after;
	struct kvm_regs regs;
	bool ok;

	settle(vcpu);
	vm_ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	vm_ioctl(vcpu->fd, KVM_GET_SREGS, &before);
	vm_ioctl(script->vm.fd, KVM_SIGNAL_MSI, &init);
	vm_ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp_state);
	vm_ioctl(vcpu->fd, KVM_GET_SREGS, &after);
	script->model.tpr = 0;
	memset(script->model.pending, 0, sizeof(script->model.pending));
	ok = !(after.cr0 & 1) && apic_is_right(script);
	before.cr8 = after.cr8;
	vm_ioctl(vcpu->fd, KVM_SET_SREGS, &before);
	vm_ioctl(vcpu->fd, KVM_SET_REGS, &regs);
	script_set_apic(script, 0, 0);
	return ok;
}
