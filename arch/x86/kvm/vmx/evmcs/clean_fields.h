/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What L0 may believe about an enlightened VMCS: stores into the page, and the
 * clean fields that go with them.
 *
 * The rule behind all of it: while a group's bit is set, the page holds for
 * every field of the group exactly what L0 holds. So a store of the value that
 * is there already changes nothing and needs no reload, and any other store
 * clears the group's bit. L0 writes its results into the page at each exit,
 * which keeps the rule for guest state.
 *
 * One kind of field breaks it: those that a VM exit changes behind the page.
 * At each exit the processor clears the valid bit of the entry interruption
 * information, which spends the error code and the instruction length too, and
 * stores EFER.LMA into the entry controls (SDM vol. 3, "Recording VM-Exit
 * Information and Updating VM-Entry Control Fields"). What the page shows of
 * them then is not what L0 holds, so a write is never skipped: the same vector
 * and error code on two consecutive entries are two events.
 *
 * Pure logic on a page in memory: compiles in the kernel and on the host.
 *
 * Context for all: any; the caller owns the page, i.e. the vCPU it belongs to
 * is loaded on this CPU or not yet visible to anybody.
 */
#ifndef HVNEST_EVMCS_CLEAN_FIELDS_H
#define HVNEST_EVMCS_CLEAN_FIELDS_H

#include "fields.h"

/* Groups whose fields a VM exit consumes or changes. */
#define EVMCS_SPENT_AT_EXIT	(EVMCS_CONTROL_EVENT | EVMCS_CONTROL_ENTRY)

static __always_inline u32 *evmcs_clean_fields(void *evmcs)
{
	return evmcs + EVMCS_CLEAN_FIELDS_OFFSET;
}

/**
 * evmcs_dirty() - make L0 reload some groups on the next entry
 * @evmcs:  the page
 * @groups: mask of EVMCS_* groups
 */
static __always_inline void evmcs_dirty(void *evmcs, u32 groups)
{
	*evmcs_clean_fields(evmcs) &= ~groups;
}

/**
 * evmcs_forget() - make L0 reload everything on the next entry
 * @evmcs: the page
 *
 * For whenever L0 may hold something else than the page or nothing at all:
 * before the first launch, after VMCLEAR and hence after a move to another
 * CPU, and after an entry that failed half-way.
 */
static __always_inline void evmcs_forget(void *evmcs)
{
	*evmcs_clean_fields(evmcs) = EVMCS_NONE;
}

/**
 * evmcs_after_entry() - account for an attempt to enter the guest
 * @evmcs:   the page
 * @entered: the guest ran, i.e. L0 has loaded every field
 */
static __always_inline void evmcs_after_entry(void *evmcs, bool entered)
{
	*evmcs_clean_fields(evmcs) = entered ? EVMCS_ALL : EVMCS_NONE;
}

/**
 * evmcs_fetch() - read a field
 * @evmcs: the page
 * @slot:  the field's place
 */
static __always_inline u64 evmcs_fetch(const void *evmcs, struct evmcs_slot slot)
{
	const void *at = evmcs + slot.offset;

	switch (slot.bytes) {
	case 2:
		return *(const u16 *)at;
	case 4:
		return *(const u32 *)at;
	default:
		return *(const u64 *)at;
	}
}

static __always_inline void evmcs_put(void *evmcs, struct evmcs_slot slot,
				      u64 value)
{
	void *at = evmcs + slot.offset;

	switch (slot.bytes) {
	case 2:
		*(u16 *)at = value;
		break;
	case 4:
		*(u32 *)at = value;
		break;
	default:
		*(u64 *)at = value;
		break;
	}
}

/* @value as it will read back from a field of @bytes. */
static __always_inline u64 evmcs_truncate(u64 value, u8 bytes)
{
	return bytes == 2 ? (u16)value : bytes == 4 ? (u32)value : value;
}

/**
 * evmcs_store() - write a field and keep the clean fields true
 * @evmcs: the page
 * @slot:  the field's place; a constant, so that all tests on it fold away
 * @value: new value, cut to the field's width
 *
 * L0 reads a field of no group on each entry, so that one costs a store and
 * nothing else. An equal value is left alone, unless a VM exit may have spent
 * the one that is there.
 */
static __always_inline void evmcs_store(void *evmcs, struct evmcs_slot slot,
					u64 value)
{
	bool always = !(slot.group & ~EVMCS_SPENT_AT_EXIT);

	if (!always &&
	    evmcs_fetch(evmcs, slot) == evmcs_truncate(value, slot.bytes))
		return;

	evmcs_put(evmcs, slot, value);
	evmcs_dirty(evmcs, slot.group);
}

#endif /* HVNEST_EVMCS_CLEAN_FIELDS_H */
