// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPT translations that L0 holds, flushed by hypercall (TLFS, "Nested Virtualization":
 * HvCallFlushGuestPhysicalAddressSpace and HvCallFlushGuestPhysicalAddressList).
 *
 * INVEPT is for one CPU and for a whole address space: to flush a page, KVM
 * interrupts every CPU that runs the guest and has L0 forget all of the guest's
 * memory on each of them. A hypercall flushes on all CPUs, as many pages as needed.
 *
 * The address space of these hypercalls is the physical address of the EPT's root
 * table, without the bits that EPTP has beside it.
 *
 * Which roots. L0 can hold translations only of a root that some VMCS named at a VM
 * entry. Each vCPU has at most two that it may be entered with, without further ado:
 * struct evmcs_roots. That of L2 counts also while L2's guest runs, because KVM goes
 * back to it without a look at whether it was flushed meanwhile. The other one maps
 * what L2's guest takes for physical addresses, so a range of L2's pages says nothing
 * about it, and it is always flushed as a whole.
 *
 * A root that leaves this set is flushed no more, so one that enters it has to be
 * made coherent before L2 runs on it: evmcs_root_load(). That takes a hypercall, unless
 * nothing was flushed in this VM since the root was last known to be coherent (the VM
 * counts its flushes, and evmcs_mmu_page has the count for a root), or another vCPU
 * has had it in its set. So a new root is flushed once, and not with an INVEPT
 * by each vCPU that comes to it.
 *
 * Races. A flusher counts first and then reads the vCPUs' roots; a vCPU writes its root
 * first and then reads the count. Both are full barriers, so either the flusher sees
 * the root and flushes it, or the vCPU sees the count and flushes the root itself. To
 * rely on another vCPU's root takes more: a flusher could read this vCPU before it has
 * the root and that one after it has gone on. Hence only while no flush is under way:
 * whichever begins later sees this vCPU's. No lock is needed, and none is held across
 * a hypercall but what KVM holds anyway.
 *
 * What comes for free. All translations of guest-physical addresses are coherent on
 * all CPUs at all times, so a vCPU that moves to another CPU finds nothing stale
 * there but linear addresses: INVVPID in place of a global INVEPT, which would cost
 * all VMs of this CPU all that L0 has built for them.
 *
 * Refusal. L0 serves the hypercalls only while L1 uses VMX, so the first root that is
 * loaded is the trial. When any call is refused, then or later, KVM flushes by INVEPT
 * from then on. What was left undone before, because a later hypercall would have
 * covered it, is made up for by one global INVEPT on every CPU.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include <asm/asm.h>
#include <asm/mshyperv.h>
#include <asm/tlbflush.h>

#include "../../mmu.h"
#include "../../mmu/spte.h"
#include "../vmx.h"
#include "../vmx_ops.h"
#include "../x86_ops.h"

#include "activate.h"
#include "ept_flush.h"
#include "flush_list.h"
#include "flush_ranges.h"
#include "mmu_page.h"
#include "status.h"
#include "trace.h"

/*
 * More lists than this, i.e. 32 GiB and more, and it is the whole address space. In
 * the rig's L0 an entry of a list costs about half of what it costs L2 to fault on a
 * page again, so that so many lists pay when some 2000 pages stay mapped by them.
 */
#define MAX_LISTS	8

/* So many roots of a VM are seen to be the same; vCPUs mostly share one. */
#define ROOTS_REMEMBERED	4

#define NO_GFN		(~0ULL)

static_assert(EVMCS_FLUSH_LIST_ENTRIES == HV_MAX_FLUSH_REP_COUNT);

static bool offered __ro_after_init;

/* Hypercalls go wrong. Never cleared. */
static bool refused;

/* Nothing is left undone from before, and KVM flushes by INVEPT. */
static bool settled;

static bool uses_hypercalls(void)
{
	return offered && !READ_ONCE(refused);
}

