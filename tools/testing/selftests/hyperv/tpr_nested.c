// SPDX-License-Identifier: GPL-2.0-only
/*
 * tpr_nested: L2 is a hypervisor, and both it and its guest L3 use CR8.
 *
 * L2 asks for one of three things: that L3's accesses to CR8 exit to it; that they go to
 * a TPR of L3's own, and exit where that falls below a threshold; or for nothing, and
 * then L3 has L2's own TPR. An interrupt for L2 is pending meanwhile, held back by L2's
 * TPR. L2 has used CR8 itself before it launches L3, or the VMM has set it.
 *
 * Proved: L2 gets the exits it asked for and no others; each level reads from CR8 what was
 * written to the TPR that it has; the interrupt arrives once, at the very instruction
 * that lets it through, in L3 if L3 has L2's TPR and else in L2.
 *
 * Broken by: a control over CR8 that goes over from L1's VMCS for L2 into the one for L3,
 * or is missing there; a threshold that is written to the wrong one of the two.
 */
#include <assert.h>
#include <string.h>

#include "lib/ktap.h"
#include "lib/nested.h"
#include "lib/vm.h"

#define ROUNDS		3
#define VECTOR		0x85	/* between the values that L3 writes to CR8 */
#define NO_WRITE	16
#define VAPIC_PAGE	0x1d000
#define VAPIC_TPR	0x80

#define CR8_EXITING	(NESTED_CR8_LOAD_EXITING | NESTED_CR8_STORE_EXITING)

#define VMCS_VAPIC_PAGE		0x2012
#define VMCS_TPR_THRESHOLD	0x401c

/* What the VMM and L2 and L3 tell each other, in the vCPU's page of data. */
struct shared {
	struct nested nested;
	uint64_t emulated;	/* L3's CR8 where its accesses exit to L2 */
	uint64_t l3_read[3];	/* by L3 at first, after it wrote 9, and after it wrote 4 */
	uint64_t l2_read;	/* by L2 after L3 ran */
	uint64_t l2_write;	/* to CR8 before L3 runs, or NO_WRITE */
	uint64_t interrupts;	/* that either got */
	uint64_t interrupted;	/* where the last one came */
};

static_assert(offsetof(struct shared, emulated) == 2080, "the guest code knows the layout");
static_assert(offsetof(struct shared, l3_read) == 2088, "the guest code knows the layout");
static_assert(offsetof(struct shared, l2_read) == 2112, "the guest code knows the layout");
static_assert(offsetof(struct shared, interrupted) == 2136, "the guest code knows the layout");
static_assert(sizeof(struct shared) <= 0x1000, "one page");

/*
 * A run begins with L2's write to CR8 and ends when L3's VMCALL has come to L2 and L2
 * has lowered its CR8 to 0. L3 keeps its RAX; RCX, RDX and RSI it does not use.
 */
