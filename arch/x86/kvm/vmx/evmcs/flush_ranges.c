// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a flush by hypercall has to name: see flush_ranges.h.
 */
#include <linux/export.h>

#include "../../mmu.h"
#include "../../mmu/mmu_internal.h"
#include "../../mmu/spte.h"
#include "../../mmu/tdp_iter.h"

#include "flush_ranges.h"

struct static_key_false evmcs_gpa_flush = STATIC_KEY_FALSE_INIT;
EXPORT_SYMBOL_GPL(evmcs_gpa_flush);

/* Set before the key is turned on. */
int (*evmcs_flush_op)(struct kvm *kvm, const struct evmcs_gfn_range *range, unsigned int count);
EXPORT_SYMBOL_GPL(evmcs_flush_op);

/* The size of the largest mapping that @gfn is part of, 1 if it is not mapped. */
static u64 pages_mapped_with(struct kvm *kvm, int as_id, gfn_t gfn)
{
	int largest = PG_LEVEL_4K;
	struct kvm_mmu_page *root;
	struct tdp_iter iter;

	rcu_read_lock();
	list_for_each_entry_rcu(root, &kvm->arch.tdp_mmu_roots, link) {
		if (kvm_mmu_page_as_id(root) != as_id)
			continue;
		for_each_tdp_pte_min_level(iter, root, PG_LEVEL_2M, gfn, gfn + 1) {
			if (is_shadow_present_pte(iter.old_spte) &&
			    is_last_spte(iter.old_spte, iter.level))
				largest = max(largest, iter.level);
		}
	}
	rcu_read_unlock();
	return KVM_PAGES_PER_HPAGE(largest);
}

struct evmcs_gfn_range __evmcs_mapped(struct kvm *kvm, int as_id, gfn_t start, gfn_t end)
{
	const struct kvm_vm_stat *stat = &kvm->stat;

	/* Only the mappings at either end can reach beyond it. */
	if (atomic64_read(&stat->pages_2m) || atomic64_read(&stat->pages_1g)) {
		start = round_down(start, pages_mapped_with(kvm, as_id, start));
		end = round_up(end, pages_mapped_with(kvm, as_id, end - 1));
	}
	return (struct evmcs_gfn_range) { start, end - start };
}

/*
 * Without the TDP MMU the same pages may be mapped in shadow page tables that
 * __evmcs_mapped() does not look at: everything is flushed then.
 */
bool __evmcs_flush(struct kvm *kvm, const struct evmcs_gfn_range *range, unsigned int count)
{
	return !evmcs_flush_op(kvm, range, tdp_mmu_enabled ? count : 0);
}
