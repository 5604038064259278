/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm.ko's side of flushing by hypercall: what changed is flushed, not the whole guest.
 *
 * With INVEPT there is nothing to gain from knowing which pages changed, and in most
 * places KVM flushes all of a guest's translations. A hypercall can name the pages, and
 * what it does not name L0 need not build anew. So where KVM unmaps or ages pages for
 * the kernel's memory management, or clears a dirty log, it notes here which pages
 * that were.
 *
 * kvm-intel.ko turns this on when Hyper-V offers the hypercalls; without it KVM does
 * what it always did.
 */
#ifndef HVNEST_EVMCS_FLUSH_RANGES_H
#define HVNEST_EVMCS_FLUSH_RANGES_H

#include <linux/bitops.h>
#include <linux/jump_label.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "gfn_ranges.h"

DECLARE_STATIC_KEY_FALSE(evmcs_gpa_flush);

/*
 * Flushes translations of some ranges of pages, as L2 numbers them, or with @count 0
 * of all pages, on all CPUs. Returns 0, or an error when nothing may have been flushed.
 * Context: any but interrupts; mmu_lock may be held. Valid while the key is on.
 */
extern int (*evmcs_flush_op)(struct kvm *kvm, const struct evmcs_gfn_range *range,
			     unsigned int count);

struct evmcs_gfn_range __evmcs_mapped(struct kvm *kvm, int as_id, gfn_t start, gfn_t end);
bool __evmcs_flush(struct kvm *kvm, const struct evmcs_gfn_range *range,
		   unsigned int count);

/* Does Hyper-V flush for us? */
static __always_inline bool evmcs_flushes_by_hypercall(void)
{
	return static_branch_unlikely(&evmcs_gpa_flush);
}

/**
 * evmcs_flush_new_root() - a vCPU has a root whose past is not known
 * @vcpu: the vCPU
 *
 * Where hypercalls flush, loading the root has seen to it.
 *
 * Context: the vCPU is loaded.
 */
static inline void evmcs_flush_new_root(struct kvm_vcpu *vcpu)
{
	if (!evmcs_flushes_by_hypercall())
		kvm_x86_call(flush_tlb_current)(vcpu);
}

/**
 * evmcs_mapped() - the pages that are mapped where some pages are
 * @kvm:   VM
 * @as_id: its address space (SMM or not)
 * @start: first page
 * @end:   after the last one
 *
 * A huge page that reaches beyond the given ones is named as a whole: L0 may have cut
 * it into pieces, and has to drop each of them.
 *
 * Context: mmu_lock held, and before the mappings change.
 */
static __always_inline struct evmcs_gfn_range evmcs_mapped(struct kvm *kvm, int as_id,
							   gfn_t start, gfn_t end)
{
	if (evmcs_flushes_by_hypercall())
		return __evmcs_mapped(kvm, as_id, start, end);
	return (struct evmcs_gfn_range) { start, end - start };
}

/**
 * evmcs_flush_changed() - flush what was noted
 * @kvm: VM
 * @set: the pages
 *
 * Context: any but interrupts; mmu_lock may be held.
 * Return: false if the caller has to flush, the whole guest, by other means.
 */
static inline bool evmcs_flush_changed(struct kvm *kvm, const struct evmcs_gfn_ranges *set)
{
	return evmcs_flushes_by_hypercall() && set->count &&
	       __evmcs_flush(kvm, set->range, set->count);
}

/**
 * evmcs_handle_gfn_range() - run the handler of an MMU notifier
 * @kvm:     VM
 * @range:   pages
 * @handler: what to do with them; returns true if that takes a flush
 * @set:     where to note what it changed, or NULL when the caller does not flush
 *
 * Context: mmu_lock held for write.
 * Return: what the handler returned.
 */
static __always_inline bool
evmcs_handle_gfn_range(struct kvm *kvm, struct kvm_gfn_range *range,
		       bool (*handler)(struct kvm *kvm, struct kvm_gfn_range *range),
		       struct evmcs_gfn_ranges *set)
{
	struct evmcs_gfn_range mapped;

	if (!set || !evmcs_flushes_by_hypercall())
		return handler(kvm, range);

	mapped = evmcs_mapped(kvm, range->slot->as_id, range->start, range->end);
	if (!handler(kvm, range))
		return false;
	evmcs_gfn_ranges_add(set, mapped.gfn, mapped.pages);
	return true;
}

/**
 * evmcs_log_dirty() - log the next write to each of some pages
 * @kvm:    VM
 * @slot:   memory slot
 * @offset: page of the slot that bit 0 of @mask stands for
 * @mask:   which of the 64 pages from there on; not 0
 * @set:    where to note them
 *
 * Context: mmu_lock held for write.
 */
static inline void evmcs_log_dirty(struct kvm *kvm, struct kvm_memory_slot *slot,
				   gfn_t offset, unsigned long mask,
				   struct evmcs_gfn_ranges *set)
{
	gfn_t gfn = slot->base_gfn + offset;
	struct evmcs_gfn_range mapped = evmcs_mapped(kvm, slot->as_id, gfn + __ffs(mask),
						     gfn + __fls(mask) + 1);

	kvm_arch_mmu_enable_log_dirty_pt_masked(kvm, slot, offset, mask);
	evmcs_gfn_ranges_add(set, mapped.gfn, mapped.pages);
}

/**
 * evmcs_flush_before_yield() - flush what was zapped, if mmu_lock is about to be let go
 * @kvm:   VM
 * @range: what was zapped lies in it
 * @flush: something was
 *
 * Context: mmu_lock held for write.
 * Return: is a flush still due?
 */
static inline bool evmcs_flush_before_yield(struct kvm *kvm,
					    const struct evmcs_gfn_range *range, bool flush)
{
	if (flush && evmcs_flushes_by_hypercall() &&
	    (need_resched() || rwlock_needbreak(&kvm->mmu_lock)))
		return !__evmcs_flush(kvm, range, 1);
	return flush;
}

#endif /* HVNEST_EVMCS_FLUSH_RANGES_H */
