// SPDX-License-Identifier: GPL-2.0-only
/*
 * ept_nested: pages go and come while L2 is a hypervisor and its guest, L3, runs.
 *
 * L2 gives L3 page tables (EPT), by which L3 has L2's pages at other addresses than L2.
 * KVM then has two roots for one vCPU: one with L2's mappings and one with L3's, of which
 * one is in use and the other waits. The VMM drops a page and puts new contents there,
 * or clears the dirty log, while L3 runs and while L2 runs.
 *
 * Proved: whoever of L2 and L3 runs next finds the new contents, and its writes are in
 * the log; and no flush was missing where L0 looks for that.
 *
 * Broken by: a flush of the root in use only, where the other one comes back later
 * without a flush of its own; a flush of L3's root that names L2's addresses.
 */
#include <assert.h>

#include "lib/ktap.h"
#include "lib/l0.h"
#include "lib/nested.h"
#include "lib/stream.h"

#define ROUNDS		4
#define PAGES		16
#define L2_PAGES	(2ull << 30)	/* where L2 has them */
#define L3_PAGES	(1ull << 30)	/* where L3 has them, in the opposite order */
#define SLOT		1

/* L2's EPT for L3, in pages that belong to vCPUs that this VM has not. */
#define EPT_PML4	0x11000
#define EPT_PDPT	0x12000
#define EPT_PD_CODE	0x13000	/* L2's memory, at the same addresses */
#define EPT_PD		0x15000
#define EPT_PT		0x16000

#define EPT_RWX		7
#define EPT_WB		(6 << 3)
#define EPT_LARGE	(1 << 7)
#define EPTP_WB_4_LEVELS	(6 | 3 << 3)

#define MSR_VMX_PROC2		0x48b
#define SECONDARY_CONTROLS	(1u << 31)
#define ENABLE_EPT		(1u << 1)
#define VMCS_SECONDARY_CONTROLS	0x401e
#define VMCS_EPT_POINTER	0x201a

/* What the VMM and L2 and L3 tell each other, in the vCPU's page of data. */
struct shared {
	struct nested nested;
	uint64_t l2_page, l3_page;	/* that they read, where they see it */
	uint64_t l2_read, l3_read;	/* what was in it */
	uint64_t l3_write;		/* written before the read, unless 0 */
	uint64_t l3_stays;		/* L3 does not call L2 */
};

static_assert(offsetof(struct shared, l2_page) == 2080, "the guest code knows the layout");
static_assert(offsetof(struct shared, l3_stays) == 2120, "the guest code knows the layout");
static_assert(sizeof(struct shared) <= 0x1000, "one page");

/* L3 tells the VMM what it has read, then calls L2, which reads and tells the VMM, too. */
GUEST_CODE(ept_code,
	NESTED_LAUNCH
	"ept_exit:\n"
	NESTED_COUNT_EXIT
	"	cmp	$" VM_STRING(NESTED_EXIT_VMCALL) ", %edx\n"
	"	jne	9f\n"
	NESTED_SKIP
	"	mov	2080(%rdi), %rsi\n"
	"	mov	(%rsi), %rax\n"
	"	mov	%rax, 2096(%rdi)\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	vmresume\n"
	NESTED_GIVE_UP
	/* L3 */
	"ept_l3:\n"
	"	mov	2088(%rdi), %rsi\n"
	"	mov	2112(%rdi), %rax\n"
	"	test	%rax, %rax\n"
	"	jz	1f\n"
	"	mov	%rax, (%rsi)\n"
	"1:	mov	(%rsi), %rax\n"
	"	mov	%rax, 2104(%rdi)\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	cmpq	$0, 2120(%rdi)\n"
	"	jne	ept_l3\n"
	"	vmcall\n"
	"	jmp	ept_l3\n");

extern const uint8_t ept_exit[], ept_l3[];

static struct vm vm;
static struct vcpu vcpu;
static struct shared *shared;
static uint8_t *mem;
static uint64_t last_value;
static uint64_t missed_before;		/* the check that comes */

/* L2's EPT: its own memory for L3's code, and the pages in the opposite order. */
static void set_ept(void)
{
	uint64_t *pml4 = vm_at(&vm, EPT_PML4), *pdpt = vm_at(&vm, EPT_PDPT);
	uint64_t *pt = vm_at(&vm, EPT_PT);

	pml4[0] = EPT_PDPT | EPT_RWX;
	pdpt[0] = EPT_PD_CODE | EPT_RWX;
	pdpt[L3_PAGES >> 30] = EPT_PD | EPT_RWX;
	*(uint64_t *)vm_at(&vm, EPT_PD_CODE) = EPT_LARGE | EPT_WB | EPT_RWX;
	*(uint64_t *)vm_at(&vm, EPT_PD) = EPT_PT | EPT_RWX;
	for (unsigned int i = 0; i < PAGES; i++)
		pt[i] = (L2_PAGES + (PAGES - 1 - i) * STREAM_PAGE) | EPT_WB | EPT_RWX;
}

static uint64_t *page(unsigned int i)
{
	return (uint64_t *)(mem + i * STREAM_PAGE);
}

static void fill(unsigned int i)
{
	last_value++;
	*(volatile uint64_t *)page(i) = last_value << 8 | i;
}

