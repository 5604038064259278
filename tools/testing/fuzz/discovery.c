// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID, decoded: the input is the words of a host. What must come of them is
 * said here once more, from the TLFS ("Feature and Interface Discovery"): a leaf
 * counts only up to the maximum leaf, 0x40000000 EAX.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include "discovery.h"

/* 0x40000004 EAX, lowest bit first. */
union hints {
	u32 word;
	struct {
		u32 before : 14;
		u32 use_enlightened_vmcs : 1;
		u32 after : 17;
	};
};

/* 0x4000000A EAX: two bytes of versions, then features. */
union nested {
	u32 word;
	struct {
		u8 lowest_version;
		u8 highest_version;
		u16 features;
	};
};

struct input {
	u32 max_leaf, hints, nested_eax, nested_ebx, flip;
	u8 hyperv;
};

static struct evmcs_host host;

static void complain(const char *what)
{
	fprintf(stderr,
		"discovery: %s: hyperv %d, max leaf 0x%x, hints 0x%x, nested 0x%x 0x%x\n",
		what, host.hyperv, host.max_leaf, host.hints, host.nested_eax,
		host.nested_ebx);
	abort();
}

static bool has_leaf(u32 leaf)
{
	return host.hyperv && leaf <= host.max_leaf;
}

/* What is missing, in the order in which one would look for it. */
enum missing {
	NOTHING,
	HYPERV,
	HINT,
	LEAF,
	VERSION_1,
	NR_MISSING,
};

static const enum evmcs_state states[NR_MISSING] = {
	[NOTHING] = EVMCS_IN_USE,
	[HYPERV] = EVMCS_ABSENT,
	[HINT] = EVMCS_ABSENT,
	[LEAF] = EVMCS_REFUSED,
	[VERSION_1] = EVMCS_REFUSED,
};

/* A host of each kind: its reason is that of all of its kind. */
static const struct evmcs_host examples[NR_MISSING] = {
	[HYPERV] = { false, 0, 0, 0, 0 },
	[HINT] = { true, 0x40000006, 0, 0, 0 },
	[LEAF] = { true, 0x40000006, 0x4000, 0, 0 },
	[VERSION_1] = { true, 0x4000000a, 0x4000, 0x0202, 0 },
};

static enum missing missing(void)
{
	union hints hints = { .word = has_leaf(0x40000004) ? host.hints : 0 };
	union nested nested = { .word = host.nested_eax };

	if (!host.hyperv)
		return HYPERV;
	if (!hints.use_enlightened_vmcs)
		return HINT;
	if (!has_leaf(0x4000000a))
		return LEAF;
	for (int v = nested.lowest_version; v <= nested.highest_version; v++)
		if (v == 1)
			return NOTHING;
	return VERSION_1;
}

static enum evmcs_state decode(const char **why)
{
	static const char untouched[] = "";
	enum evmcs_state state;

	*why = untouched;
	state = evmcs_offered(&host, why);
	if (!*why)
		complain("the reason is no text");
	if ((state == EVMCS_IN_USE) != (*why == untouched))
		complain("a reason there must be, if and only if it is not in use");
	if (state != EVMCS_IN_USE && !**why)
		complain("the reason is empty");
	return state;
}

static void check_answer(enum evmcs_state state, const char *why)
{
	enum missing kind = missing();

	if (state != states[kind])
		complain("the answer is not the TLFS's");
	for (enum missing k = HYPERV; k < NR_MISSING; k++) {
		const char *reason = "";

		evmcs_offered(&examples[k], &reason);
		if (!strcmp(reason, why) != (k == kind))
			complain("the reason is that of something else");
	}
}

static void check_leaf(void)
{
	bool leaf = host.max_leaf >= 0x4000000a;

	if (evmcs_nested_eax(&host) != (leaf ? host.nested_eax : 0) ||
	    evmcs_nested_ebx(&host) != (leaf ? host.nested_ebx : 0))
		complain("leaf 0x4000000A is not what CPUID has");
}

/* Bits that mean nothing here must not count. */
static void check_others(u32 flip, enum evmcs_state state, const char *why)
{
	struct evmcs_host before = host;
	const char *other;

	host.hints ^= flip & ~0x4000u;
	host.nested_eax ^= flip & 0xffff0000;
	host.nested_ebx ^= flip;
	if (decode(&other) != state || strcmp(other, why))
		complain("the answer hangs on a bit that has no part in it");
	host = before;
}

/* Take away what it takes, one at a time. */
static void check_needed(enum evmcs_state state)
{
	struct evmcs_host before = host;
	const char *why;

	if (state != EVMCS_IN_USE)
		return;
	host.hyperv = false;
	if (decode(&why) != EVMCS_ABSENT)
		complain("in use without Hyper-V");
	host = before;
	host.hints &= ~0x4000u;
	if (decode(&why) != EVMCS_ABSENT)
		complain("in use without the hint");
	host = before;
	host.max_leaf = 0x40000009;
	if (decode(&why) != EVMCS_REFUSED)
		complain("in use without the leaf");
	host = before;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = {};
	enum evmcs_state state;
	const char *why;

	memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
	host = (struct evmcs_host){
		.hyperv = in.hyperv & 1,
		.max_leaf = in.max_leaf,
		.hints = in.hints,
		.nested_eax = in.nested_eax,
		.nested_ebx = in.nested_ebx,
	};
	/* Most leaves are near those that count. */
	if (in.hyperv & 2)
		host.max_leaf = 0x40000000 + (in.max_leaf & 0xf);

	state = decode(&why);
	check_answer(state, why);
	check_leaf();
	check_others(in.flip, state, why);
	check_needed(state);
	return 0;
}
