// SPDX-License-Identifier: GPL-2.0-only
/* clock.c: is the clocksource the right one? */
#include <string.h>

#include "judge.h"

#define TSC_PAGE	"hyperv_clocksource_tsc_page"
#define INVARIANT_TSC	15	/* 0x40000003 EAX */

static void is(struct verdict *verdict, const char *state, const char *best, const char *reason)
{
	verdict->clock_state = state;
	snprintf(verdict->clock_best, sizeof(verdict->clock_best), "%s", best);
	verdict_set(verdict->clock_reason, "%s", reason);
}

static void advise_switch(struct verdict *verdict, const struct report *report)
{
	if (!report_get(report, "clocksource available"))
		return;
	if (host_has_word(report, "clocksource available", verdict->clock_best))
		verdict_todo(verdict, "As root: echo %s > /sys/devices/system/clocksource/clocksource0/current_clocksource",
			     verdict->clock_best);
	else
		verdict_todo(verdict, "See in the kernel's log why there is no clocksource %s",
			     verdict->clock_best);
}

/*
 * KVM builds its guests' clock on L1's. On the TSC page that takes TSCs which agree
 * between CPUs, and without an invariant TSC nobody promises that: after hibernation
 * of a Windows 10 host kvmclock has jumped by 253 years. Our modules do without that base
 * then.
 */
static void judge_tsc_page(struct verdict *verdict)
{
	if (verdict->guests == TELL_NO) {
		is(verdict, CLOCK_OK, TSC_PAGE, "Hyper-V does not offer an invariant TSC, but this page");
		return;
	}
	if (!strcmp(verdict->modules, "hvnest")) {
		is(verdict, CLOCK_OK, TSC_PAGE,
		   "Hyper-V does not offer an invariant TSC, but this page; our modules notice if a CPU's TSC leaves it");
		return;
	}
	is(verdict, CLOCK_RISK, TSC_PAGE,
	   "the best one here, but Hyper-V promises no invariant TSC: kvmclock in guests may jump, after the host has hibernated by 253 years");
	verdict_todo(verdict, "If a guest's clock jumps: clocksource=tsc on the guest's command line, or a restart of this VM%s",
		     verdict->host.kvm_behind ? "" : "; a host from Windows 11 22H2 on is cured of it");
}

static void judge_on_hyperv(struct verdict *verdict, const struct report *report)
{
	enum tell invariant = host_bit(&verdict->host.low, INVARIANT_TSC);
	bool tsc = !strcmp(verdict->clock, "tsc");

	if (invariant == TELL_UNKNOWN) {
		is(verdict, CLOCK_UNKNOWN, "", "not known whether Hyper-V offers an invariant TSC");
	} else if (invariant == TELL_YES && tsc) {
		is(verdict, CLOCK_OK, "tsc", "Hyper-V offers an invariant TSC");
	} else if (invariant == TELL_YES) {
		is(verdict, CLOCK_POOR, "tsc", host_log(report, "unstable") ?
		   "Hyper-V offers an invariant TSC, but the kernel found it unstable" :
		   "Hyper-V offers an invariant TSC, which is faster and better for guests");
	} else if (tsc) {
		is(verdict, CLOCK_POOR, TSC_PAGE,
		   "Hyper-V does not promise an invariant TSC: it may change when the VM moves");
	} else if (!strcmp(verdict->clock, TSC_PAGE)) {
		judge_tsc_page(verdict);
	} else {
		is(verdict, CLOCK_POOR, TSC_PAGE, "each look at the time is an exit to the hypervisor");
	}
}

static void judge_elsewhere(struct verdict *verdict, const struct report *report)
{
	bool bare = verdict->host.hypervisor == TELL_NO;

	if (!strcmp(verdict->clock, "tsc-early"))
		is(verdict, CLOCK_OK, "tsc", "until the kernel has measured the TSC");
	else if (!strcmp(verdict->clock, "tsc") ||
	    (!bare && (!strcmp(verdict->clock, "kvm-clock") || !strcmp(verdict->clock, "xen"))))
		is(verdict, CLOCK_OK, verdict->clock, "");
	else if (host_has_word(report, "clocksource available", "tsc"))
		is(verdict, CLOCK_POOR, "tsc", "the TSC is there and faster");
	else if (bare || host_log(report, "unstable"))
		is(verdict, CLOCK_POOR, "tsc", "slow; the kernel does not trust the TSC");
	else
		is(verdict, CLOCK_POOR, "", "slow, and the only one");
}

void judge_clock(struct verdict *verdict, const struct report *report)
{
	const char *current = report_get(report, "clocksource current");

	if (!current) {
		is(verdict, CLOCK_UNKNOWN, "", "nothing known of the clocksource");
		return;
	}
	snprintf(verdict->clock, sizeof(verdict->clock), "%s", current);
	/* A kernel that sees another hypervisor has none of Hyper-V's clocks. */
	if (verdict->host.hyperv && verdict->host.detected != TELL_NO)
		judge_on_hyperv(verdict, report);
	else
		judge_elsewhere(verdict, report);
	if (!strcmp(verdict->clock_state, CLOCK_POOR) && verdict->clock_best[0])
		advise_switch(verdict, report);
}
