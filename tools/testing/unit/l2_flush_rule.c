// SPDX-License-Identifier: GPL-2.0-only
/*
 * When L0 may serve L2's flushes: every combination of what is known of a vCPU.
 */
#include <string.h>

#include <linux/types.h>

#include "l2_flush_rule.h"
#include "unit.h"

/* All that speaks for it. */
static const struct evmcs_l2_flush_facts right = {
	.asked = true, .page = true, .hyperv = true,
	.hints = 0x2c, .guest_os = 0x8100000000000000, .hypercall = 0x1e001,
};

static const u32 hints[] = { 0, 0x2, 0x4, 0xa4e24, ~0x4u };
static const u64 hypercalls[] = { 0, 0x1, 0x1e000, 0x1e001 };

#define FLAGS	7

static bool every_combination(void)
{
	unsigned int allowed = 0;

	for (unsigned int i = 0; i < 1 << FLAGS; i++) {
		for (unsigned int j = 0; j < ARRAY_SIZE(hints) * ARRAY_SIZE(hypercalls); j++) {
			const u32 hint = hints[j % ARRAY_SIZE(hints)];
			const u64 hypercall = hypercalls[j / ARRAY_SIZE(hints)];
			const struct evmcs_l2_flush_facts facts = {
				.refused = i & 1, .asked = i & 2, .page = i & 4, .hyperv = i & 8,
				.kvm = i & 16, .xen = i & 32, .guest_os = i & 64,
				.hints = hint, .hypercall = hypercall,
			};
			/* Only so: asked, with a page, an aware guest, and no other calls. */
			bool may = i == (2 | 4 | 8 | 64) && (hint == 0x4 || hint == 0xa4e24) &&
				   (hypercall == 0x1 || hypercall == 0x1e001);

			if (!evmcs_l2_flush_why_not(&facts) != may) {
				ktap_diag("flags %#x, hints %#x, hypercall MSR %#llx", i, hint,
					  (unsigned long long)hypercall);
				return false;
			}
			allowed += may;
		}
	}
	return allowed == 4;
}

/* One thing wrong at a time: no two say the same, and each says something. */
static bool reasons_differ(void)
{
	struct evmcs_l2_flush_facts wrong[8];
	const char *said[ARRAY_SIZE(wrong)];

	for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++)
		wrong[i] = right;
	wrong[0].refused = true;
	wrong[1].asked = false;
	wrong[2].page = false;
	wrong[3].hyperv = false;
	wrong[4].kvm = true;
	wrong[5].xen = true;
	wrong[6].hints = 0x2;
	wrong[7].hypercall = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
		said[i] = evmcs_l2_flush_why_not(&wrong[i]);
		if (!said[i] || !*said[i])
			return false;
		for (unsigned int j = 0; j < i; j++) {
			if (!strcmp(said[i], said[j])) {
				ktap_diag("twice: %s", said[i]);
				return false;
			}
		}
	}
	return !evmcs_l2_flush_why_not(&right);
}

void test_l2_flush_rule(void)
{
	ktap_ok(every_combination(), "direct flush: on for one combination of facts only");
	ktap_ok(reasons_differ(), "direct flush: a reason of its own for each fact");
}
