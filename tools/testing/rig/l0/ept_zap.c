// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drops leaves of the shadow EPT, so that L2's next access to each page asks L1's EPT
 * anew. To free a root would not do: its pages stay and come back with it.
 *
 * Included at the end of KVM's mmu.c, for what is static there.
 */
#include "ept.h"

/* @base: L2's page that the first entry of @sp maps. Returns if anything was dropped. */
static bool drop_leaves(struct kvm *kvm, struct kvm_mmu_page *sp, gfn_t base,
			struct l0_gfn_range range)
{
	u64 pages = KVM_PAGES_PER_HPAGE(sp->role.level);
	bool dropped = false;
	unsigned int i;

	for (i = 0; i < SPTE_ENT_PER_PAGE; i++) {
		gfn_t gfn = base + i * pages;
		u64 spte = sp->spt[i];

		if (gfn + pages - 1 < range.first)
			continue;
		if (gfn > range.last)
			break;
		if (is_shadow_present_pte(spte) && !is_last_spte(spte, sp->role.level)) {
			dropped |= drop_leaves(kvm, spte_to_child_sp(spte), gfn, range);
		} else if (spte != SHADOW_NONPRESENT_VALUE) {
			mmu_page_zap_pte(kvm, sp, &sp->spt[i], NULL);
			dropped = true;
		}
	}
	return dropped;
}

static bool shadows_ept(const struct kvm_mmu_page *sp)
{
	return sp->role.guest_mode && !sp->role.direct;
}

/**
 * l0_ept_zap() - drop the leaves of some ranges under one root
 * @kvm:       L1
 * @root:      page number of L1's root table
 * @ranges:    what to drop; a larger page that is partly in a range goes as a whole
 * @nr_ranges: how many
 *
 * Context: may sleep.
 */
void l0_ept_zap(struct kvm *kvm, gfn_t root, const struct l0_gfn_range *ranges,
		unsigned int nr_ranges)
{
	struct hlist_head *list = &kvm->arch.mmu_page_hash[kvm_page_table_hashfn(root)];
	struct kvm_mmu_page *sp;
	bool dropped = false;
	unsigned int i;

	write_lock(&kvm->mmu_lock);
	for_each_valid_sp(kvm, sp, list) {
		if (sp->gfn != root || !shadows_ept(sp) ||
		    sp->role.level < PT64_ROOT_4LEVEL)
			continue;
		for (i = 0; i < nr_ranges; i++)
			dropped |= drop_leaves(kvm, sp, 0, ranges[i]);
	}
	if (dropped)
		kvm_flush_remote_tlbs(kvm);
	write_unlock(&kvm->mmu_lock);
}

/**
 * l0_ept_zap_all_roots() - drop all leaves under all roots
 * @kvm: L1
 *
 * Context: may sleep.
 */
void l0_ept_zap_all_roots(struct kvm *kvm)
{
	struct kvm_mmu_page *sp;
	bool dropped = false;

	write_lock(&kvm->mmu_lock);
	list_for_each_entry(sp, &kvm->arch.active_mmu_pages, link) {
		if (shadows_ept(sp) && sp->role.level >= PT64_ROOT_4LEVEL)
			dropped |= drop_leaves(kvm, sp, 0, L0_ALL_GFNS);
	}
	if (dropped)
		kvm_flush_remote_tlbs(kvm);
	write_unlock(&kvm->mmu_lock);
}
EXPORT_SYMBOL_GPL(l0_ept_zap_all_roots);
