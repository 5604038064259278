// SPDX-License-Identifier: GPL-2.0-only
/*
 * What CPUID offers, decoded: words of real hosts, as their kernels logged them,
 * and of broken ones.
 */
#include <stdio.h>
#include <string.h>

#include <linux/types.h>

#include "discovery.h"
#include "unit.h"

struct fixture {
	const char *name;
	struct evmcs_host host;
	enum evmcs_state state;
	bool msr_bitmap, direct_flush, gpa_flush, perf_global_ctrl;
};

#define HOST(max, hint, eax, ebx) {			\
	.hyperv = true, .max_leaf = (max), .hints = (hint),	\
	.nested_eax = (eax), .nested_ebx = (ebx) }

static const struct fixture fixtures[] = {
	/*
	 * Logged by kernels on these hosts. The logs have the hints and the
	 * nested features; the leaf's presence follows from the latter.
	 */
	{ "Intel, WSL2, 22621-10.0-3-0.3447",
	  HOST(0x4000000a, 0xa4e24, 0x3e0101, 0),
	  EVMCS_IN_USE, true, true, true, false },
	{ "AMD, WSL2, 26100-10.0-2-0.2605",
	  HOST(0x4000000a, 0x902c2c, 0x4a0000, 0),
	  EVMCS_ABSENT, true, true, false, false },
	{ "AMD, 10.0.22000.708",
	  HOST(0x4000000a, 0xc2c, 0x4a0000, 0),
	  EVMCS_ABSENT, true, true, false, false },
	{ "Azure, EPYC 7763, 20348-10.0-3-0.3098",
	  HOST(0x4000000a, 0x140c2c, 0x4a0000, 0),
	  EVMCS_ABSENT, true, true, false, false },
	{ "Azure without nesting, 10.0.20348.3020",
	  HOST(0x40000006, 0x60c2c, 0, 0),
	  EVMCS_ABSENT, false, false, false, false },
	{ "KVM posing as Hyper-V, before direct flush",
	  HOST(0x4000000a, 0x4e2c, 0x80101, 0),
	  EVMCS_IN_USE, true, false, false, false },
	{ "KVM posing as Hyper-V, with IA32_PERF_GLOBAL_CTRL",
	  HOST(0x4000000a, 0x4e2c, 0xa0101, 1),
	  EVMCS_IN_USE, true, true, false, true },

	/* Broken hosts. */
	{ "hint without the leaf, which reads as something else",
	  HOST(0x40000006, 0x4e24, 0x3e0101, 1),
	  EVMCS_REFUSED, false, false, false, false },
	{ "hint with a leaf that offers nothing, as the leaf of an Azure L1VH",
	  HOST(0x4000000a, 0x4e24, 0, 0),
	  EVMCS_REFUSED, false, false, false, false },
	{ "version 2 only",
	  HOST(0x4000000a, 0x4e24, 0x80202, 0),
	  EVMCS_REFUSED, true, false, false, false },
	{ "versions 1 to 3",
	  HOST(0x4000000c, 0x4e24, 0x80301, 0),
	  EVMCS_IN_USE, true, false, false, false },
	{ "no leaf with hints at all",
	  HOST(0x40000003, 0xffffffff, 0xffffffff, 0xffffffff),
	  EVMCS_ABSENT, false, false, false, false },
};

_Static_assert(ARRAY_SIZE(fixtures) + 2 == DISCOVERY_CASES,
	       "a case for each fixture, and two more");

static bool decodes(const struct fixture *f)
{
	const char *reason = NULL;
	enum evmcs_state state = evmcs_offered(&f->host, &reason);
	u32 eax = evmcs_nested_eax(&f->host), ebx = evmcs_nested_ebx(&f->host);

	if (state != f->state)
		ktap_diag("state %d, expected %d (%s)", state, f->state,
			  reason ? reason : "no reason");
	return state == f->state && (state == EVMCS_IN_USE) == !reason &&
	       !!(eax & EVMCS_NESTED_MSR_BITMAP) == f->msr_bitmap &&
	       !!(eax & EVMCS_NESTED_DIRECT_FLUSH) == f->direct_flush &&
	       !!(eax & EVMCS_NESTED_GPA_FLUSH) == f->gpa_flush &&
	       !!(ebx & EVMCS_NESTED_PERF_GLOBAL_CTRL) == f->perf_global_ctrl;
}

void test_discovery(void)
{
	struct evmcs_host bare = fixtures[0].host;
	const char *hidden = "", *missing = "";

	for (unsigned int i = 0; i < ARRAY_SIZE(fixtures); i++)
		ktap_ok(decodes(&fixtures[i]), "discovery: %s", fixtures[i].name);

	bare.hyperv = false;
	ktap_ok(evmcs_offered(&bare, &hidden) == EVMCS_ABSENT && *hidden,
		"discovery: the same words count for nothing when it is not Hyper-V");

	/* Two ways to miss it, two things to look at: the reasons must differ. */
	evmcs_offered(&fixtures[4].host, &hidden);
	evmcs_offered(&fixtures[7].host, &missing);
	ktap_ok(strcmp(hidden, missing) && strstr(hidden, "bit 14") &&
		strstr(missing, "0x4000000A"),
		"discovery: the reason names the word of CPUID to look at");
}
