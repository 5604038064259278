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
#include <string.h>

#include "lib/ktap.h"
#include "lib/nested.h"
#include "lib/vm.h"

#define VMCS_GUEST_FS_BASE	0x680e
#define VMCS_HOST_FS_BASE	0x6c06

#define READS		3	/* of each MSR in a run of the loop */

#define MSR_FS_BASE		0xc0000100
#define MSR_KERNEL_GS_BASE	0xc0000102

/* What L2 answers to L3's reads, the VMM to reads that it denies, and L3's own. */
#define L2_VALUE		0x2200000000aaull
#define VMM_VALUE		0x5500000000aaull
#define L3_FS_BASE		0x333300000000ull
#define L2_FS_BASE		0x222200000000ull
#define KERNEL_GS_BASE		0x444400000000ull

/* What the VMM and L2 and L3 tell each other, in the vCPU's page of data. */
struct shared {
	struct nested nested;
	uint64_t l3_sum[2];	/* of the values read, each MSR's */
	uint64_t l2_read[2];	/* L2's own reads after L3 ran */
};

static_assert(offsetof(struct shared, l3_sum) == 2080, "the guest code knows the layout");
static_assert(offsetof(struct shared, l2_read) == 2096, "the guest code knows the layout");
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
	NESTED_LAUNCH
	/* L3 exited. Its RAX, RCX, RDX and RSI are of no use to it across an exit. */
	"nested_exit:\n"
	NESTED_COUNT_EXIT
	NESTED_SKIP
	"	cmp	$" VM_STRING(NESTED_EXIT_VMCALL) ", %edx\n"
	"	jne	2f\n"
	READ_MSR(MSR_FS_BASE)
	"	mov	%rax, 2096(%rdi)\n"
	READ_MSR(MSR_KERNEL_GS_BASE)
	"	mov	%rax, 2104(%rdi)\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"2:	mov	$0xaa, %eax\n"		/* L2_VALUE */
	"	mov	$0x2200, %edx\n"
	"	vmresume\n"
	NESTED_GIVE_UP
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
	"	mov	%r8, 2080(%rdi)\n"
	"	mov	%r9, 2088(%rdi)\n"
	"	vmcall\n"
	"	jmp	nested_l3\n");

extern const uint8_t nested_exit[], nested_l3[];

static const uint32_t msrs[2] = { MSR_FS_BASE, MSR_KERNEL_GS_BASE };

static struct vm vm;
static struct vcpu vcpu;
static struct shared *shared;
static unsigned int deny_later;		/* what the VMM denies from its first exit on */

static void create(void)
{
	struct kvm_enable_cap to_vmm = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args[0] = KVM_MSR_EXIT_REASON_FILTER,
	};

	vm_create(&vm, nested_code, nested_code_end);
	vm_ioctl(vm.fd, KVM_ENABLE_CAP, &to_vmm);
	vcpu_create(&vcpu, &vm, 0);
	nested_set_msr(&vcpu, MSR_KERNEL_GS_BASE, KERNEL_GS_BASE);
	nested_set_up(&vcpu, VM_CODE + (nested_exit - nested_code),
		      VM_CODE + (nested_l3 - nested_code),
		      NESTED_HLT_EXITING | NESTED_MSR_BITMAPS);
	nested_field(&vcpu, VMCS_GUEST_FS_BASE, L3_FS_BASE);
	nested_field(&vcpu, VMCS_HOST_FS_BASE, L2_FS_BASE);
	shared = vm_at(&vm, VM_DATA(0));
}

/* Bit i of @mask is for msrs[i]; the read bits of high MSRs are at byte 1024. */
static void intercept_in_l2(unsigned int mask)
{
	uint8_t *bitmap = (uint8_t *)vm_at(&vm, NESTED_MSR_BITMAP) + 1024;

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

	memset(shared->nested.exits, 0, sizeof(shared->nested.exits));
	for (; nested_run(&vcpu) == KVM_EXIT_X86_RDMSR; reads++) {
		if (deny_later) {
			deny_in_vmm(deny_later);
			deny_later = 0;
		}
		vcpu.run->msr.data = VMM_VALUE;
		vcpu.run->msr.error = 0;
	}
	if (vcpu.run->exit_reason != KVM_EXIT_IO || vcpu.run->io.port != PORT_STEP)
		vcpu_bad_exit(&vcpu);
	return reads;
}

/* A run with both masks as given (or as set later); of a bad one, what was wrong. */
static bool run_is_right(unsigned int l2_mask, unsigned int vmm_mask)
{
	static const uint64_t l3_has[2] = { L3_FS_BASE, KERNEL_GS_BASE };
	static const uint64_t l2_has[2] = { L2_FS_BASE, KERNEL_GS_BASE };
	const uint64_t *exits = shared->nested.exits;
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
	ok &= found == vmm_exits && exits[NESTED_EXIT_RDMSR] == l2_exits &&
	      exits[NESTED_EXIT_CPUID] == READS && exits[NESTED_EXIT_VMCALL] == 1;
	if (!ok)
		ktap_diag("intercept %u, deny %u: VMM saw %u, not %u; L2 %llu, not %u; CPUID %llu",
			  l2_mask, vmm_mask, found, vmm_exits,
			  (unsigned long long)exits[NESTED_EXIT_RDMSR], l2_exits,
			  (unsigned long long)exits[NESTED_EXIT_CPUID]);
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
	if (!nested_offered()) {
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
