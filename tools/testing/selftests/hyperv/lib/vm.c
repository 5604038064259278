// SPDX-License-Identifier: GPL-2.0-only
/* vm.c: see vm.h. */
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"

/* Three pages that Intel's VMX wants below 4 GiB, away from the guest's memory. */
#define TSS_ADDRESS		0xfffbd000

#define PTE_PRESENT_WRITABLE	0x3
#define PTE_UNCACHED		0x10
#define PTE_LARGE		0x80

#define CR0_PE_MP_ET_NE_WP_PG	0x80010033
#define EFER_SCE_LME_LMA_NX	0xd01

#define GDT_CODE		0x10
#define GDT_DATA		0x18
#define GDT_SIZE		0x20
#define IDT_SIZE		0x1000

#define MAX_CPUID_ENTRIES	256
#define CPUID_EXTENDED_1	0x80000001
#define CPUID_PAGES_OF_1G	(1u << 26)

int vm_ioctl_named(int fd, unsigned long request, unsigned long arg, const char *name)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		ktap_bail("%s: %s", name, strerror(errno));
	return ret;
}

static int open_kvm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		ktap_bail("/dev/kvm: %s; is kvm_intel or kvm_amd loaded?", strerror(errno));
	return kvm;
}

static void *map(size_t size, int flags, int fd, const char *what)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);

	if (p == MAP_FAILED)
		ktap_bail("mmap of %s: %s", what, strerror(errno));
	return p;
}

void *vm_at(struct vm *vm, uint64_t gpa)
{
	if (gpa >= VM_MEM_SIZE)
		ktap_bail("guest address %#llx is outside the VM", (unsigned long long)gpa);
	return vm->mem + gpa;
}

/* Two 2 MiB pages, mapped to themselves: memory, and the local APIC's registers. */
static void set_page_tables(struct vm *vm)
{
	uint64_t *pml4 = vm_at(vm, VM_PAGE_TABLES);
	uint64_t *pdpt = vm_at(vm, VM_PAGE_TABLES + 0x1000);
	uint64_t *pd = vm_at(vm, VM_PAGE_TABLES + 0x2000);
	uint64_t *apic_pd = vm_at(vm, VM_APIC_TABLE);

	pml4[0] = (VM_PAGE_TABLES + 0x1000) | PTE_PRESENT_WRITABLE;
	pdpt[0] = (VM_PAGE_TABLES + 0x2000) | PTE_PRESENT_WRITABLE;
	pdpt[VM_APIC >> 30] = VM_APIC_TABLE | PTE_PRESENT_WRITABLE;
	pd[0] = PTE_LARGE | PTE_PRESENT_WRITABLE;
	apic_pd[VM_APIC >> 21 & 511] = VM_APIC | PTE_LARGE | PTE_UNCACHED | PTE_PRESENT_WRITABLE;
}

static void set_gdt(struct vm *vm)
{
	uint64_t *gdt = vm_at(vm, VM_GDT);

	gdt[GDT_CODE / 8] = 0x00af9b000000ffff;
	gdt[GDT_DATA / 8] = 0x00cf93000000ffff;
}

void vm_set_gate(struct vm *vm, unsigned int vector, uint64_t handler)
{
	uint64_t *gate = vm_at(vm, VM_IDT + vector * 16);

	/* A present 64-bit interrupt gate, privilege level 0, current stack. */
	gate[0] = (handler & 0xffff) | GDT_CODE << 16 | 0x8eull << 40 |
		  (handler >> 16 & 0xffff) << 48;
	gate[1] = handler >> 32;
}

void vm_set_slot(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
		 void *mem)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	vm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void vm_map(struct vm *vm, uint64_t gpa, uint64_t end)
{
	uint64_t *pdpt = vm_at(vm, VM_PAGE_TABLES + 0x1000);

	if (!(vm_supported_cpuid(CPUID_EXTENDED_1).edx & CPUID_PAGES_OF_1G))
		ktap_bail("this CPU has no pages of 1 GiB for L2");
	if (gpa < 1ull << 30 || end > 512ull << 30)
		ktap_bail("L2 cannot map %#llx", (unsigned long long)gpa);
	for (uint64_t i = gpa >> 30; i << 30 < end; i++)
		pdpt[i] = i << 30 | PTE_LARGE | PTE_PRESENT_WRITABLE;
}

