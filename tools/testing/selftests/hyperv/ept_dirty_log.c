// SPDX-License-Identifier: GPL-2.0-only
/*
 * ept_dirty_log: the dirty log of a slot above 4 GiB: one that is bigger than 4 GiB, one
 * with a word of the log, and one that is mapped as a huge page when logging begins.
 *
 *	ept_dirty_log [SLOT]	big, word, huge; default: all
 *
 * L2 writes to a few pages of it, as far apart as can be; in the second slot that is
 * every page. Which ones changes from round to round. The log is fetched and cleared
 * after each round: by KVM_GET_DIRTY_LOG alone, and, with manual protection, by
 * KVM_CLEAR_DIRTY_LOG, of all and of a part.
 *
 * Proved: each log names the pages that L2 has written since they were last cleared, and
 * no others; L2's writes are all in memory. And of our modules, where they flush by
 * hypercall: clearing names few pages beside the dirty ones, and never the whole guest.
 *
 * Broken by: a flush that is left out, or ends before the last range (L2 goes on writing
 * through a mapping that L0 has kept, and the log lacks the page) or before the last
 * page of a word; a slot that is too big for a list of ranges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/ept_cost.h"
#include "lib/ktap.h"
#include "lib/stats.h"
#include "lib/stream.h"

#define SLOT_GPA	(8ull << 30)
#define ROUNDS		4
#define MAX_NAMED	512	/* pages, for one that was dirty */

struct slot {
	const char *key;
	const char *suffix;	/* of the names of cases and workloads */
	uint64_t size;
	unsigned int pages;	/* that L2 writes, the slot's first and last among them */
	bool huge;
};

static const struct slot slots[] = {
	{ "big", "", (6ull << 30) + 13 * STREAM_PAGE, 13, false },
	{ "word", "-word", 64 * STREAM_PAGE, 64, false },
	{ "huge", "-huge", STREAM_HUGE, 8, true },
};

#define SLOTS	(sizeof(slots) / sizeof(slots[0]))

static struct stream stream;
static uint64_t *dirty_log;		/* a bit for each page of the slot */
static bool right;
static unsigned int cleared;		/* pages in the log, in a run of the work */

static uint64_t slot_pages(void)
{
	return stream.size / STREAM_PAGE;
}

static uint64_t log_words(void)
{
	return (slot_pages() + 63) / 64;
}

static uint64_t slot_page(unsigned int page)
{
	return page * stream.stride / STREAM_PAGE;
}

static bool is_logged(unsigned int page)
{
	return dirty_log[slot_page(page) / 64] >> slot_page(page) % 64 & 1;
}

/* Some pages in each round, none in every one. */
static bool writes(unsigned int round, unsigned int page)
{
	return (page + 1) * (round % 7 + 1) % 5 < 2;
}

/* Lets L2 write to the pages in @set, one bit each. */
static void write_pages(uint64_t set)
{
	stream.generation++;
	for (unsigned int i = 0; i < stream.pages; i++)
		stream.must_hold[i] = set >> i & 1 ? stream.generation << 16 | i : 0;
	stream_write(&stream);
	for (unsigned int i = 0; i < stream.pages; i++) {
		if (stream.must_hold[i] && *stream_page(&stream, i) != stream.must_hold[i]) {
			ktap_diag("page %u: L2's write is lost", i);
			right = false;
		}
	}
}

static void get_log(void)
{
	struct kvm_dirty_log log = { .slot = STREAM_SLOT, .dirty_bitmap = dirty_log };

	vm_ioctl(stream.vm.fd, KVM_GET_DIRTY_LOG, &log);
}

/* The log must have the pages in @set and no others. */
static void expect_log(unsigned int round, uint64_t set)
{
	unsigned int logged = 0;

	for (unsigned int i = 0; i < stream.pages; i++) {
		if (is_logged(i) == (set >> i & 1))
			continue;
		ktap_diag("round %u: page %u is %sin the log", round, i,
			  is_logged(i) ? "" : "not ");
		right = false;
	}
	for (uint64_t i = 0; i < log_words(); i++)
		logged += __builtin_popcountll(dirty_log[i]);
	if (logged != (unsigned int)__builtin_popcountll(set)) {
		ktap_diag("round %u: %u pages in the log, not %u", round, logged,
			  __builtin_popcountll(set));
		right = false;
	}
}

