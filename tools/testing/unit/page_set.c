// SPDX-License-Identifier: GPL-2.0-only
/* A set of pages. */
#include <stdlib.h>
#include <string.h>

#include "page_set.h"

void page_set_add(struct page_set *set, u64 first, u64 pages)
{
	u64 end = first + pages;
	unsigned int from = 0, to;

	if (!pages)
		return;
	/* The parts that become one with these pages are [from, to). */
	while (from < set->count && set->part[from].end < first)
		from++;
	for (to = from; to < set->count && set->part[to].first <= end; to++) {
		if (set->part[to].first < first)
			first = set->part[to].first;
		if (set->part[to].end > end)
			end = set->part[to].end;
	}
	if (set->count + 1 - (to - from) > PAGE_SET_PARTS)
		abort();
	memmove(&set->part[from + 1], &set->part[to],
		(set->count - to) * sizeof(set->part[0]));
	set->count += 1 - (to - from);
	set->part[from].first = first;
	set->part[from].end = end;
}

void page_set_add_all(struct page_set *set, const struct page_set *other)
{
	for (unsigned int i = 0; i < other->count; i++)
		page_set_add(set, other->part[i].first,
			     other->part[i].end - other->part[i].first);
}

u64 page_set_pages(const struct page_set *set)
{
	u64 pages = 0;

	for (unsigned int i = 0; i < set->count; i++)
		pages += set->part[i].end - set->part[i].first;
	return pages;
}

bool page_set_has_all(const struct page_set *set, const struct page_set *other)
{
	unsigned int at = 0;

	for (unsigned int i = 0; i < other->count; i++) {
		while (at < set->count && set->part[at].end < other->part[i].end)
			at++;
		if (at == set->count || set->part[at].first > other->part[i].first)
			return false;
	}
	return true;
}

bool page_set_equal(const struct page_set *set, const struct page_set *other)
{
	return set->count == other->count &&
	       !memcmp(set->part, other->part, set->count * sizeof(set->part[0]));
}

u64 page_set_distance(const struct page_set *set, u64 first, u64 pages)
{
	u64 distance = ~0ull;

	for (unsigned int i = 0; i < set->count; i++) {
		u64 gap = 0;

		if (set->part[i].end < first)
			gap = first - set->part[i].end;
		else if (first + pages < set->part[i].first)
			gap = set->part[i].first - (first + pages);
		if (gap < distance)
			distance = gap;
	}
	return distance;
}