/*
 * A CPU may be on its way into VMX operation or out of it: then INVEPT is undefined and
 * there is nothing to flush, since VMXON is followed by a flush of everything.
 */
static void invalidate_cpu(void *unused)
{
	struct {
		u64 eptp, reserved;
	} none = { 0 };

	if (!(cr4_read_shadow() & X86_CR4_VMXE))
		return;
	asm volatile("1:	invept %[none], %[type]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : : [none] "m" (none), [type] "r" ((u64)VMX_EPT_EXTENT_GLOBAL)
		     : "cc", "memory");
}

static void settle(struct work_struct *work)
{
	on_each_cpu(invalidate_cpu, NULL, true);
	static_branch_disable(&evmcs_gpa_flush);
	/*
	 * Last: until KVM flushes a new root by itself everywhere, evmcs_root_load()
	 * does.
	 */
	smp_store_release(&settled, true);
}

static DECLARE_WORK(settle_work, settle);

static void refuse(int error)
{
	if (xchg(&refused, true))
		return;
	evmcs_status_set(EVMCS_FEATURE_GPA_FLUSH, EVMCS_REFUSED,
			 "Hyper-V refused a flush hypercall (error %d): KVM flushes by INVEPT",
			 error);
	pr_warn("Hyper-V refuses to flush guest mappings (error %d): KVM flushes by INVEPT\n",
		error);
	schedule_work(&settle_work);
}

static int fill_list(struct hv_guest_mapping_flush_list *list, void *cursor)
{
	return evmcs_flush_fill(cursor, (u64 *)list->gpa_list, EVMCS_FLUSH_LIST_ENTRIES);
}

static u64 pages_of(const struct evmcs_gfn_range *range, unsigned int count)
{
	u64 pages = 0;

	while (count--)
		pages += range++->pages;
	return pages;
}

/* Flush one root: the pages of some ranges, or with @count 0 all of them. */
static int flush_root(hpa_t root, const struct evmcs_gfn_range *range, unsigned int count)
{
	u64 entries = evmcs_flush_entries(range, count);
	struct evmcs_flush_cursor cursor = { .range = range, .left = count };
	int error = 0;

	if (WARN_ON_ONCE(root & ~PAGE_MASK))
		return -EINVAL;

	/* A list without an entry is one that L0 might refuse. */
	if (count && !entries)
		return 0;

	if (!count || entries > MAX_LISTS * EVMCS_FLUSH_LIST_ENTRIES) {
		error = hyperv_flush_guest_mapping(root);
		trace_hvnest_flush(root, 0, 0, 0, error);
	} else {
		while (cursor.left && !error)
			error = hyperv_flush_guest_mapping_range(root, fill_list, &cursor);
		trace_hvnest_flush(root, range->gfn, pages_of(range, count), entries, error);
	}
	if (error)
		refuse(error);
	return error;
}

/*
 * The lockless walkers of shadow page tables count on whoever frees a table to wait for
 * them, which an IPI did: they run with interrupts off.
 */
static void wait_for_walker(struct kvm_vcpu *vcpu)
{
	/* What the walker read comes before this, and the table may go after it. */
	while (smp_load_acquire(&vcpu->mode) == READING_SHADOW_PAGE_TABLES)
		cpu_relax();
}

static bool seen(hpa_t *roots, unsigned int *count, hpa_t root)
{
	unsigned int i;

	for (i = 0; i < min(*count, ROOTS_REMEMBERED); i++) {
		if (roots[i] == root)
			return true;
	}
	roots[(*count)++ % ROOTS_REMEMBERED] = root;
	return false;
}

