// SPDX-License-Identifier: GPL-2.0-only
/*
 * core.c: the enlightenments for any Linux in a Hyper-V VM. A kernel that has
 * recognised Hyper-V uses most of them wherever they are offered; the rows with a
 * function of their own are those where it depends. Where the kernel has our core, its
 * table has the last word.
 */
#include <stdio.h>
#include <string.h>

#include "judge.h"

#define ALWAYS	(-1)

/* Registers of CPUID, as members of struct host. */
#define LOW	offsetof(struct host, low)
#define HINTS	offsetof(struct host, hints)
#define MISC	offsetof(struct host, misc)

struct state {
	const char *name;
	const char *reason;
};

static struct state state_reference_tsc(const struct report *report)
{
	if (!report_get(report, "clocksource available"))
		return (struct state){ STATE_UNKNOWN, "" };
	if (host_has_word(report, "clocksource available", "hyperv_clocksource_tsc_page"))
		return (struct state){ STATE_IN_USE, "clocksource hyperv_clocksource_tsc_page" };
	return (struct state){ STATE_OFF, "no clocksource hyperv_clocksource_tsc_page" };
}

static struct state state_invariant_tsc(const struct report *report)
{
	if (!report_get(report, "clocksource available"))
		return (struct state){ STATE_UNKNOWN, "" };
	if (host_has_word(report, "clocksource available", "tsc"))
		return (struct state){ STATE_IN_USE, "clocksource tsc" };
	return (struct state){ STATE_OFF, "no clocksource tsc" };
}

static struct state state_stimers(const struct report *report)
{
	const char *device = report_get(report, "clockevent");

	if (!device)
		return (struct state){ STATE_UNKNOWN, "" };
	if (!strcmp(device, "Hyper-V clockevent"))
		return (struct state){ STATE_IN_USE, "" };
	return (struct state){ STATE_OFF, "the CPUs' timer is another: without direct mode it takes the VMBus driver" };
}

static struct state state_reenlightenment(const struct report *report)
{
	if (report_get(report, "module kvm"))
		return (struct state){ STATE_IN_USE, "by KVM" };
	return (struct state){ STATE_UNUSED, "only KVM asks for it" };
}

static struct state state_relaxed_timing(const struct report *report)
{
	(void)report;
	return (struct state){ STATE_UNUSED, "Linux has no timeouts that it would relax" };
}

/* A row is offered if both its bits are set. */
static const struct {
	const char *name;
	size_t word;
	int bit;
	size_t other_word;
	int other_bit;
	struct state (*state)(const struct report *report);
} rows[] = {
	{ "hypercall-page", LOW, 5, LOW, ALWAYS, NULL },
	{ "vp-index", LOW, 6, LOW, ALWAYS, NULL },
	{ "reference-counter", LOW, 1, LOW, ALWAYS, NULL },
	{ "reference-tsc", LOW, 9, LOW, ALWAYS, state_reference_tsc },
	{ "invariant-tsc", LOW, 15, LOW, ALWAYS, state_invariant_tsc },
	{ "reenlightenment", LOW, 13, LOW, ALWAYS, state_reenlightenment },
	{ "frequencies", LOW, 11, MISC, 8, NULL },
	{ "synic", LOW, 2, LOW, ALWAYS, NULL },
	{ "stimers", LOW, 3, LOW, ALWAYS, state_stimers },
	{ "ipi", HINTS, 10, LOW, ALWAYS, NULL },
	{ "tlb-flush", HINTS, 2, LOW, ALWAYS, NULL },
	{ "apic-msrs", LOW, 4, HINTS, 3, NULL },
	{ "crash-msrs", MISC, 10, LOW, ALWAYS, NULL },
	{ "relaxed-timing", HINTS, 5, LOW, ALWAYS, state_relaxed_timing },
};

/*
 * Adds the row of our core's table: NAME, STATE and REASON ("-" for none) with tabs between
 * them. False where there is none.
 */
static bool judge_table_row(struct verdict *verdict, const struct report *report, const char *name,
			    enum tell offered)
{
	const struct fact *fact = NULL;

	while ((fact = report_next(report, "core", fact))) {
		char found[32], state[24], reason[REASON];

		if (sscanf(fact->value, "%31[^\t]\t%23[^\t]\t%255[^\t]", found, state, reason) != 3 ||
		    strcmp(found, name))
			continue;
		verdict_row(verdict, GROUP_CORE, name, offered, state, "%s",
			    strcmp(reason, "-") ? reason : "");
		return true;
	}
	return false;
}

static enum tell bit_of(const struct host *host, size_t word, int bit)
{
	if (bit == ALWAYS)
		return TELL_YES;
	return host_bit((const struct word *)((const char *)host + word), bit);
}

static enum tell both(enum tell a, enum tell b)
{
	if (a == TELL_NO || b == TELL_NO)
		return TELL_NO;
	return a == TELL_YES && b == TELL_YES ? TELL_YES : TELL_UNKNOWN;
}

static struct state state_of(const struct verdict *verdict, const struct report *report,
			     enum tell offered, size_t i)
{
	if (offered == TELL_NO && bit_of(&verdict->host, rows[i].word, rows[i].bit) == TELL_YES)
		return (struct state){ STATE_ABSENT, "there, but not recommended" };
	if (offered == TELL_NO)
		return (struct state){ STATE_ABSENT, "" };
	if (offered == TELL_UNKNOWN)
		return (struct state){ STATE_UNKNOWN, "" };
	if (verdict->host.detected == TELL_NO)
		return (struct state){ STATE_OFF, "the kernel has recognised another hypervisor" };
	if (rows[i].state)
		return rows[i].state(report);
	if (verdict->host.detected == TELL_YES)
		return (struct state){ STATE_IN_USE, "" };
	return (struct state){ STATE_UNKNOWN, "no sign that the kernel has recognised Hyper-V" };
}

void judge_core(struct verdict *verdict, const struct report *report)
{
	const struct host *host = &verdict->host;

	if (!host->hyperv)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum tell offered = both(bit_of(host, rows[i].word, rows[i].bit),
					 bit_of(host, rows[i].other_word, rows[i].other_bit));
		struct state state = state_of(verdict, report, offered, i);

		if (judge_table_row(verdict, report, rows[i].name, offered))
			continue;
		verdict_row(verdict, GROUP_CORE, rows[i].name, offered, state.name, "%s", state.reason);
	}
}