static bool create(void)
{
	vm_create(&vm, ept_code, ept_code_end);
	vm_map(&vm, L3_PAGES, L3_PAGES + 1);
	vm_map(&vm, L2_PAGES, L2_PAGES + 1);
	mem = stream_memory(PAGES * STREAM_PAGE);
	for (unsigned int i = 0; i < PAGES; i++)
		fill(i);
	vm_set_slot(&vm, SLOT, 0, L2_PAGES, PAGES * STREAM_PAGE, mem);
	vcpu_create(&vcpu, &vm, 0);
	shared = vm_at(&vm, VM_DATA(0));
	if (!(nested_get_msr(&vcpu, MSR_VMX_PROC2) >> 32 & ENABLE_EPT))
		return false;
	nested_set_up(&vcpu, VM_CODE + (ept_exit - ept_code), VM_CODE + (ept_l3 - ept_code),
		      NESTED_HLT_EXITING | SECONDARY_CONTROLS);
	nested_field(&vcpu, VMCS_SECONDARY_CONTROLS, ENABLE_EPT);
	nested_field(&vcpu, VMCS_EPT_POINTER, EPT_PML4 | EPTP_WB_4_LEVELS);
	set_ept();
	return true;
}

/* Runs L2 or L3 to its next report. */
static void run(void)
{
	if (nested_run(&vcpu) != KVM_EXIT_IO || vcpu.run->io.port != PORT_STEP)
		vcpu_bad_exit(&vcpu);
}

/* L3 made the last report and L2 makes the next one, or the other way round. */
static bool l2_reads(unsigned int i)
{
	shared->l2_page = L2_PAGES + i * STREAM_PAGE;
	run();
	if (shared->l2_read == *page(i))
		return true;
	ktap_diag("L2 reads %#llx from page %u, not %#llx",
		  (unsigned long long)shared->l2_read, i, (unsigned long long)*page(i));
	return false;
}

static bool l3_reads(unsigned int i)
{
	shared->l3_page = L3_PAGES + (PAGES - 1 - i) * STREAM_PAGE;
	run();
	if (shared->l3_read == *page(i))
		return true;
	ktap_diag("L3 reads %#llx from page %u, not %#llx",
		  (unsigned long long)shared->l3_read, i, (unsigned long long)*page(i));
	return false;
}

static void replace(unsigned int i)
{
	stream_drop(page(i), STREAM_PAGE);
	fill(i);
}

static bool replaced_for_l2_in_l3(void)
{
	bool ok = true;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		ok &= l3_reads(0);
		ok &= l2_reads(i % 4);
		ok &= l3_reads(0);
		replace(i % 4);
		ok &= l2_reads(i % 4);
	}
	return ok;
}

static bool replaced_for_l3_in_l2(void)
{
	bool ok = true;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		ok &= l3_reads(4 + i % 4);
		ok &= l2_reads(0);
		replace(4 + i % 4);
		ok &= l3_reads(4 + i % 4);
		ok &= l2_reads(0);
	}
	return ok;
}

static bool replaced_for_l3_in_l3(void)
{
	bool ok = true;

	shared->l3_stays = 1;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		ok &= l3_reads(8 + i % 4);
		replace(8 + i % 4);
		ok &= l3_reads(8 + i % 4);
	}
	shared->l3_stays = 0;
	/* Where the next one begins: L2 has reported. */
	ok &= l2_reads(8);
	return ok;
}

/* L3's writes, by addresses that are not L2's, are in the log of L2's slot. */
static bool logged_for_l3(void)
{
	uint64_t log_word;
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = &log_word };
	bool ok = true;

	vm_set_slot(&vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, L2_PAGES, PAGES * STREAM_PAGE, mem);
	vm_ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log);
	shared->l3_stays = 1;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int written = 12 + i % 2;

		shared->l3_write = ++last_value;
		shared->l3_page = L3_PAGES + (PAGES - 1 - written) * STREAM_PAGE;
		run();
		ok &= *page(written) == last_value;
		vm_ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log);
		if (log_word == 1ull << written)
			continue;
		ktap_diag("round %u: the log is %#llx, page %u was written", i,
			  (unsigned long long)log_word, written);
		ok = false;
	}
	shared->l3_write = 0;
	shared->l3_stays = 0;
	ok &= l2_reads(12);
	return ok;
}

/* Flushes that were missing, as L0 sees it; none where it does not look. */
static uint64_t missed(void)
{
	struct l0_ept ept;
	const char *why;

	return l0_open(&why) && !l0_ept_read(&ept) ? ept.missed : 0;
}

static void check(const char *name, bool (*test)(void))
{
	bool right = test();
	uint64_t more = missed() - missed_before;

	missed_before += more;
	if (more)
		ktap_diag("L0: %llu flushes were missing", (unsigned long long)more);
	ktap_ok(right && !more, "%s", name);
}

int main(void)
{
	ktap_plan(4);
	if (!nested_offered() || !create()) {
		ktap_skip_rest("KVM offers its guests no VMX, or no EPT");
		return ktap_exit();
	}
	missed_before = missed();
	check("a page replaced while L3 runs, for L2", replaced_for_l2_in_l3);
	check("a page replaced while L2 runs, for L3", replaced_for_l3_in_l2);
	check("a page replaced while L3 runs, for L3", replaced_for_l3_in_l3);
	check("the dirty log of what L3 writes", logged_for_l3);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	return ktap_exit();
}
