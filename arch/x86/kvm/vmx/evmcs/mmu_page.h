/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct kvm_mmu_page with what ept_flush.c keeps of those that are roots.
 *
 * Around it and not in it: symbol versions are computed from the structure, and shall
 * remain those of the kernel's own KVM. Only mmu.c allocates them.
 */
#ifndef HVNEST_EVMCS_MMU_PAGE_H
#define HVNEST_EVMCS_MMU_PAGE_H

#include "../../mmu/mmu_internal.h"

/**
 * struct evmcs_mmu_page - a page table of KVM's MMU
 * @page:     as KVM has it
 * @coherent: for a root, the VM's number of flushes, and one, when L0 last held
 *            nothing stale of it; 0 for never, which is how it begins
 */
struct evmcs_mmu_page {
	struct kvm_mmu_page page;
	u64 coherent;
};

static inline u64 *evmcs_root_coherent(struct kvm_mmu_page *page)
{
	return &container_of(page, struct evmcs_mmu_page, page)->coherent;
}

#endif /* HVNEST_EVMCS_MMU_PAGE_H */
