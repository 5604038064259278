// SPDX-License-Identifier: GPL-2.0-only
/* The list that a flush hypercall takes: which pages it names, and how many entries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flush_list.h"
#include "flush_model.h"
#include "unit.h"

#define LAST_PAGE	((1ull << 52) - 1)
#define LIST_PAGES	(510ull * 2048)	/* of a list that is full */

static u64 list[1024];

static unsigned int encode(const struct evmcs_gfn_range *ranges, unsigned int count)
{
	struct evmcs_flush_cursor cursor = { ranges, count, 0 };

	return evmcs_flush_fill(&cursor, list, ARRAY_SIZE(list));
}

/* Whether the list has these entries, and they are what was counted. */
static bool is_list(u64 gfn, u64 pages, const u64 *entries, unsigned int count)
{
	struct evmcs_gfn_range range = { gfn, pages };
	unsigned int filled = encode(&range, 1);

	if (filled == count && evmcs_flush_entries(&range, 1) == count &&
	    !memcmp(list, entries, count * sizeof(*entries)))
		return true;
	ktap_diag("%llu pages at 0x%llx: %u entries, the first one 0x%llx",
		  (unsigned long long)pages, (unsigned long long)gfn, filled,
		  (unsigned long long)list[0]);
	return false;
}

#define is_list(gfn, pages, ...) is_list(gfn, pages, (u64[]){ __VA_ARGS__ },	\
	ARRAY_SIZE(((u64[]){ __VA_ARGS__ })))

static bool entries_of_ranges(void)
{
	return is_list(0x12345, 1, 0x12345000) &&
	       is_list(0x12345, 2, 0x12345001) &&
	       is_list(0x12345, 2047, 0x123457fe) &&
	       is_list(0x12345, 2048, 0x123457ff) &&
	       is_list(0x12345, 2049, 0x123457ff, 0x12b45000) &&
	       is_list(0x12345, 4095, 0x123457ff, 0x12b457fe) &&
	       is_list(0x12345, 4096, 0x123457ff, 0x12b457ff) &&
	       is_list(0x12345, 4097, 0x123457ff, 0x12b457ff, 0x13345000);
}

static bool last_pages(void)
{
	return is_list(LAST_PAGE, 1, 0xfffffffffffff000) &&
	       is_list(LAST_PAGE - 1, 2, 0xffffffffffffe001) &&
	       is_list(LAST_PAGE - 2047, 2048, 0xffffffffff8007ff) &&
	       is_list(LAST_PAGE - 2048, 2049, 0xffffffffff7ff7ff, 0xfffffffffffff000);
}

/* Any length, by the TLFS as by Linux */
static bool every_length(void)
{
	static struct page_set pages, expected;

	for (u64 length = 1; length <= 3 * 2048 + 1; length++) {
		struct evmcs_gfn_range range = { 0xfffff, length };
		const char *problem;

		pages.count = expected.count = 0;
		page_set_add(&expected, range.gfn, length);
		problem = flush_list_decode(list, encode(&range, 1), &pages);
		if (problem || !page_set_equal(&pages, &expected)) {
			ktap_diag("%llu pages: %s", (unsigned long long)length,
				  problem ?: "the list is of other pages");
			return false;
		}
	}
	return true;
}

/*
 * Ranges take as many lists as this, and together they are of the same pages. What is
 * behind the room of a list stays as it is.
 */
static bool in_lists(const struct evmcs_gfn_range *ranges, unsigned int count,
		     unsigned int room, unsigned int lists)
{
	static struct page_set pages, expected;
	struct evmcs_flush_cursor cursor = { ranges, count, 0 };
	unsigned int filled, seen = 0;

	pages.count = expected.count = 0;
	for (unsigned int i = 0; i < count; i++)
		page_set_add(&expected, ranges[i].gfn, ranges[i].pages);

	do {
		const char *problem;

		memset(list, 0xff, sizeof(list));
		filled = evmcs_flush_fill(&cursor, list, room);
		problem = flush_list_decode(list, filled, &pages);
		if (problem || filled > room || ~list[filled]) {
			ktap_diag("room for %u: %u entries: %s", room, filled,
				  problem ?: "they go beyond the list");
			return false;
		}
		seen += !!filled;
	} while (filled && seen <= lists);

	if (seen == lists && page_set_equal(&pages, &expected))
		return true;
	ktap_diag("room for %u: %u lists in place of %u", room, seen, lists);
	return false;
}

static bool full_lists(void)
{
	struct evmcs_gfn_range range = { 0x100000, LIST_PAGES };
	struct evmcs_gfn_range one[511];

	if (EVMCS_FLUSH_LIST_ENTRIES * 8 + 16 != 4096 || !in_lists(&range, 1, 510, 1))
		return false;
	range.pages--;
	if (!in_lists(&range, 1, 510, 1))
		return false;
	range.pages += 2;
	if (!in_lists(&range, 1, 510, 2))
		return false;
	range.pages = 2 * LIST_PAGES;
	if (!in_lists(&range, 1, 510, 2))
		return false;

	/* Single pages, none beside another one */
	for (unsigned int i = 0; i < ARRAY_SIZE(one); i++)
		one[i] = (struct evmcs_gfn_range){ 3 * i, 1 };
	return in_lists(one, 509, 510, 1) && in_lists(one, 510, 510, 1) &&
	       in_lists(one, 511, 510, 2);
}

