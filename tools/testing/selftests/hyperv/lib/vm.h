/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm.h: a VMM of a few lines for guests of a few lines.
 *
 * A VM has VM_MEM_SIZE bytes of memory at guest physical address 0, an in-kernel
 * irqchip, page tables of its own that map both one to one, and vCPUs that start in
 * 64-bit mode with RFLAGS 0x202. Interrupts are on because an emulated CPU may
 * not deliver a kick to a guest that was entered with them off.
 *
 * Nothing here returns an error: a system call that fails ends the test with the
 * name of the call and the reason (ktap_bail()).
 */
#ifndef VM_H
#define VM_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

#define VM_MEM_SIZE	0x20000

/*
 * Guest physical addresses. Code is loaded at VM_CODE; each vCPU has one page of
 * data at VM_DATA(id) and one page of stack. The interrupt table has the page
 * VM_IDT for itself.
 */
#define VM_CODE		0x01000
#define VM_PAGE_TABLES	0x08000
#define VM_GDT		0x0b000
#define VM_IDT		0x0c000
#define VM_APIC_TABLE	0x0d000
#define VM_DATA(id)	(0x10000 + (id) * 0x1000)
#define VM_STACK(id)	(0x14000 + (id) * 0x1000)
#define VM_MAX_VCPUS	4

/* The local APIC's registers in xAPIC mode. */
#define VM_APIC		0xfee00000

/* What a new vCPU has in RFLAGS (IF) and in CR4 (PAE, OSFXSR). */
#define VM_RFLAGS	0x202
#define VM_CR4		0x220

/* I/O ports that guests write to; any other exit to the VMM is a surprise. */
#define PORT_STEP	0x80
#define PORT_DONE	0x81

#define VM_STRING_(x)	#x
#define VM_STRING(x)	VM_STRING_(x)

/*
 * GUEST_CODE(name, text): a piece of guest code, assembled with the test. It is
 * copied to VM_CODE, so it must not care where it runs. It starts with RDI at
 * its vCPU's data page and RSI at the vCPU's number.
 */
#define GUEST_CODE(name, ...)						\
	asm(".pushsection .rodata.guest, \"a\"\n"			\
	    #name ":\n"							\
	    __VA_ARGS__							\
	    #name "_end:\n"						\
	    ".popsection");						\
	extern const uint8_t name[], name##_end[]

/*
 * The end of an interrupt handler of a guest whose APIC is in x2APIC mode: writes EOI
 * and pops RDX, RCX and RAX, which the handler has pushed in the opposite order.
 */
#define VM_END_OF_INTERRUPT						\
	"	mov	$0x80b, %ecx\n"					\
	"	xor	%eax, %eax\n"					\
	"	xor	%edx, %edx\n"					\
	"	wrmsr\n"						\
	"	pop	%rdx\n"						\
	"	pop	%rcx\n"						\
	"	pop	%rax\n"

struct vm {
	int kvm;		/* /dev/kvm */
	int fd;
	uint8_t *mem;
};

struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	size_t run_size;
};

/* Makes a VM whose memory holds the guest code between @code and @end. */
void vm_create(struct vm *vm, const uint8_t *code, const uint8_t *end);
void vm_destroy(struct vm *vm);

/* Points interrupt vector @vector at guest physical address @handler. */
void vm_set_gate(struct vm *vm, unsigned int vector, uint64_t handler);

/* The guest's memory at @gpa, as the test sees it. */
void *vm_at(struct vm *vm, uint64_t gpa);

/*
 * Puts @mem at @gpa as memory slot @slot (0 is the VM's own), with KVM_MEM_* as
 * @flags, in place of what the slot was; size 0 deletes the slot.
 */
void vm_set_slot(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
		 void *mem);

/*
 * Lets L2 reach guest physical addresses from @gpa to @end, at least 1 GiB and below
 * 512 GiB, at the same linear ones; by pages of 1 GiB, so it costs no memory.
 */
void vm_map(struct vm *vm, uint64_t gpa, uint64_t end);

/* Adds vCPU number @id, ready to run the VM's code from its start. */
void vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned int id);
void vcpu_destroy(struct vcpu *vcpu);

/* Runs the vCPU until it needs the VMM; returns KVM_EXIT_*. */
unsigned int vcpu_run(struct vcpu *vcpu);

/* Runs the vCPU until it writes to @port; any other exit ends the test. */
void vcpu_run_to_port(struct vcpu *vcpu, unsigned int port);

/* Ends the test: the vCPU's last exit was not one that the test expects. */
void vcpu_bad_exit(struct vcpu *vcpu) __attribute__((noreturn));

/* An ioctl that must succeed; returns what it returned. */
#define vm_ioctl(fd, request, arg) \
	vm_ioctl_named(fd, request, (unsigned long)(arg), #request)
int vm_ioctl_named(int fd, unsigned long request, unsigned long arg, const char *name);

/* KVM's supported CPUID leaf @leaf, subleaf 0, of the running host. */
struct kvm_cpuid_entry2 vm_supported_cpuid(uint32_t leaf);

#endif
