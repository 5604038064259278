// SPDX-License-Identifier: GPL-2.0-only
/* Ranges of guest pages: what a set of them covers after some were added. */
#include <stdio.h>
#include <string.h>

#include "gfn_ranges.h"
#include "unit.h"

#define LAST_PAGE	((1ull << 52) - 1)

static struct evmcs_gfn_ranges set;

#define holds(...) holds_ranges((struct evmcs_gfn_range[]){ __VA_ARGS__ },	\
	sizeof((struct evmcs_gfn_range[]){ __VA_ARGS__ }) / sizeof(struct evmcs_gfn_range))

/* These, in this order */
static bool holds_ranges(const struct evmcs_gfn_range *ranges, unsigned int count)
{
	bool same = set.count == count &&
		    !memcmp(set.range, ranges, count * sizeof(*ranges));

	for (unsigned int i = 0; !same && i < set.count; i++)
		ktap_diag("range %u: 0x%llx, %llu pages", i,
			  (unsigned long long)set.range[i].gfn,
			  (unsigned long long)set.range[i].pages);
	return same;
}

static void start(u64 gfn, u64 pages)
{
	set.count = 0;
	evmcs_gfn_ranges_add(&set, gfn, pages);
}

static bool no_pages(void)
{
	start(100, 0);
	if (set.count)
		return false;
	evmcs_gfn_ranges_add(&set, 100, 10);
	evmcs_gfn_ranges_add(&set, 200, 0);
	evmcs_gfn_ranges_add(&set, 105, 0);
	return holds({ 100, 10 });
}

static bool neighbours(void)
{
	start(100, 10);
	evmcs_gfn_ranges_add(&set, 110, 5);
	if (!holds({ 100, 15 }))
		return false;
	evmcs_gfn_ranges_add(&set, 93, 7);
	return holds({ 93, 22 });
}

static bool overlaps(void)
{
	start(100, 10);
	evmcs_gfn_ranges_add(&set, 100, 10);	/* the same */
	evmcs_gfn_ranges_add(&set, 102, 3);	/* within */
	evmcs_gfn_ranges_add(&set, 100, 1);
	evmcs_gfn_ranges_add(&set, 109, 1);
	if (!holds({ 100, 10 }))
		return false;
	evmcs_gfn_ranges_add(&set, 105, 10);	/* beyond the end */
	if (!holds({ 100, 15 }))
		return false;
	evmcs_gfn_ranges_add(&set, 95, 10);	/* before the beginning */
	if (!holds({ 95, 20 }))
		return false;
	evmcs_gfn_ranges_add(&set, 90, 40);	/* around */
	return holds({ 90, 40 });
}

static bool gaps(void)
{
	start(100, 10);
	evmcs_gfn_ranges_add(&set, 111, 1);
	evmcs_gfn_ranges_add(&set, 97, 2);
	evmcs_gfn_ranges_add(&set, LAST_PAGE - 1, 1);
	evmcs_gfn_ranges_add(&set, 0, 1);
	return holds({ 100, 10 }, { 111, 1 }, { 97, 2 }, { LAST_PAGE - 1, 1 }, { 0, 1 });
}

/* At 1000, 2000 ..., 10 pages each */
static void fill(void)
{
	set.count = 0;
	for (unsigned int i = 1; i <= EVMCS_MAX_GFN_RANGES; i++)
		evmcs_gfn_ranges_add(&set, 1000 * i, 10);
}

/* Whether these are as fill() made them but one. */
static bool full_but(unsigned int other, u64 gfn, u64 pages)
{
	if (set.count != EVMCS_MAX_GFN_RANGES)
		return false;
	for (unsigned int i = 1; i <= set.count; i++) {
		const struct evmcs_gfn_range *range = &set.range[i - 1];

		if (range->gfn != (i == other ? gfn : 1000 * i) ||
		    range->pages != (i == other ? pages : 10)) {
			ktap_diag("range %u: %llu, %llu pages", i,
				  (unsigned long long)range->gfn,
				  (unsigned long long)range->pages);
			return false;
		}
	}
	return true;
}

static bool full_set(void)
{
	fill();
	if (!full_but(0, 0, 0))
		return false;
	evmcs_gfn_ranges_add(&set, 5010, 5);	/* needs no room */
	if (!full_but(5, 5000, 15))
		return false;
	fill();
	evmcs_gfn_ranges_add(&set, 16000, 10);
	return full_but(0, 0, 0);
}

static bool nearest(void)
{
	static const struct {
		u64 gfn, pages;
		unsigned int range;
		u64 new_gfn, new_pages;
	} cases[] = {
		{ 3500, 1, 3, 3000, 501 },	/* 490 pages from one, 499 from the other */
		{ 3510, 1, 4, 3510, 500 },
		{ 1, 1, 1, 1, 1009 },
		{ LAST_PAGE - 1, 1, 16, 16000, LAST_PAGE - 16000 },
		{ 7012, 987, 8, 7012, 998 },	/* 2 pages from one, 1 from the other */
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		fill();
		evmcs_gfn_ranges_add(&set, cases[i].gfn, cases[i].pages);
		if (!full_but(cases[i].range, cases[i].new_gfn, cases[i].new_pages))
			return false;
	}
	return true;
}

static bool last_pages(void)
{
	start(LAST_PAGE - 10, 5);
	evmcs_gfn_ranges_add(&set, LAST_PAGE - 5, 5);
	evmcs_gfn_ranges_add(&set, LAST_PAGE - 20, 10);
	if (!holds({ LAST_PAGE - 20, 20 }))
		return false;
	evmcs_gfn_ranges_add(&set, 0, LAST_PAGE);
	return holds({ 0, LAST_PAGE });
}

void test_gfn_ranges(void)
{
	ktap_ok(no_pages(), "gfn ranges: no pages change nothing");
	ktap_ok(neighbours(), "gfn ranges: neighbours become one, on either side");
	ktap_ok(overlaps(), "gfn ranges: what overlaps becomes one");
	ktap_ok(gaps(), "gfn ranges: a gap stays, be it of one page");
	ktap_ok(full_set(), "gfn ranges: a full set is exact, and takes what touches");
	ktap_ok(nearest(), "gfn ranges: in a full set the nearest range takes the pages");
	ktap_ok(last_pages(), "gfn ranges: the highest page numbers");
}
