// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_guest: L2 is a hypervisor of a few lines and has a guest of its own, L3.
 *
 * L3 reads two MSRs in a loop. L2 has an MSR bitmap for L3, L1 has one for L2, and
 * both change between two runs of the loop, in every combination: the VMM writes
 * L2's bitmap, which is in L2's memory, and sets an MSR filter.
 *
 * Proved, for each read by L3: L2 gets the exit if its bitmap says so; else the
 * VMM, if it denies the MSR to its guest; else nobody, and L3 has the MSR's value,
 * for FS base that of L3 and not that of L2. And for L2's own reads after L3 ran:
 * the VMM sees those that it denies and no others. L3's CPUID always exits to L2.
 *
 * Broken by: a clean field or a store that goes to the eVMCS for L2 but was meant
 * for the one for L3, or the other way round; an MSR bitmap that is taken for
 * unchanged although the other VMCS has another one.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ktap.h"
#include "lib/vm.h"

#define READS		3	/* of each MSR in a run of the loop */

#define MSR_FS_BASE		0xc0000100
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_FEATURE_CONTROL	0x3a
#define FEATURE_CONTROL_VMXON	0x5	/* locked, VMX outside of SMX */
#define MSR_VMX_BASIC		0x480
#define MSR_VMX_TRUE_PIN	0x48d
#define MSR_VMX_TRUE_PROC	0x48e
#define MSR_VMX_TRUE_EXIT	0x48f
#define MSR_VMX_TRUE_ENTRY	0x490

#define PROC_HLT_EXITING	(1u << 7)
#define PROC_MSR_BITMAPS	(1u << 28)
#define EXIT_HOST_64_BIT	(1u << 9)
#define ENTRY_GUEST_64_BIT	(1u << 9)

#define CR4_VMXE		0x2000

/* Pages of L2's memory behind the stacks. */
#define VMXON_REGION		0x18000
#define VMCS_REGION		0x19000
#define MSR_BITMAP		0x1a000
#define L3_STACK_TOP		0x1c000

/* What L2 answers to L3's reads, the VMM to reads that it denies, and L3's own. */
#define L2_VALUE		0x2200000000aaull
#define VMM_VALUE		0x5500000000aaull
#define L3_FS_BASE		0x333300000000ull
#define L2_FS_BASE		0x222200000000ull
#define KERNEL_GS_BASE		0x444400000000ull

/* Basic exit reasons (SDM vol. 3, appendix C). */
#define REASON_CPUID		10
#define REASON_VMCALL		18
#define REASON_RDMSR		31

#define MAX_FIELDS		96

/* What the VMM and L2 and L3 tell each other, in the vCPU's page of data. */
struct shared {
	uint64_t vmxon_region, vmcs_region;	/* addresses, as operands */
	uint64_t exits[64];	/* by reason, seen by L2 */
	uint64_t l3_sum[2];	/* of the values read, each MSR's */
	uint64_t l2_read[2];	/* L2's own reads after L3 ran */
	uint64_t error;		/* VM instruction error + 1, or the place of a VMfail */
	uint64_t fields;	/* how many of the following L2 writes to its VMCS */
	struct {
		uint64_t encoding, value;
	} field[MAX_FIELDS];
};

static_assert(offsetof(struct shared, l3_sum) == 528, "the guest code knows the layout");
static_assert(offsetof(struct shared, l2_read) == 544, "the guest code knows the layout");
static_assert(offsetof(struct shared, error) == 560, "the guest code knows the layout");
static_assert(offsetof(struct shared, fields) == 568, "the guest code knows the layout");
static_assert(offsetof(struct shared, field) == 576, "the guest code knows the layout");
static_assert(sizeof(struct shared) <= 0x1000, "one page");

#define READ_MSR(msr)							\
	"	mov	$" VM_STRING(msr) ", %ecx\n"			\
	"	rdmsr\n"						\
	"	shl	$32, %rdx\n"					\
	"	or	%rdx, %rax\n"

