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
#include "l0_model.h"
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

/* Steps at random; each of the first bytes is another kind of L0. */
static bool l0_never_runs_stale(void)
{
	static u8 steps[4096];

	srand(1);
	for (unsigned int run = 0; run < 100; run++) {
		const char *problem;

		for (unsigned int i = 0; i < sizeof(steps); i++)
			steps[i] = rand() >> 8;
		steps[0] = run;
		problem = l0_model_run(steps, sizeof(steps));
		if (problem) {
			ktap_diag("%s", problem);
			return false;
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
