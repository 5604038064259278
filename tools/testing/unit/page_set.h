/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set of pages, kept as the sorted parts between which pages are missing: what the
 * code under test covers is compared with what it should.
 */
#ifndef HVNEST_UNIT_PAGE_SET_H
#define HVNEST_UNIT_PAGE_SET_H

#include <linux/types.h>

#define PAGE_SET_PARTS	512

/* All zero is the empty one. */
struct page_set {
	unsigned int count;
	struct {
		u64 first, end;
	} part[PAGE_SET_PARTS];
};

void page_set_add(struct page_set *set, u64 first, u64 pages);
void page_set_add_all(struct page_set *set, const struct page_set *other);
u64 page_set_pages(const struct page_set *set);
bool page_set_has_all(const struct page_set *set, const struct page_set *other);
bool page_set_equal(const struct page_set *set, const struct page_set *other);

/* Pages between these and the next one in the set; 0 where they touch, or overlap. */
u64 page_set_distance(const struct page_set *set, u64 first, u64 pages);

#endif /* HVNEST_UNIT_PAGE_SET_H */
