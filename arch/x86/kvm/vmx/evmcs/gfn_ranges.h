/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages of a guest have changed: a few ranges of guest frame numbers, gathered
 * while page tables are edited, to be flushed together.
 *
 * What is covered may be more than what was added, never less.
 *
 * Pure logic: compiles in the kernel and on the host. Context: any; the caller owns
 * the set.
 */
#ifndef HVNEST_EVMCS_GFN_RANGES_H
#define HVNEST_EVMCS_GFN_RANGES_H

#include <linux/types.h>

/*
 * Enough for the places that an operation on guest memory is likely to touch, few
 * enough for the stack.
 */
#define EVMCS_MAX_GFN_RANGES	16

/**
 * struct evmcs_gfn_range - neighbouring pages of a guest
 * @gfn:   the first one
 * @pages: how many, of 4 KiB
 */
struct evmcs_gfn_range {
	u64 gfn;
	u64 pages;
};

/**
 * struct evmcs_gfn_ranges - a set of pages; all zero is the empty one
 * @count: ranges in use
 * @range: they may touch or overlap
 */
struct evmcs_gfn_ranges {
	unsigned int count;
	struct evmcs_gfn_range range[EVMCS_MAX_GFN_RANGES];
};

/* Pages between two ranges; 0 where they touch or overlap. */
static inline u64 evmcs_gfn_gap(const struct evmcs_gfn_range *range, u64 gfn, u64 pages)
{
	if (gfn > range->gfn + range->pages)
		return gfn - (range->gfn + range->pages);
	if (range->gfn > gfn + pages)
		return range->gfn - (gfn + pages);
	return 0;
}

/**
 * evmcs_gfn_ranges_add() - put pages into a set
 * @set:   the set
 * @gfn:   first page
 * @pages: how many; gfn + pages is a page number too, i.e. has no more than 52 bits
 *
 * When the set is full, the range that is nearest takes the pages and what lies
 * between.
 */
static inline void evmcs_gfn_ranges_add(struct evmcs_gfn_ranges *set, u64 gfn, u64 pages)
{
	struct evmcs_gfn_range *nearest = NULL;
	u64 smallest = ~0ULL, end = gfn + pages;
	unsigned int i;

	if (!pages)
		return;

	for (i = 0; i < set->count && smallest; i++) {
		u64 gap = evmcs_gfn_gap(&set->range[i], gfn, pages);

		if (gap < smallest) {
			smallest = gap;
			nearest = &set->range[i];
		}
	}
	if (smallest && set->count < EVMCS_MAX_GFN_RANGES) {
		set->range[set->count++] = (struct evmcs_gfn_range) { gfn, pages };
		return;
	}
	if (end < nearest->gfn + nearest->pages)
		end = nearest->gfn + nearest->pages;
	if (gfn < nearest->gfn)
		nearest->gfn = gfn;
	nearest->pages = end - nearest->gfn;
}

#endif /* HVNEST_EVMCS_GFN_RANGES_H */