GUEST_CODE(tpr_code,
	"	mov	$0x80f, %ecx\n"		/* the APIC is on */
	"	mov	$0x1ff, %eax\n"
	"	xor	%edx, %edx\n"
	"	wrmsr\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	cmpq	$16, 2120(%rdi)\n"
	"	je	1f\n"
	"	mov	2120(%rdi), %rax\n"
	"	mov	%rax, %cr8\n"
	"1:\n"
	NESTED_LAUNCH
	"tpr_exit:\n"
	"	push	%rax\n"
	NESTED_COUNT_EXIT
	"	cmp	$" VM_STRING(NESTED_EXIT_TPR_BELOW_THRESHOLD) ", %edx\n"
	"	je	3f\n"
	NESTED_SKIP
	"	cmp	$" VM_STRING(NESTED_EXIT_CR_ACCESS) ", %edx\n"
	"	je	4f\n"
	"	cmp	$" VM_STRING(NESTED_EXIT_VMCALL) ", %edx\n"
	"	jne	9f\n"
	"	sti\n"
	"	nop\n"
	"	mov	%cr8, %rax\n"
	"	mov	%rax, 2112(%rdi)\n"
	"	xor	%eax, %eax\n"
	"	mov	%rax, %cr8\n"
	"tpr_l2_lowered:\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	cmpq	$16, 2120(%rdi)\n"
	"	je	2f\n"
	"	mov	2120(%rdi), %rax\n"
	"	mov	%rax, %cr8\n"
	"2:	mov	$" VM_STRING(VMCS_TPR_THRESHOLD) ", %eax\n"
	"	mov	$5, %edx\n"
	"	vmwrite	%rdx, %rax\n"
	"	vmresume\n"
	"	jmp	8f\n"
	/* The exit is behind the write to CR8: the threshold is all there is to change. */
	"3:	mov	$" VM_STRING(VMCS_TPR_THRESHOLD) ", %eax\n"
	"	xor	%edx, %edx\n"
	"	vmwrite	%rdx, %rax\n"
	"	pop	%rax\n"
	"	vmresume\n"
	"	jmp	8f\n"
	"4:	mov	$0x6400, %eax\n"	/* exit qualification */
	"	vmread	%rax, %rcx\n"
	"	pop	%rax\n"
	"	test	$0x10, %cl\n"
	"	jnz	5f\n"
	"	mov	%rax, 2080(%rdi)\n"
	"5:	mov	2080(%rdi), %rax\n"
	"	vmresume\n"
	"	jmp	8f\n"
	NESTED_GIVE_UP
	/* L3 */
	"tpr_l3:\n"
	"	mov	%cr8, %rax\n"
	"	mov	%rax, 2088(%rdi)\n"
	"	mov	$9, %eax\n"
	"	mov	%rax, %cr8\n"
	"	mov	%cr8, %rax\n"
	"	mov	%rax, 2096(%rdi)\n"
	"	mov	$4, %eax\n"
	"	mov	%rax, %cr8\n"
	"tpr_l3_lowered:\n"
	"	mov	%cr8, %rax\n"
	"	mov	%rax, 2104(%rdi)\n"
	"	vmcall\n"
	"	jmp	tpr_l3\n"
	/* Of either */
	"tpr_interrupt:\n"
	"	push	%rax\n"
	"	push	%rcx\n"
	"	push	%rdx\n"
	"	incq	2128(%rdi)\n"
	"	mov	24(%rsp), %rax\n"
	"	mov	%rax, 2136(%rdi)\n"
	VM_END_OF_INTERRUPT
	"	iretq\n");

extern const uint8_t tpr_exit[], tpr_l2_lowered[], tpr_l3[], tpr_l3_lowered[], tpr_interrupt[];

static struct vm vm;
static struct vcpu vcpu;
static struct shared *shared;

static uint64_t gpa_of(const uint8_t *label)
{
	return VM_CODE + (label - tpr_code);
}

/* False if L2 cannot have these controls. */
static bool create(uint32_t controls)
{
	struct kvm_sregs sregs;

	vm_create(&vm, tpr_code, tpr_code_end);
	vm_set_gate(&vm, VECTOR, gpa_of(tpr_interrupt));
	vcpu_create(&vcpu, &vm, 0);
	vm_ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);
	sregs.apic_base |= 1 << 10;	/* x2APIC */
	vm_ioctl(vcpu.fd, KVM_SET_SREGS, &sregs);
	if (!nested_has(&vcpu, controls))
		return false;
	nested_set_up(&vcpu, gpa_of(tpr_exit), gpa_of(tpr_l3), NESTED_MSR_BITMAPS | controls);
	if (controls & NESTED_TPR_SHADOW) {
		nested_field(&vcpu, VMCS_VAPIC_PAGE, VAPIC_PAGE);
		nested_field(&vcpu, VMCS_TPR_THRESHOLD, 5);
	}
	shared = vm_at(&vm, VM_DATA(0));
	vcpu_run_to_port(&vcpu, PORT_STEP);
	return true;
}

static void step(void)
{
	if (nested_run(&vcpu) != KVM_EXIT_IO || vcpu.run->io.port != PORT_STEP)
		vcpu_bad_exit(&vcpu);
}