/* The flush of pages, on all CPUs: see evmcs_flush_op. */
static int flush(struct kvm *kvm, const struct evmcs_gfn_range *range, unsigned int count)
{
	hpa_t l2_roots[ROOTS_REMEMBERED], l3_roots[ROOTS_REMEMBERED];
	struct kvm_vmx *kvm_vmx = to_kvm_vmx(kvm);
	unsigned int nr_l2 = 0, nr_l3 = 0;
	struct kvm_vcpu *vcpu;
	unsigned long i;
	int error = 0;

	if (!uses_hypercalls())
		return -EOPNOTSUPP;

	/* Fully ordered; pairs with the barrier in evmcs_root_load(). */
	atomic64_inc_return(&kvm_vmx->evmcs_flushes);

	kvm_for_each_vcpu(i, vcpu, kvm) {
		const struct evmcs_roots *roots = &to_vmx(vcpu)->evmcs_roots;
		hpa_t l2 = READ_ONCE(roots->l2) & ~EVMCS_ROOT_COHERENT;
		hpa_t l3 = READ_ONCE(roots->l3) & ~EVMCS_ROOT_COHERENT;

		if (!count)
			wait_for_walker(vcpu);
		if (l2 && !seen(l2_roots, &nr_l2, l2))
			error = flush_root(l2, range, count);
		if (!error && l3 && !seen(l3_roots, &nr_l3, l3))
			error = flush_root(l3, NULL, 0);
		if (error)
			break;
	}
	/* Ordered after the reads; pairs with the one in coherent_elsewhere(). */
	atomic64_inc_return_release(&kvm_vmx->evmcs_flushes_done);
	return error;
}

static int flush_all(struct kvm *kvm)
{
	return flush(kvm, NULL, 0);
}

static int flush_range(struct kvm *kvm, gfn_t gfn, gfn_t pages)
{
	const struct evmcs_gfn_range range = { .gfn = gfn, .pages = pages };

	return flush(kvm, &range, 1);
}

/*
 * Is @root another vCPU's, and will each flush from now on see that it is @self's too?
 * The latter if none is under way. Those done are read first: as many begun by then,
 * or later, means that all were done.
 */
static bool coherent_elsewhere(struct kvm_vcpu *self, hpa_t root, bool l3)
{
	struct kvm_vmx *kvm_vmx = to_kvm_vmx(self->kvm);
	s64 done = atomic64_read_acquire(&kvm_vmx->evmcs_flushes_done);
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (atomic64_read(&kvm_vmx->evmcs_flushes) != done)
		return false;

	kvm_for_each_vcpu(i, vcpu, self->kvm) {
		const struct evmcs_roots *roots = &to_vmx(vcpu)->evmcs_roots;

		if (vcpu != self &&
		    READ_ONCE(*(l3 ? &roots->l3 : &roots->l2)) == (root | EVMCS_ROOT_COHERENT))
			return true;
	}
	return false;
}

/**
 * evmcs_root_load() - this vCPU will be entered with that root from now on
 * @vcpu: the vCPU
 * @root: physical address of the EPT's root table
 *
 * Also the trial of whether L0 does what it offers.
 *
 * Context: the vCPU is loaded and not in L2; may be preempted, not in an interrupt.
 */
void evmcs_root_load(struct kvm_vcpu *vcpu, hpa_t root)
{
	struct evmcs_roots *roots = &to_vmx(vcpu)->evmcs_roots;
	bool l3 = vcpu->arch.mmu == &vcpu->arch.guest_mmu;
	struct kvm_mmu_page *page = root_to_sp(root);
	u64 *slot = l3 ? &roots->l3 : &roots->l2;
	u64 flushes, known = 0;

	/* Pairs with the release in settle(). */
	if (!offered || smp_load_acquire(&settled))
		return;

	if (!l3)
		WRITE_ONCE(roots->l3, 0);

	if (!uses_hypercalls()) {
		ept_sync_global();
		return;
	}

	/* It stays 0 for a root that is new, maybe where an old one has been. */
	if (page)
		known = READ_ONCE(*evmcs_root_coherent(page));
	if (known && *slot == (root | EVMCS_ROOT_COHERENT))
		return;

	WRITE_ONCE(*slot, root);
	/* Pairs with the barrier in flush(). */
	smp_mb();
	flushes = atomic64_read(&to_kvm_vmx(vcpu->kvm)->evmcs_flushes) + 1;
	if (!known || (known != flushes && !coherent_elsewhere(vcpu, root, l3))) {
		if (flush_root(root, NULL, 0)) {
			ept_sync_global();
			return;
		}
	}
	if (page)
		WRITE_ONCE(*evmcs_root_coherent(page), flushes);
	WRITE_ONCE(*slot, root | EVMCS_ROOT_COHERENT);
}

