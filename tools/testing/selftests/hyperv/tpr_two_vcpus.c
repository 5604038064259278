// SPDX-License-Identifier: GPL-2.0-only
/*
 * tpr_two_vcpus: two vCPUs send each other interrupts while they raise and lower CR8.
 *
 * In each round a vCPU raises CR8, sends an interrupt to the other one, lowers CR8, and
 * waits until both have got theirs. Classes and values of CR8 go through all combinations.
 *
 * Proved: every interrupt arrives once, in its turn, and never while CR8 is at its class
 * or above, although the other CPU makes it pending at any moment.
 *
 * Broken by: an interrupt that comes from another CPU while L2 lowers CR8, and is looked
 * at neither by KVM nor by the processor.
 */
#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/vm.h"

#define ROUNDS		210	/* 14 classes by 15 values of CR8 */
#define FIRST_CLASS	2
#define CLASSES		14
#define STUB_SIZE	16
#define HANG_SECONDS	20	/* ends a test that waits for a lost interrupt */

/* What the VMM and L2 share, in the vCPU's page of data. */
struct shared {
	uint64_t rounds;	/* to make */
	uint64_t sent;		/* to the other vCPU */
	uint64_t received;
	uint64_t early;		/* while CR8 was not below their class */
	uint64_t wrong;		/* not the one whose turn it was, or CR8 not what it was */
};

static_assert(offsetof(struct shared, wrong) == 32, "the guest code knows the layout");
static_assert((VM_DATA(0) ^ VM_DATA(1)) == 0x1000, "the guest code finds one from the other");

/*
 * r8: round, r9: CR8, r10: class to send, r12: the other vCPU, r13: class that is next,
 * r14: the other vCPU's data. x2APIC: SVR is MSR 0x80f, ICR 0x830, EOI 0x80b.
 */
GUEST_CODE(two_guest,
	"	mov	$0x80f, %ecx\n"
	"	mov	$0x1ff, %eax\n"
	"	xor	%edx, %edx\n"
	"	wrmsr\n"
	"	mov	%esi, %r12d\n"
	"	xor	$1, %r12d\n"
	"	mov	%rdi, %r14\n"
	"	xor	$0x1000, %r14\n"
	"	xor	%r8d, %r8d\n"
	"	xor	%r9d, %r9d\n"
	"	mov	$" VM_STRING(FIRST_CLASS) ", %r10d\n"
	"	mov	%r10d, %r13d\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"1:	mov	%r9, %cr8\n"
	"	mov	%r10d, %eax\n"
	"	shl	$4, %eax\n"
	"	mov	%r12d, %edx\n"
	"	mov	$0x830, %ecx\n"
	"	wrmsr\n"
	"	incq	8(%rdi)\n"
	"	mov	%cr8, %rax\n"
	"	cmp	%r9, %rax\n"
	"	je	2f\n"
	"	incq	32(%rdi)\n"
	"2:	xor	%eax, %eax\n"
	"	mov	%rax, %cr8\n"
	"	inc	%r8\n"
	"3:	pause\n"
	"	cmp	%r8, 16(%rdi)\n"
	"	jb	3b\n"
	"	cmp	%r8, 16(%r14)\n"
	"	jb	3b\n"
	"	inc	%r9d\n"
	"	cmp	$15, %r9d\n"
	"	jb	4f\n"
	"	xor	%r9d, %r9d\n"
	"4:	inc	%r10d\n"
	"	cmp	$16, %r10d\n"
	"	jb	5f\n"
	"	mov	$" VM_STRING(FIRST_CLASS) ", %r10d\n"
	"5:	cmp	(%rdi), %r8\n"
	"	jb	1b\n"
	"	out	%al, $" VM_STRING(PORT_DONE) "\n"
	"two_interrupt:\n"
	"	push	%rax\n"
	"	push	%rcx\n"
	"	push	%rdx\n"
	"	mov	24(%rsp), %ecx\n"
	"	mov	%cr8, %rax\n"
	"	cmp	%ecx, %eax\n"
	"	jb	1f\n"
	"	incq	24(%rdi)\n"
	"1:	cmp	%ecx, %r13d\n"
	"	je	2f\n"
	"	incq	32(%rdi)\n"
	"2:	inc	%r13d\n"
	"	cmp	$16, %r13d\n"
	"	jb	3f\n"
	"	mov	$" VM_STRING(FIRST_CLASS) ", %r13d\n"
	"3:	incq	16(%rdi)\n"
	VM_END_OF_INTERRUPT
	"	add	$8, %rsp\n"
	"	iretq\n"
	/* A stub for each class. */
	"	.balign	16\n"
	"two_stubs:\n"
	"	.set	two_class, " VM_STRING(FIRST_CLASS) "\n"
	"	.rept	" VM_STRING(CLASSES) "\n"
	"	pushq	$two_class\n"
	"	jmp	two_interrupt\n"
	"	.balign	16\n"
	"	.set	two_class, two_class + 1\n"
	"	.endr\n");

extern const uint8_t two_stubs[];

static void *run_to_end(void *vcpu)
{
	vcpu_run_to_port(vcpu, PORT_DONE);
	return NULL;
}

static bool vcpu_is_right(struct vm *vm, unsigned int id)
{
	const struct shared *shared = vm_at(vm, VM_DATA(id));

	ktap_diag("vCPU %u: sent %llu, received %llu, %llu of them early, %llu wrong", id,
		  (unsigned long long)shared->sent, (unsigned long long)shared->received,
		  (unsigned long long)shared->early, (unsigned long long)shared->wrong);
	return shared->sent == ROUNDS && shared->received == ROUNDS && !shared->early &&
	       !shared->wrong;
}

int main(void)
{
	struct vcpu vcpu[2];
	pthread_t thread[2];
	struct vm vm;
	bool ok = true;

	ktap_plan(1);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		ktap_skip_rest("needs two CPUs");
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	vm_create(&vm, two_guest, two_guest_end);
	for (unsigned int class = FIRST_CLASS; class < 16; class++)
		vm_set_gate(&vm, class << 4, VM_CODE + (two_stubs - two_guest) +
			    (class - FIRST_CLASS) * STUB_SIZE);
	for (unsigned int id = 0; id < 2; id++) {
		struct shared *shared = vm_at(&vm, VM_DATA(id));
		struct kvm_sregs sregs;

		vcpu_create(&vcpu[id], &vm, id);
		vm_ioctl(vcpu[id].fd, KVM_GET_SREGS, &sregs);
		sregs.apic_base |= 1 << 10;	/* x2APIC */
		vm_ioctl(vcpu[id].fd, KVM_SET_SREGS, &sregs);
		shared->rounds = ROUNDS;
		vcpu_run_to_port(&vcpu[id], PORT_STEP);
	}
	for (unsigned int id = 0; id < 2; id++) {
		if (pthread_create(&thread[id], NULL, run_to_end, &vcpu[id]))
			ktap_bail("no thread for vCPU %u", id);
	}
	for (unsigned int id = 0; id < 2; id++)
		pthread_join(thread[id], NULL);
	for (unsigned int id = 0; id < 2; id++) {
		ok &= vcpu_is_right(&vm, id);
		vcpu_destroy(&vcpu[id]);
	}
	ktap_ok(ok, "two vCPUs interrupt each other while they use CR8");
	vm_destroy(&vm);
	return ktap_exit();
}