/* One run with the interrupt pending; L2 writes @l2_write to CR8 or leaves it at 15. */
static bool run_is_right(uint32_t controls, uint64_t l2_write)
{
	const uint64_t *exits = shared->nested.exits;
	bool exiting = controls & CR8_EXITING, shadow = controls & NESTED_TPR_SHADOW;
	uint64_t l2 = l2_write == NO_WRITE ? 15 : l2_write;
	uint64_t l3 = exiting ? 6 : shadow ? 7 : l2;
	struct kvm_msi msi = { .address_lo = VM_APIC, .data = VECTOR };
	uint32_t *vapic_tpr = vm_at(&vm, VAPIC_PAGE + VAPIC_TPR);
	struct kvm_sregs sregs;
	uint64_t interrupted;
	bool ok;

	vm_ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);
	sregs.cr8 = 15;
	vm_ioctl(vcpu.fd, KVM_SET_SREGS, &sregs);
	vm_ioctl(vm.fd, KVM_SIGNAL_MSI, &msi);
	memset(shared->nested.exits, 0, sizeof(shared->nested.exits));
	shared->interrupts = 0;
	shared->interrupted = 0;
	shared->emulated = 6;
	shared->l2_write = l2_write;
	*vapic_tpr = 0x70;
	step();

	interrupted = exiting || shadow ? gpa_of(tpr_l2_lowered) : gpa_of(tpr_l3_lowered);
	ok = shared->l3_read[0] == l3 && shared->l3_read[1] == 9 && shared->l3_read[2] == 4;
	ok &= shared->l2_read == (exiting || shadow ? l2 : 4);
	ok &= shared->interrupts == 1 && shared->interrupted == interrupted;
	ok &= exits[NESTED_EXIT_CR_ACCESS] == (exiting ? 5 : 0);
	ok &= exits[NESTED_EXIT_TPR_BELOW_THRESHOLD] == shadow;
	ok &= exits[NESTED_EXIT_VMCALL] == 1;
	ok &= *vapic_tpr == (shadow ? 0x40 : 0x70);
	if (ok)
		return true;
	ktap_diag("L3 read %llu %llu %llu, expected %llu 9 4; L2 %llu; L3's own TPR %#x",
		  (unsigned long long)shared->l3_read[0], (unsigned long long)shared->l3_read[1],
		  (unsigned long long)shared->l3_read[2], (unsigned long long)l3,
		  (unsigned long long)shared->l2_read, *vapic_tpr);
	ktap_diag("%llu interrupts, at %#llx, expected at %#llx; exits: CR access %llu, threshold %llu",
		  (unsigned long long)shared->interrupts,
		  (unsigned long long)shared->interrupted, (unsigned long long)interrupted,
		  (unsigned long long)exits[NESTED_EXIT_CR_ACCESS],
		  (unsigned long long)exits[NESTED_EXIT_TPR_BELOW_THRESHOLD]);
	return false;
}

/* @first: L2's write to CR8 before it launches L3. */
static void check(uint32_t controls, uint64_t first, const char *name)
{
	const char *before = first == NO_WRITE ? "has not used CR8" : "has used CR8";
	bool ok = true;

	if (!create(controls)) {
		ktap_skip(name, "KVM offers L2 no such control");
	} else {
		for (unsigned int i = 0; i < ROUNDS && ok; i++)
			ok = run_is_right(controls, i & 1 ? 12 : first);
		ktap_ok(ok, "%s, L2 %s", name, before);
	}
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
}

int main(void)
{
	ktap_plan(6);
	if (!nested_offered()) {
		ktap_skip_rest("KVM offers no VMX to its guests; load kvm_intel with nested=1");
		return ktap_exit();
	}
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t first = i ? 14 : NO_WRITE;

		check(CR8_EXITING, first, "L3's CR8 exits to L2");
		check(NESTED_TPR_SHADOW, first, "L3 has a TPR of its own");
		check(0, first, "L3 has L2's TPR");
	}
	return ktap_exit();
}