/**
 * evmcs_flush_linear() - flush what a vCPU may have left on this CPU
 * @vmx: the vCPU, which was elsewhere meanwhile
 *
 * Context: preemption off, the vCPU is loaded.
 * Return: false if translations of guest-physical addresses need flushing too.
 */
bool evmcs_flush_linear(struct vcpu_vmx *vmx)
{
	/* Without a VPID nothing tags linear addresses, and each entry flushes them. */
	if (!uses_hypercalls() || !vmx->vpid)
		return false;
	vpid_sync_context(vmx->vpid);
	vpid_sync_context(vmx->nested.vpid02);
	return true;
}

/**
 * evmcs_spurious_fault() - L2 faulted on a page, and KVM had handled it
 * @vmx:             the vCPU
 * @gpa:             where
 * @spurious_before: the vCPU's stat.pf_spurious before the fault
 *
 * A processor drops the translation that an EPT violation came from. The TLFS does not
 * promise that L0 does, and L2 would fault for ever. Nearly always another vCPU was
 * faster and the next try succeeds, so this is for the second time in a row.
 *
 * Context: the vCPU is loaded; may sleep.
 */
void evmcs_spurious_fault(struct vcpu_vmx *vmx, gpa_t gpa, u64 spurious_before)
{
	struct evmcs_roots *roots = &vmx->evmcs_roots;

	if (vmx->vcpu.stat.pf_spurious == spurious_before) {
		roots->spurious_gfn = NO_GFN;
	} else if (roots->spurious_gfn != gpa_to_gfn(gpa)) {
		roots->spurious_gfn = gpa_to_gfn(gpa);
	} else if (uses_hypercalls()) {
		roots->spurious_gfn = NO_GFN;
		if (flush_range(vmx->vcpu.kvm, gpa_to_gfn(gpa), 1))
			kvm_flush_remote_tlbs(vmx->vcpu.kvm);
	}
}

/**
 * evmcs_ept_flush_setup() - decide how KVM flushes EPT translations
 * @ept: KVM uses EPT
 *
 * Context: while the module loads, before KVM takes over the operations.
 */
void __init evmcs_ept_flush_setup(bool ept)
{
	const char *why_not = evmcs_gpa_flush_absent();

	if (why_not) {
		evmcs_status_set(EVMCS_FEATURE_GPA_FLUSH, EVMCS_ABSENT, "%s", why_not);
		return;
	}
	if (!ept) {
		evmcs_status_set(EVMCS_FEATURE_GPA_FLUSH, EVMCS_OFF, "KVM does not use EPT");
		return;
	}
	offered = true;
	vt_x86_ops.flush_remote_tlbs = flush_all;
	vt_x86_ops.flush_remote_tlbs_range = flush_range;
	evmcs_status_set(EVMCS_FEATURE_GPA_FLUSH, EVMCS_IN_USE, NULL);
}

/**
 * evmcs_ept_flush_on() - have kvm.ko note what changes
 *
 * Context: may sleep; while the module loads, before there is a VM.
 */
void __init evmcs_ept_flush_on(void)
{
	if (!offered)
		return;
	evmcs_flush_op = flush;
	static_branch_enable(&evmcs_gpa_flush);
}

/**
 * evmcs_ept_flush_off() - leave kvm.ko as it was
 *
 * Context: may sleep; while the module is unloaded, after the last VM.
 */
void evmcs_ept_flush_off(void)
{
	cancel_work_sync(&settle_work);
	static_branch_disable(&evmcs_gpa_flush);
	evmcs_flush_op = NULL;
}