/*
 * L2 fills its VMCS from the table and launches L3. L3's VMCALL ends a run of its
 * loop: L2 reads both MSRs itself, tells the VMM, and resumes L3 behind VMCALL.
 * RDI stays what it is at both levels.
 */
GUEST_CODE(nested_code,
	"	vmxon	(%rdi)\n"
	"	jbe	8f\n"
	"	vmclear	8(%rdi)\n"
	"	jbe	8f\n"
	"	vmptrld	8(%rdi)\n"
	"	jbe	8f\n"
	"	mov	568(%rdi), %rcx\n"
	"	lea	576(%rdi), %rsi\n"
	"1:	mov	(%rsi), %rdx\n"
	"	vmwrite	8(%rsi), %rdx\n"
	"	jbe	8f\n"
	"	add	$16, %rsi\n"
	"	dec	%rcx\n"
	"	jnz	1b\n"
	"	vmlaunch\n"
	"	jmp	8f\n"
	/* L3 exited. Its RAX and RDX are of no use to it across an exit. */
	"nested_exit:\n"
	"	mov	$0x4402, %eax\n"	/* exit reason */
	"	vmread	%rax, %rdx\n"
	"	cmp	$64, %rdx\n"
	"	jae	9f\n"
	"	incq	16(%rdi, %rdx, 8)\n"
	"	push	%rdx\n"
	"	mov	$0x440c, %eax\n"	/* instruction length */
	"	vmread	%rax, %rsi\n"
	"	mov	$0x681e, %eax\n"	/* RIP */
	"	vmread	%rax, %rdx\n"
	"	add	%rsi, %rdx\n"
	"	vmwrite	%rdx, %rax\n"
	"	pop	%rdx\n"
	"	cmp	$" VM_STRING(REASON_VMCALL) ", %edx\n"
	"	jne	2f\n"
	READ_MSR(MSR_FS_BASE)
	"	mov	%rax, 544(%rdi)\n"
	READ_MSR(MSR_KERNEL_GS_BASE)
	"	mov	%rax, 552(%rdi)\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"2:	mov	$0xaa, %eax\n"		/* L2_VALUE */
	"	mov	$0x2200, %edx\n"
	"	vmresume\n"
	"8:	mov	$0x4400, %eax\n"	/* VM instruction error */
	"	vmread	%rax, %rdx\n"
	"9:	inc	%rdx\n"
	"	mov	%rdx, 560(%rdi)\n"
	"	out	%al, $" VM_STRING(PORT_DONE) "\n"
	/* L3 */
	"nested_l3:\n"
	"	xor	%r8d, %r8d\n"
	"	xor	%r9d, %r9d\n"
	"	mov	$" VM_STRING(READS) ", %r10d\n"
	"1:	" READ_MSR(MSR_FS_BASE)
	"	add	%rax, %r8\n"
	"	cpuid\n"
	READ_MSR(MSR_KERNEL_GS_BASE)
	"	add	%rax, %r9\n"
	"	dec	%r10\n"
	"	jnz	1b\n"
	"	mov	%r8, 528(%rdi)\n"
	"	mov	%r9, 536(%rdi)\n"
	"	vmcall\n"
	"	jmp	nested_l3\n");

extern const uint8_t nested_exit[], nested_l3[];

static const uint32_t msrs[2] = { MSR_FS_BASE, MSR_KERNEL_GS_BASE };

static struct vm vm;
static struct vcpu vcpu;
static struct shared *shared;
static unsigned int deny_later;		/* what the VMM denies from its first exit on */

static bool set_msr(uint32_t index, uint64_t value)
{
	struct kvm_msrs *one = calloc(1, sizeof(*one) + sizeof(one->entries[0]));
	bool ok;

	if (!one)
		ktap_bail("no memory for an MSR");
	one->nmsrs = 1;
	one->entries[0].index = index;
	one->entries[0].data = value;
	ok = vm_ioctl(vcpu.fd, KVM_SET_MSRS, one) == 1;
	free(one);
	return ok;
}