static bool any_room(void)
{
	static const struct evmcs_gfn_range ranges[] = {
		{ 0x1000, 5 * 2048 + 7 }, { 0x40, 1 }, { 0x9000, 2 * 2048 },
		{ 0x800, 2047 }, { LAST_PAGE - 4100, 4100 },
	};
	const unsigned int entries = 6 + 1 + 2 + 1 + 3;

	for (unsigned int room = 1; room <= 510; room++)
		if (!in_lists(ranges, ARRAY_SIZE(ranges), room, (entries + room - 1) / room))
			return false;
	return true;
}

static bool no_room(void)
{
	struct evmcs_gfn_range range = { 0x1000, 2049 };
	struct evmcs_flush_cursor cursor = { &range, 1, 0 };

	return !evmcs_flush_fill(&cursor, list, 0) && evmcs_flush_fill(&cursor, list, 1) == 1 &&
	       list[0] == 0x10007ff && !evmcs_flush_fill(&cursor, list, 0) &&
	       evmcs_flush_fill(&cursor, list, 1) == 1 && list[0] == 0x1800000 &&
	       !evmcs_flush_fill(&cursor, list, 1);
}

static bool empty_ranges(void)
{
	static const struct evmcs_gfn_range ranges[] = {
		{ 5, 0 }, { 6, 0 }, { 0x10, 2048 }, { 7, 0 }, { 0x2000, 1 }, { 8, 0 }, { 9, 0 },
	};

	for (unsigned int room = 1; room <= 3; room++)
		if (!in_lists(ranges, 2, room, 0) || !in_lists(ranges + 5, 2, room, 0) ||
		    !in_lists(ranges, 0, room, 0) ||
		    !in_lists(ranges, ARRAY_SIZE(ranges), room, room == 1 ? 2 : 1))
			return false;
	return !evmcs_flush_entries(ranges, 2) && !evmcs_flush_entries(ranges, 0) &&
	       evmcs_flush_entries(ranges, ARRAY_SIZE(ranges)) == 2;
}

/* Nobody fills in such a list, but the number decides that nobody does. */
static bool huge_counts(void)
{
	static const struct {
		u64 pages, entries;
	} cases[] = {
		{ ~0ull, 1ull << 53 },
		{ ~0ull - 2046, 1ull << 53 },
		{ ~0ull - 2047, (1ull << 53) - 1 },
		{ 1ull << 63, 1ull << 52 },
		{ LAST_PAGE, 1ull << 41 },
		{ LIST_PAGES, 510 },
		{ LIST_PAGES + 1, 511 },
	};
	struct evmcs_gfn_range ranges[EVMCS_MAX_GFN_RANGES];

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		for (unsigned int k = 0; k < ARRAY_SIZE(ranges); k++) {
			u64 entries = evmcs_flush_entries(ranges, k);

			if (entries != k * cases[i].entries) {
				ktap_diag("%u times %llu pages: %llu entries", k,
					  (unsigned long long)cases[i].pages,
					  (unsigned long long)entries);
				return false;
			}
			ranges[k] = (struct evmcs_gfn_range){ 0, cases[i].pages };
		}
	}
	return true;
}

/* Steps at random: short runs, so that the set is seldom full, and long ones. */
static bool flushed_as_meant(void)
{
	u8 steps[600];

	srand(1);
	for (unsigned int run = 0; run < 400; run++) {
		size_t size = run % 2 ? sizeof(steps) : sizeof(steps) / 10;
		const char *problem;

		for (unsigned int i = 0; i < size; i++)
			steps[i] = rand() >> 8;
		problem = flush_model_run(steps, size);
		if (problem) {
			ktap_diag("%s", problem);
			return false;
		}
	}
	return true;
}

void test_flush_list(void)
{
	ktap_ok(entries_of_ranges(), "flush list: entries are of at most 2048 pages");
	ktap_ok(last_pages(), "flush list: the highest page numbers");
	ktap_ok(every_length(), "flush list: the TLFS and Linux read the same pages");
	ktap_ok(full_lists(), "flush list: a list has 510 entries");
	ktap_ok(any_room(), "flush list: the next list goes on where the last one ended");
	ktap_ok(no_room(), "flush list: no room, no entry");
	ktap_ok(empty_ranges(), "flush list: an empty range is no entry");
	ktap_ok(huge_counts(), "flush list: a huge range counts as one");
	ktap_ok(flushed_as_meant(), "flush list: pages that were added are flushed, and no others");
}