void vm_create(struct vm *vm, const uint8_t *code, const uint8_t *end)
{
	if (end - code > VM_PAGE_TABLES - VM_CODE)
		ktap_bail("guest code is too long: %td bytes", end - code);
	vm->kvm = open_kvm();
	vm->fd = vm_ioctl(vm->kvm, KVM_CREATE_VM, 0);
	vm->mem = map(VM_MEM_SIZE, MAP_ANONYMOUS, -1, "guest memory");
	memcpy(vm_at(vm, VM_CODE), code, end - code);
	set_page_tables(vm);
	set_gdt(vm);

	vm_ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDRESS);
	vm_set_slot(vm, 0, 0, 0, VM_MEM_SIZE, vm->mem);
	vm_ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0);
}

void vm_destroy(struct vm *vm)
{
	munmap(vm->mem, VM_MEM_SIZE);
	close(vm->fd);
	close(vm->kvm);
}

/* What KVM can offer a guest on this host; to be freed. */
static struct kvm_cpuid2 *supported_cpuid(int kvm)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		ktap_bail("no memory for the CPUID table");
	cpuid->nent = MAX_CPUID_ENTRIES;
	vm_ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	return cpuid;
}

struct kvm_cpuid_entry2 vm_supported_cpuid(uint32_t leaf)
{
	int kvm = open_kvm();
	struct kvm_cpuid2 *cpuid = supported_cpuid(kvm);
	struct kvm_cpuid_entry2 found;
	unsigned int i = 0;

	while (i < cpuid->nent && (cpuid->entries[i].function != leaf || cpuid->entries[i].index))
		i++;
	if (i == cpuid->nent)
		ktap_bail("KVM has no CPUID leaf %#x", leaf);
	found = cpuid->entries[i];
	free(cpuid);
	close(kvm);
	return found;
}

static void set_sregs(struct vcpu *vcpu)
{
	struct kvm_segment code = {
		.selector = GDT_CODE, .limit = 0xffffffff, .type = 11,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.selector = GDT_DATA, .limit = 0xffffffff, .type = 3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	vm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.gdt.base = VM_GDT;
	sregs.gdt.limit = GDT_SIZE - 1;
	sregs.idt.base = VM_IDT;
	sregs.idt.limit = IDT_SIZE - 1;
	sregs.cr3 = VM_PAGE_TABLES;
	sregs.cr4 = VM_CR4;
	sregs.efer = EFER_SCE_LME_LMA_NX;
	sregs.cr0 = CR0_PE_MP_ET_NE_WP_PG;
	vm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
}

void vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned int id)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_regs regs = {
		.rip = VM_CODE,
		.rflags = VM_RFLAGS,
		.rsp = VM_STACK(id) + 0x1000,
		.rdi = VM_DATA(id),
		.rsi = id,
	};
	struct kvm_cpuid2 *cpuid;

	if (id >= VM_MAX_VCPUS)
		ktap_bail("vCPU %u: only %u fit into the VM's memory", id, VM_MAX_VCPUS);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = vm_ioctl(vm->fd, KVM_CREATE_VCPU, id);
	/* Before the special registers: without it KVM refuses long mode. */
	cpuid = supported_cpuid(vm->kvm);
	vm_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid);
	free(cpuid);
	set_sregs(vcpu);
	vm_ioctl(vcpu->fd, KVM_SET_REGS, &regs);
	/* All but the first wait for an INIT otherwise. */
	vm_ioctl(vcpu->fd, KVM_SET_MP_STATE, &runnable);
	vcpu->run_size = vm_ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vcpu->run = map(vcpu->run_size, 0, vcpu->fd, "struct kvm_run");
}

void vcpu_destroy(struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
}

unsigned int vcpu_run(struct vcpu *vcpu)
{
	while (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
		if (errno != EINTR)
			ktap_bail("KVM_RUN of vCPU %u: %s", vcpu->id, strerror(errno));
	}
	return vcpu->run->exit_reason;
}

void vcpu_bad_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs;

	vm_ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	switch (run->exit_reason) {
	case KVM_EXIT_FAIL_ENTRY:
		ktap_bail("vCPU %u: VM entry failed, hardware reason %#llx", vcpu->id,
			  run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_INTERNAL_ERROR:
		ktap_bail("vCPU %u: KVM internal error %u at RIP %#llx", vcpu->id,
			  run->internal.suberror, regs.rip);
	case KVM_EXIT_IO:
		ktap_bail("vCPU %u: access to I/O port %#x at RIP %#llx", vcpu->id,
			  run->io.port, regs.rip);
	default:
		ktap_bail("vCPU %u: exit %u (linux/kvm.h, KVM_EXIT_*) at RIP %#llx", vcpu->id,
			  run->exit_reason, regs.rip);
	}
}

void vcpu_run_to_port(struct vcpu *vcpu, unsigned int port)
{
	if (vcpu_run(vcpu) != KVM_EXIT_IO || vcpu->run->io.port != port)
		vcpu_bad_exit(vcpu);
}
