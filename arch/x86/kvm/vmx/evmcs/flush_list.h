/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list that HvCallFlushGuestPhysicalAddressList takes (TLFS, "Nested
 * Virtualization"): 64-bit entries of a page number in bits 63:12 and, below, how many
 * pages follow that one.
 *
 * The TLFS gives that count 12 bits. Linux's header gives it 11 and says "large page"
 * of bit 11. An entry of at most 2048 pages leaves bit 11 clear and means the same to
 * both; a hypercall has room for 510 of them, 3.98 GiB.
 *
 * Pure logic: compiles in the kernel and on the host. Context: any.
 */
#ifndef HVNEST_EVMCS_FLUSH_LIST_H
#define HVNEST_EVMCS_FLUSH_LIST_H

#include "gfn_ranges.h"

#define EVMCS_FLUSH_ENTRY_SHIFT		12
#define EVMCS_FLUSH_ENTRY_PAGES		2048
/* What fits into the page of a hypercall's input, after address space and flags */
#define EVMCS_FLUSH_LIST_ENTRIES	510

/**
 * struct evmcs_flush_cursor - how much of some ranges is in a list already
 * @range: the range that is next
 * @left:  ranges from there on
 * @done:  pages of it that are in a list
 */
struct evmcs_flush_cursor {
	const struct evmcs_gfn_range *range;
	unsigned int left;
	u64 done;
};

/**
 * evmcs_flush_entries() - how many entries some ranges take
 * @range: the ranges
 * @count: how many
 */
static inline u64 evmcs_flush_entries(const struct evmcs_gfn_range *range, unsigned int count)
{
	u64 entries = 0;

	for (; count; count--, range++)
		entries += range->pages / EVMCS_FLUSH_ENTRY_PAGES +
			   !!(range->pages % EVMCS_FLUSH_ENTRY_PAGES);
	return entries;
}

/**
 * evmcs_flush_fill() - write the next entries
 * @cursor: where to go on
 * @list:   entries go here
 * @room:   so many of them at most
 *
 * Return: entries written; 0 when nothing is left.
 */
static inline unsigned int evmcs_flush_fill(struct evmcs_flush_cursor *cursor,
					    u64 *list, unsigned int room)
{
	unsigned int entries = 0;

	while (cursor->left && entries < room) {
		u64 left = cursor->range->pages - cursor->done;
		u64 pages = left < EVMCS_FLUSH_ENTRY_PAGES ? left : EVMCS_FLUSH_ENTRY_PAGES;

		if (pages)
			list[entries++] = (cursor->range->gfn + cursor->done)
					  << EVMCS_FLUSH_ENTRY_SHIFT | (pages - 1);
		cursor->done += pages;
		if (pages == left) {
			cursor->range++;
			cursor->left--;
			cursor->done = 0;
		}
	}
	return entries;
}

#endif /* HVNEST_EVMCS_FLUSH_LIST_H */
