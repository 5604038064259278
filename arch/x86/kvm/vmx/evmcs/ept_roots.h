/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU keeps about EPT root tables, for ept_flush.c.
 */
#ifndef HVNEST_EVMCS_EPT_ROOTS_H
#define HVNEST_EVMCS_EPT_ROOTS_H

#include <linux/types.h>

/**
 * struct evmcs_roots - the roots that a vCPU may be entered with just so
 * @l2: of L2's guest-physical addresses; it stays while L2's guest runs
 * @l3: of L2's guest, i.e. shadow of an EPT that L2 made; 0 while L2 itself runs
 * @spurious_gfn: where the vCPU faulted last and KVM had handled it, else ~0
 *
 * Roots are physical addresses, with EVMCS_ROOT_COHERENT, or 0 for none. Written by
 * the vCPU, read by whoever flushes.
 */
struct evmcs_roots {
	u64 l2;
	u64 l3;
	u64 spurious_gfn;
};

/* L0 holds nothing stale of this root. */
#define EVMCS_ROOT_COHERENT	1ULL

#endif /* HVNEST_EVMCS_EPT_ROOTS_H */
