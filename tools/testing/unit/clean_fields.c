// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clean fields: what a store, an entry and a VMCLEAR do to them, and whether
 * an L0 that believes them ever runs L2 with a field that L1 had changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include "clean_fields.h"
#include "unit.h"

#define PAGE_BYTES	4096

static _Alignas(8) u8 page[PAGE_BYTES];

#define for_each_slot(i)						\
	for (unsigned int i = 0; i < EVMCS_NR_INDICES; i++)		\
		if (!evmcs_slots[i].offset) {				\
		} else

static u32 clean(void)
{
	return *evmcs_clean_fields(page);
}

static bool spent(const struct evmcs_slot *slot)
{
	return slot->group == EVMCS_CONTROL_EVENT ||
	       slot->group == EVMCS_CONTROL_ENTRY;
}

static bool change_dirties_its_group(void)
{
	for_each_slot(i) {
		u64 value = evmcs_fetch(page, evmcs_slots[i]) + 1;

		evmcs_after_entry(page, true);
		evmcs_store(page, evmcs_slots[i], value);
		if (clean() != (EVMCS_ALL & ~(u32)evmcs_slots[i].group)) {
			ktap_diag("offset 0x%x: clean fields 0x%x",
				  evmcs_slots[i].offset, clean());
			return false;
		}
	}
	return true;
}

static bool same_value_dirties_nothing(void)
{
	for_each_slot(i) {
		u64 value = evmcs_fetch(page, evmcs_slots[i]);

		if (spent(&evmcs_slots[i]))
			continue;
		evmcs_after_entry(page, true);
		evmcs_store(page, evmcs_slots[i], value);
		/* What does not fit into the field is no change either. */
		if (evmcs_slots[i].bytes < 8)
			evmcs_store(page, evmcs_slots[i],
				    value | 1ull << 8 * evmcs_slots[i].bytes);
		if (clean() != EVMCS_ALL) {
			ktap_diag("offset 0x%x: clean fields 0x%x",
				  evmcs_slots[i].offset, clean());
			return false;
		}
	}
	return true;
}

static bool spent_fields_always_dirty(void)
{
	unsigned int seen = 0;

	for_each_slot(i) {
		if (!spent(&evmcs_slots[i]))
			continue;
		seen++;
		evmcs_after_entry(page, true);
		evmcs_store(page, evmcs_slots[i],
			    evmcs_fetch(page, evmcs_slots[i]));
		if (clean() != (EVMCS_ALL & ~(u32)evmcs_slots[i].group))
			return false;
	}
	/* Interruption information, error code, length, entry controls. */
	return seen == 4;
}

static bool store_touches_its_field_only(void)
{
	for_each_slot(i) {
		const struct evmcs_slot *slot = &evmcs_slots[i];
		u8 before[PAGE_BYTES];

		memset(page, 0xa5, sizeof(page));
		memcpy(before, page, sizeof(page));
		evmcs_store(page, *slot, 0x1122334455667788);
		for (unsigned int k = 0; k < PAGE_BYTES; k++) {
			bool own = k - slot->offset < slot->bytes;
			bool bits = k - EVMCS_CLEAN_FIELDS_OFFSET < 4;

			if (page[k] != before[k] && !own && !bits) {
				ktap_diag("offset 0x%x: wrote 0x%x", slot->offset, k);
				return false;
			}
		}
		if (evmcs_fetch(page, *slot) !=
		    evmcs_truncate(0x1122334455667788, slot->bytes))
			return false;
	}
	return true;
}

/*
 * An L0 that takes the clean fields at their word. It keeps a copy of every
 * field and, on an entry, loads only the groups that are not clean. At an exit
 * it changes guest state and reports it in the page. What the exit spends is
 * garbage in the copy from then on, while the page still shows the old value:
 * it matters again when L1 has stored it again.
 */
static struct {
	u64 copy[EVMCS_NR_INDICES];
	bool launched;
} l0;

/* What L1 means each field to be, and whether it does, regardless of any page. */
static u64 meant[EVMCS_NR_INDICES];
static bool matters[EVMCS_NR_INDICES];