static uint64_t get_msr(uint32_t index)
{
	struct kvm_msrs *one = calloc(1, sizeof(*one) + sizeof(one->entries[0]));
	uint64_t value;

	if (!one)
		ktap_bail("no memory for an MSR");
	one->nmsrs = 1;
	one->entries[0].index = index;
	if (vm_ioctl(vcpu.fd, KVM_GET_MSRS, one) != 1)
		ktap_bail("KVM_GET_MSRS: KVM does not know MSR %#x", index);
	value = one->entries[0].data;
	free(one);
	return value;
}

static void field(uint32_t encoding, uint64_t value)
{
	if (shared->fields == MAX_FIELDS)
		ktap_bail("too many VMCS fields for L2's table");
	shared->field[shared->fields].encoding = encoding;
	shared->field[shared->fields++].value = value;
}

/* The low half of the MSR has the bits that must be set, the high one those that may. */
static uint64_t controls(uint32_t msr, uint32_t wanted)
{
	uint64_t allowed = get_msr(msr);

	if (wanted & ~(allowed >> 32))
		ktap_bail("L2 lacks VMX controls: wants %#x, MSR %#x is %#llx", wanted, msr,
			  (unsigned long long)allowed);
	return (uint32_t)allowed | wanted;
}

/* Encodings: SDM vol. 3, appendix B. L3 has L2's page tables and segments. */
static void fill_vmcs_table(void)
{
	struct kvm_sregs sregs;

	vm_ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);
	field(0x4000, controls(MSR_VMX_TRUE_PIN, 0));
	field(0x4002, controls(MSR_VMX_TRUE_PROC, PROC_HLT_EXITING | PROC_MSR_BITMAPS));
	field(0x400c, controls(MSR_VMX_TRUE_EXIT, EXIT_HOST_64_BIT));
	field(0x4012, controls(MSR_VMX_TRUE_ENTRY, ENTRY_GUEST_64_BIT));
	field(0x2004, MSR_BITMAP);
	field(0x2800, ~0ull);				/* VMCS link pointer */
	for (uint32_t zero = 0x4004; zero <= 0x400a; zero += 2)
		field(zero, 0);		/* exceptions, page faults, CR3 targets */
	field(0x400e, 0);				/* MSRs to store at exit */
	field(0x4010, 0);				/* MSRs to load at exit */
	field(0x4014, 0);				/* MSRs to load at entry */
	field(0x4016, 0);				/* event */
	for (uint32_t zero = 0x6000; zero <= 0x6006; zero += 2)
		field(zero, 0);				/* CR0's and CR4's masks and shadows */

	for (uint32_t i = 0; i < 6; i++) {		/* ES, CS, SS, DS, FS, GS */
		const struct kvm_segment *s = i == 1 ? &sregs.cs : &sregs.ds;

		field(0x0800 + 2 * i, s->selector);
		field(0x4800 + 2 * i, s->limit);
		field(0x4814 + 2 * i, i == 1 ? 0xa09b : 0xc093);
		field(0x6806 + 2 * i, i == 4 ? L3_FS_BASE : 0);
		field(0x0c00 + 2 * i, s->selector);	/* the same for L2 */
	}
	field(0x080c, 0);				/* LDTR */
	field(0x4820, 0x10000);
	field(0x080e, 0);				/* TR */
	field(0x480e, 0x67);
	field(0x4822, 0x8b);
	field(0x6814, 0);
	field(0x0c0c, sregs.ds.selector);		/* L2's TR: any but 0 */
	field(0x4810, sregs.gdt.limit);
	field(0x4812, sregs.idt.limit);
	field(0x4824, 0);				/* interruptibility */
	field(0x4826, 0);				/* activity */
	field(0x6800, sregs.cr0);
	field(0x6802, sregs.cr3);
	field(0x6804, sregs.cr4);
	field(0x6816, sregs.gdt.base);
	field(0x6818, sregs.idt.base);
	field(0x681a, 0x400);				/* DR7 */
	field(0x681c, L3_STACK_TOP);
	field(0x681e, VM_CODE + (nested_l3 - nested_code));
	field(0x6820, VM_RFLAGS);
	field(0x6822, 0);				/* pending debug exceptions */

	field(0x6c00, sregs.cr0);
	field(0x6c02, sregs.cr3);
	field(0x6c04, sregs.cr4);
	field(0x6c06, L2_FS_BASE);
	field(0x6c08, 0);				/* GS base */
	field(0x6c0a, 0);				/* TR base */
	field(0x6c0c, sregs.gdt.base);
	field(0x6c0e, sregs.idt.base);
	field(0x6c14, VM_STACK(0) + 0x1000);
	field(0x6c16, VM_CODE + (nested_exit - nested_code));
}

