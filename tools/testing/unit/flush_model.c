// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a flush list says, by the TLFS and by Linux, and what must be in it: the pages
 * that were gathered since the last flush. Ranges that touch nothing before them are
 * counted here once more; as long as there are at most EVMCS_MAX_GFN_RANGES of them
 * the pages must be those exactly. From then on new pages may bring along what lies
 * between them and the nearest others, and no more.
 */
#include <string.h>

#include "flush_list.h"
#include "flush_model.h"

#define PAGE_NUMBERS	(1ull << 52)
/* The longest list that is looked at to its end: two hypercalls and a bit. */
#define MAX_ENTRIES	1100

union entry {
	u64 word;
	struct {
		u64 additional_pages : 12;
		u64 first : 52;
	} tlfs;
	struct {
		u64 additional_pages : 11;
		u64 large_page : 1;
		u64 first : 52;
	} kernel;
};

const char *flush_list_decode(const u64 *list, unsigned int entries, struct page_set *pages)
{
	for (unsigned int i = 0; i < entries; i++) {
		union entry entry = { .word = list[i] };
		u64 first = entry.tlfs.first;
		u64 count = entry.tlfs.additional_pages + 1;

		if (entry.kernel.large_page)
			return "an entry is of large pages to Linux";
		if (entry.kernel.first != first || entry.kernel.additional_pages != count - 1)
			return "an entry means one thing to the TLFS and another to Linux";
		if (first + count > PAGE_NUMBERS)
			return "an entry goes beyond the last page";
		page_set_add(pages, first, count);
	}
	return NULL;
}

static struct evmcs_gfn_ranges set;
static struct page_set meant;
static unsigned int apart;

static void covered(struct page_set *pages)
{
	pages->count = 0;
	for (unsigned int i = 0; i < set.count; i++)
		page_set_add(pages, set.range[i].gfn, set.range[i].pages);
}

static const char *add(u64 gfn, u64 pages)
{
	static struct page_set expected, after;
	u64 distance;

	page_set_add(&meant, gfn, pages);
	covered(&expected);
	distance = page_set_distance(&expected, gfn, pages);
	page_set_add(&expected, gfn, pages);

	evmcs_gfn_ranges_add(&set, gfn, pages);
	if (set.count > EVMCS_MAX_GFN_RANGES)
		return "the set is fuller than full";
	covered(&after);

	if (!page_set_has_all(&after, &expected))
		return "the set has lost pages";
	if (!pages || !distance || apart < EVMCS_MAX_GFN_RANGES) {
		apart += pages && distance;
		return page_set_equal(&after, &expected) ? NULL :
		       "there was room, and the set covers pages that nobody added";
	}
	return page_set_pages(&after) <= page_set_pages(&expected) + distance ? NULL :
	       "the set is full and covers more than up to the nearest pages";
}

static const char *flush(unsigned int room)
{
	static struct page_set expected, flushed;
	static u64 list[EVMCS_FLUSH_LIST_ENTRIES + 1];
	struct evmcs_flush_cursor cursor = { set.range, set.count, 0 };
	u64 entries = evmcs_flush_entries(set.range, set.count), seen = 0;
	unsigned int filled;

	covered(&expected);
	flushed.count = 0;
	do {
		const char *problem;

		/* Most lists have another room than the one before, one of them none. */
		room = (room * 5 + 1) % (EVMCS_FLUSH_LIST_ENTRIES + 1);
		memset(list, 0xff, (room + 1) * sizeof(*list));
		filled = evmcs_flush_fill(&cursor, list, room);
		if (filled > room || ~list[filled])
			return "a list goes beyond its end";
		problem = flush_list_decode(list, filled, &flushed);
		if (problem)
			return problem;
		seen += filled;
	} while ((filled || !room) && seen < MAX_ENTRIES);

	if (!page_set_has_all(&expected, &flushed))
		return "pages are flushed that the set does not cover";
	if (filled) /* not the end */
		return entries >= seen ? NULL : "there are more entries than were counted";
	if (entries != seen)
		return "there are other entries than were counted";
	if (!page_set_has_all(&flushed, &meant))
		return "pages that were added are not flushed";
	return page_set_equal(&flushed, &expected) ? NULL : "the list is not the set";
}

/* One step; the numbers are such that ranges often touch, nearly or not at all. */
struct step {
	u8 kind;
	u8 shift;
	u16 where;
	u16 length;
} __attribute__((packed));

#define KIND_FLUSH	0xe0	/* and above; below: pages are added */

enum {
	PLACE_ANYWHERE,
	PLACE_BEHIND,	/* the pages before, or some pages away */
	PLACE_BEFORE,
	PLACE_LAST,	/* the highest page numbers */
	NR_PLACES,
};

static u64 length(const struct step *step)
{
	switch (step->kind >> 2 & 3) {
	case 0:
		return step->length % 8;
	case 1:
		return step->length;
	case 2: /* near where an entry or a list is full */
		return (step->length % 1024 + 1ull) * EVMCS_FLUSH_ENTRY_PAGES +
		       step->shift % 3 - 1;
	default:
		return (u64)step->length << step->shift % 36;
	}
}

static u64 place(const struct step *step, u64 gfn, u64 pages, u64 new)
{
	switch (step->kind % NR_PLACES) {
	case PLACE_ANYWHERE:
		return (u64)step->where << step->shift % 37;
	case PLACE_BEHIND:
		return gfn + pages + step->where % 4;
	case PLACE_BEFORE:
		return gfn - new - step->where % 4;
	default:
		return PAGE_NUMBERS - 1 - step->where;
	}
}

const char *flush_model_run(const u8 *input, size_t size)
{
	const char *problem = NULL;
	u64 gfn = 0, pages = 0;
	struct step step;

	for (; !problem && size >= sizeof(step); size -= sizeof(step), input += sizeof(step)) {
		memcpy(&step, input, sizeof(step));
		if (step.kind >= KIND_FLUSH) {
			problem = flush(step.where);
			set.count = meant.count = apart = 0;
		} else {
			u64 new = length(&step);

			gfn = place(&step, gfn, pages, new) % PAGE_NUMBERS;
			pages = new < PAGE_NUMBERS - 1 - gfn ? new : PAGE_NUMBERS - 1 - gfn;
			problem = add(gfn, pages);
		}
	}
	if (!problem)
		problem = flush(EVMCS_FLUSH_LIST_ENTRIES);
	set.count = meant.count = apart = 0;
	return problem;
}