static void l1_store(unsigned int i, u64 value)
{
	meant[i] = value;
	matters[i] = true;
	evmcs_store(page, evmcs_slots[i], value);
}

static bool entry_is_right(void)
{
	for_each_slot(i) {
		const struct evmcs_slot *slot = &evmcs_slots[i];

		if (!l0.launched || !slot->group ||
		    (clean() & slot->group) != slot->group)
			l0.copy[i] = evmcs_fetch(page, *slot);
		if (matters[i] && l0.copy[i] != meant[i]) {
			ktap_diag("offset 0x%x: L0 runs with 0x%llx, L1 means 0x%llx",
				  slot->offset, (unsigned long long)l0.copy[i],
				  (unsigned long long)meant[i]);
			return false;
		}
	}
	l0.launched = true;
	return true;
}

static void l0_exit(void)
{
	for_each_slot(i) {
		const struct evmcs_slot *slot = &evmcs_slots[i];

		if (spent(slot)) {
			l0.copy[i] = rand();
			matters[i] = false;
		} else if (slot->group & (EVMCS_GUEST_BASIC | EVMCS_GUEST_GRP1 |
					  EVMCS_GUEST_GRP2 | EVMCS_CRDR) &&
			   slot->group != EVMCS_ALL && rand() % 8 == 0) {
			meant[i] = evmcs_truncate(rand(), slot->bytes);
			l0.copy[i] = meant[i];
			evmcs_put(page, *slot, l0.copy[i]);
		}
	}
}

/* L0 gives up in the middle of loading: some groups are loaded, others not. */
static void l0_failed_entry(void)
{
	for_each_slot(i)
		l0.copy[i] = rand() % 2 ? evmcs_fetch(page, evmcs_slots[i]) :
					  (u64)rand();
}

/* L1 stores values from a small range, so that equal ones are common. */
static void l1_stores(void)
{
	unsigned int n = rand() % 24;

	while (n--) {
		unsigned int i = rand() % EVMCS_NR_INDICES;

		if (!evmcs_slots[i].offset)
			continue;
		l1_store(i, rand() % 3);
	}
	/* An event on many entries, often the one of the entry before. */
	if (rand() % 2)
		return;
	for_each_slot(i) {
		if (spent(&evmcs_slots[i]))
			l1_store(i, 1);
	}
}

static bool l0_never_runs_stale(void)
{
	memset(page, 0, sizeof(page));
	memset(meant, 0, sizeof(meant));
	memset(matters, true, sizeof(matters));
	memset(&l0, 0xff, sizeof(l0));
	l0.launched = false;
	srand(1);

	for (unsigned int step = 0; step < 20000; step++) {
		l1_stores();
		switch (rand() % 16) {
		case 0:		/* VMCLEAR, or the way to another CPU */
			evmcs_forget(page);
			memset(l0.copy, 0xff, sizeof(l0.copy));
			break;
		case 1:
			l0_failed_entry();
			evmcs_after_entry(page, false);
			break;
		default:
			if (!entry_is_right())
				return false;
			l0_exit();
			evmcs_after_entry(page, true);
			break;
		}
	}
	return true;
}

void test_clean_fields(void)
{
	memset(page, 0, sizeof(page));
	ktap_ok(clean() == EVMCS_NONE, "clean fields: nothing is clean in a new page");
	evmcs_after_entry(page, true);
	ktap_ok(clean() == EVMCS_ALL, "clean fields: all is clean after an entry");
	evmcs_after_entry(page, false);
	ktap_ok(clean() == EVMCS_NONE,
		"clean fields: nothing is clean after a failed entry");
	evmcs_after_entry(page, true);
	evmcs_forget(page);
	ktap_ok(clean() == EVMCS_NONE, "clean fields: nothing is clean after VMCLEAR");
	ktap_ok(change_dirties_its_group() && same_value_dirties_nothing(),
		"clean fields: a store dirties its group, and only when it changes the field");
	ktap_ok(spent_fields_always_dirty(),
		"clean fields: what an exit spends is never taken as unchanged");
	ktap_ok(store_touches_its_field_only(),
		"clean fields: a store touches its field and nothing else");
	ktap_ok(l0_never_runs_stale(),
		"clean fields: an L0 that believes them never runs with a stale field");
}