static void create(void)
{
	struct kvm_enable_cap to_vmm = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args[0] = KVM_MSR_EXIT_REASON_FILTER,
	};
	uint32_t revision;
	struct kvm_sregs sregs;

	vm_create(&vm, nested_code, nested_code_end);
	vm_ioctl(vm.fd, KVM_ENABLE_CAP, &to_vmm);
	vcpu_create(&vcpu, &vm, 0);
	if (!set_msr(MSR_FEATURE_CONTROL, FEATURE_CONTROL_VMXON) ||
	    !set_msr(MSR_KERNEL_GS_BASE, KERNEL_GS_BASE))
		ktap_bail("KVM_SET_MSRS: KVM refuses to let L2 use VMX");
	vm_ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);
	sregs.cr4 |= CR4_VMXE;
	vm_ioctl(vcpu.fd, KVM_SET_SREGS, &sregs);

	shared = vm_at(&vm, VM_DATA(0));
	shared->vmxon_region = VMXON_REGION;
	shared->vmcs_region = VMCS_REGION;
	revision = get_msr(MSR_VMX_BASIC);
	memcpy(vm_at(&vm, VMXON_REGION), &revision, sizeof(revision));
	memcpy(vm_at(&vm, VMCS_REGION), &revision, sizeof(revision));
	fill_vmcs_table();
}

/* Bit i of @mask is for msrs[i]; the read bits of high MSRs are at byte 1024. */
static void intercept_in_l2(unsigned int mask)
{
	uint8_t *bitmap = (uint8_t *)vm_at(&vm, MSR_BITMAP) + 1024;

	for (unsigned int i = 0; i < 2; i++) {
		uint32_t bit = msrs[i] & 0x1fff;

		bitmap[bit / 8] &= ~(1 << bit % 8);
		bitmap[bit / 8] |= (mask >> i & 1) << bit % 8;
	}
}

static void deny_in_vmm(unsigned int mask)
{
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	uint8_t none_allowed = 0;

	for (unsigned int i = 0; i < 2; i++) {
		if (!(mask >> i & 1))
			continue;
		filter.ranges[i].flags = KVM_MSR_FILTER_READ;
		filter.ranges[i].base = msrs[i];
		filter.ranges[i].nmsrs = 1;
		filter.ranges[i].bitmap = &none_allowed;
	}
	vm_ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter);
}

/* Runs L3's loop once; returns how many reads reached the VMM. */
static unsigned int run_loop(void)
{
	unsigned int reads = 0;

	memset(shared->exits, 0, sizeof(shared->exits));
	for (; vcpu_run(&vcpu) == KVM_EXIT_X86_RDMSR; reads++) {
		if (deny_later) {
			deny_in_vmm(deny_later);
			deny_later = 0;
		}
		vcpu.run->msr.data = VMM_VALUE;
		vcpu.run->msr.error = 0;
	}
	if (vcpu.run->exit_reason == KVM_EXIT_IO && vcpu.run->io.port == PORT_DONE)
		ktap_bail("L2 gave up: VM instruction error or exit reason %#llx",
			  (unsigned long long)shared->error - 1);
	if (vcpu.run->exit_reason != KVM_EXIT_IO || vcpu.run->io.port != PORT_STEP)
		vcpu_bad_exit(&vcpu);
	return reads;
}

