// SPDX-License-Identifier: GPL-2.0-only
/* ept_cost.c: see ept_cost.h. */
#include "ept_cost.h"

#include <stdio.h>
#include <string.h>
#include <x86intrin.h>

#include "evmcs.h"
#include "ktap.h"

#define EXTERNAL_INTERRUPT	1

static struct l0_ept between(const struct l0_ept *before, const struct l0_ept *after)
{
	return (struct l0_ept) {
		.flush_space = after->flush_space - before->flush_space,
		.flush_list = after->flush_list - before->flush_list,
		.pages_named = after->pages_named - before->pages_named,
		.pages_changed = after->pages_changed - before->pages_changed,
		.invept_single = after->invept_single - before->invept_single,
		.invept_global = after->invept_global - before->invept_global,
		.invvpid = after->invvpid - before->invvpid,
		.refaults = after->refaults - before->refaults,
	};
}

bool ept_cost_of(void (*work)(void *arg), void *arg, struct ept_cost *cost, const char **why)
{
	struct l0_ept before, after;
	struct l0_counts counts;
	uint64_t start;

	memset(cost, 0, sizeof(*cost));
	start = __rdtsc();
	work(arg);
	cost->ticks = __rdtsc() - start;
	if (!l0_open(why))
		return false;
	if (l0_ept_read(&before)) {
		*why = "L0 does not count flushes";
		return false;
	}
	l0_count_start();
	work(arg);
	l0_count_stop("work", &counts);
	l0_ept_read(&after);
	cost->ept = between(&before, &after);
	cost->msr_reads = counts.hits[L0_MSR_READ];
	for (unsigned int reason = 0; reason < L0_REASONS; reason++) {
		if (reason != EXTERNAL_INTERRUPT)
			cost->l0_exits += counts.hits[reason];
	}
	return true;
}

void ept_cost_print(const char *workload, unsigned int pages, const struct ept_cost *cost)
{
	const struct l0_ept *ept = &cost->ept;
	const struct {
		const char *name;
		uint64_t value;
	} values[] = {
		{ "l0_exits", cost->l0_exits },
		{ "msr_reads", cost->msr_reads },
		{ "flush_space", ept->flush_space },
		{ "flush_list", ept->flush_list },
		{ "pages_named", ept->pages_named },
		{ "pages_changed", ept->pages_changed },
		{ "invept", ept->invept_single + ept->invept_global },
		{ "invvpid", ept->invvpid },
		{ "l2_refaults", ept->refaults },
		{ "ticks", cost->ticks },
	};
	char text[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		used += snprintf(text + used, sizeof(text) - used, " %s %llu", values[i].name,
				 (unsigned long long)values[i].value);
	ktap_diag("tlb %s %u%s", workload, pages, text);
}

bool ept_cost_is_ours(void)
{
	char state[32];

	return evmcs_status_row("gpa-flush", state, sizeof(state)) && !strcmp(state, "in-use");
}

void ept_cost_case(bool ok, const char *name)
{
	if (ept_cost_is_ours())
		ktap_ok(ok, "%s", name);
	else
		ktap_skip(name, "asked of our modules with flushes by hypercall");
}