static void clear_log(uint64_t first, uint64_t pages)
{
	struct kvm_clear_dirty_log log = {
		.slot = STREAM_SLOT, .first_page = first, .num_pages = pages,
		.dirty_bitmap = dirty_log + first / 64,
	};

	vm_ioctl(stream.vm.fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static uint64_t set_of(unsigned int round)
{
	uint64_t set = 0;

	for (unsigned int i = 0; i < stream.pages; i++)
		set |= (uint64_t)writes(round, i) << i;
	return set;
}

static unsigned int next_round;

static void get_rounds(void *unused)
{
	(void)unused;
	cleared = 0;
	for (unsigned int i = 0; i < ROUNDS; i++, next_round++) {
		write_pages(set_of(next_round));
		get_log();
		expect_log(next_round, set_of(next_round));
		cleared += __builtin_popcountll(set_of(next_round));
	}
}

/* In every other round the slot's upper half only: what is not cleared stays in the log. */
static void clear_rounds(void *unused)
{
	uint64_t left = 0;

	(void)unused;
	cleared = 0;
	for (unsigned int i = 0; i < ROUNDS; i++, next_round++) {
		uint64_t first = i & 1 ? 0 : slot_pages() / 128 * 64;

		left |= set_of(next_round);
		write_pages(set_of(next_round));
		get_log();
		expect_log(next_round, left);
		clear_log(first, slot_pages() - first);
		for (unsigned int page = 0; page < stream.pages; page++) {
			if (slot_page(page) < first || !(left >> page & 1))
				continue;
			left &= ~(1ull << page);
			cleared++;
		}
	}
}

static void log_slot(bool manual)
{
	struct kvm_enable_cap protect = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args[0] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
	};

	if (manual)
		vm_ioctl(stream.vm.fd, KVM_ENABLE_CAP, &protect);
	vm_set_slot(&stream.vm, STREAM_SLOT, KVM_MEM_LOG_DIRTY_PAGES, stream.gpa, stream.size,
		    stream.mem);
}

static bool is_cheap(const struct ept_cost *cost)
{
	const struct l0_ept *ept = &cost->ept;

	return !ept->flush_space && !ept->invept_single && !ept->invept_global &&
	       ept->flush_list && ept->pages_changed >= cleared &&
	       ept->pages_named <= cleared * MAX_NAMED;
}

/* Makes the memory a huge page and lets L2 write to it. */
static bool is_huge(void)
{
	if (!stream_collapse(&stream))
		return false;
	write_pages(~0ull >> (64 - stream.pages));
	return stats_huge_pages(&stream.vm);
}

static void check(const struct slot *slot, const char *log, bool manual,
		  void (*rounds)(void *unused))
{
	const char *claim = "clearing the log: at most 512 pages named for a dirty one";
	struct ept_cost cost;
	const char *why;
	char name[64];
	bool counted;

	snprintf(name, sizeof(name), "%s%s", log, slot->suffix);
	right = true;
	next_round = 0;
	stream_create_sparse(&stream, slot->pages, SLOT_GPA, slot->size,
			     slot->huge ? stream_huge_memory(slot->size) :
					  stream_memory(slot->size));
	/* All of L2's pages are there and writable before they are logged. */
	write_pages(~0ull >> (64 - slot->pages));
	if (slot->huge && !is_huge()) {
		ktap_skip(name, "KVM maps no huge pages here");
		ktap_skip(claim, "likewise");
	} else {
		log_slot(manual);
		counted = ept_cost_of(rounds, NULL, &cost, &why);
		ktap_ok(right, "%s: the log is exact", name);
		if (counted) {
			ept_cost_print(name, slot->pages, &cost);
			ept_cost_case(is_cheap(&cost), claim);
		} else {
			ktap_skip(claim, "%s", why);
		}
	}
	stream_destroy(&stream);
	munmap(stream.mem, slot->size);
}

static bool chosen(const struct slot *slot, const char *key)
{
	return !key || !strcmp(slot->key, key);
}

int main(int argc, char **argv)
{
	const char *key = argc > 1 ? argv[1] : NULL;
	unsigned int slots_chosen = 0;

	for (unsigned int i = 0; i < SLOTS; i++)
		slots_chosen += chosen(&slots[i], key);
	if (!slots_chosen)
		ktap_bail("usage: %s [big|word|huge]", argv[0]);
	ktap_plan(4 * slots_chosen);
	for (unsigned int i = 0; i < SLOTS; i++) {
		if (!chosen(&slots[i], key))
			continue;
		dirty_log = calloc((slots[i].size / STREAM_PAGE + 63) / 64, 8);
		if (!dirty_log)
			ktap_bail("no memory for the log");
		check(&slots[i], "get-dirty-log", false, get_rounds);
		check(&slots[i], "clear-dirty-log", true, clear_rounds);
		free(dirty_log);
	}
	return ktap_exit();
}