/* A run with both masks as given (or as set later); of a bad one, what was wrong. */
static bool run_is_right(unsigned int l2_mask, unsigned int vmm_mask)
{
	static const uint64_t l3_has[2] = { L3_FS_BASE, KERNEL_GS_BASE };
	static const uint64_t l2_has[2] = { L2_FS_BASE, KERNEL_GS_BASE };
	unsigned int l2_exits = 0, vmm_exits = 0, found;
	bool ok = true;

	intercept_in_l2(l2_mask);
	if (!deny_later)
		deny_in_vmm(vmm_mask);
	found = run_loop();
	for (unsigned int i = 0; i < 2; i++) {
		bool in_l2 = l2_mask >> i & 1, in_vmm = vmm_mask >> i & 1;
		uint64_t l3 = in_l2 ? L2_VALUE : in_vmm ? VMM_VALUE : l3_has[i];
		uint64_t l2 = in_vmm ? VMM_VALUE : l2_has[i];

		l2_exits += in_l2 ? READS : 0;
		vmm_exits += (!in_l2 && in_vmm ? READS : 0) + in_vmm;
		if (shared->l3_sum[i] == READS * l3 && shared->l2_read[i] == l2)
			continue;
		ktap_diag("MSR %#x: L3 read a sum of %#llx, not %#llx; L2 %#llx, not %#llx",
			  msrs[i], (unsigned long long)shared->l3_sum[i],
			  (unsigned long long)(READS * l3),
			  (unsigned long long)shared->l2_read[i], (unsigned long long)l2);
		ok = false;
	}
	ok &= found == vmm_exits && shared->exits[REASON_RDMSR] == l2_exits &&
	      shared->exits[REASON_CPUID] == READS && shared->exits[REASON_VMCALL] == 1;
	if (!ok)
		ktap_diag("intercept %u, deny %u: VMM saw %u, not %u; L2 %llu, not %u; CPUID %llu",
			  l2_mask, vmm_mask, found, vmm_exits,
			  (unsigned long long)shared->exits[REASON_RDMSR], l2_exits,
			  (unsigned long long)shared->exits[REASON_CPUID]);
	return ok;
}

/* All 16 combinations; each changes both masks against the one before it. */
static void check_combinations(void)
{
	bool ok = true;

	for (unsigned int i = 0; i < 16 && ok; i++)
		ok = run_is_right((i ^ i >> 2) & 3, (i >> 2 ^ i << 1 ^ i) & 3);
	ktap_ok(ok, "L2's and the VMM's intercepts in every combination");
}

/* One of the masks changes from run to run, the other stays. */
static void check_l2_alone(void)
{
	bool ok = true;

	for (unsigned int i = 0; i < 6 && ok; i++)
		ok = run_is_right(i & 1 ? 3 : i >> 1 & 1, 0);
	ktap_ok(ok, "L2's intercepts change");
}

static void check_vmm_alone(void)
{
	bool ok = true;

	for (unsigned int i = 0; i < 6 && ok; i++)
		ok = run_is_right(0, i & 1 ? 3 : i >> 1 & 1);
	ktap_ok(ok, "the VMM's intercepts change");
}

/*
 * The VMM denies the second MSR when L3 reads the first one: KVM changes the bitmap
 * of the eVMCS for L2 while that for L3 is the current one.
 */
static void check_change_in_l3(void)
{
	bool ok = true;

	for (unsigned int i = 0; i < 3 && ok; i++) {
		ok = run_is_right(0, 1);
		deny_later = 3;
		ok &= run_is_right(0, 3);
	}
	ktap_ok(ok, "the VMM's intercepts change while L3 runs");
}

int main(void)
{
	ktap_plan(5);
	if (!(vm_supported_cpuid(1).ecx & 1 << 5)) {
		ktap_skip_rest("KVM offers no VMX to its guests; load kvm_intel with nested=1");
		return ktap_exit();
	}
	create();
	ktap_ok(run_is_right(1, 0), "L2 runs L3");
	check_l2_alone();
	check_vmm_alone();
	check_change_in_l3();
	check_combinations();
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	return ktap_exit();
}
