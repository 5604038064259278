// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpuid_exits: what L0 does for one exit of L2, by exit reason.
 *
 *	cpuid_exits [--evmcs yes|no]
 *
 * L2 executes CPUID in a tight loop; L0 counts its exits during a short and a
 * long loop, and the difference is divided by the number of exits in between.
 *
 * Proved: each exit from L2 costs L0 exactly one CPUID (L2's) and one VMRESUME
 * (L1's way back). There is a MSR_READ, of DEBUGCTL, unless the table of our modules says
 * that it is avoided, and then there is none. With the enlightened VMCS nothing else
 * may belong to an exit. What L1 does meanwhile (timers, idle CPUs, the control channel) is
 * listed, but is not part of an exit: it stays far below one for each.
 *
 * Broken by: a VMREAD or VMWRITE left on the exit path, an MSR access added to
 * it, an entry by VMLAUNCH, an entry that fails and is retried.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/cpuid_loop.h"
#include "lib/evmcs.h"
#include "lib/ktap.h"
#include "lib/l0.h"

#define SHORT	10
#define EXITS	400

/* Timers interrupt a run a few times, so some entries are made twice: 4 %. */
#define NOISE	(EXITS / 25)

/* A reason that occurs on fewer exits than one in five is not on the exit path. */
#define UNRELATED	(EXITS / 5)

static void counted_run(const char *name, uint32_t exits, struct l0_counts *counts)
{
	l0_count_start();
	cpuid_loop(exits);
	l0_count_stop(name, counts);
}

static bool about(int64_t hits, int64_t expected)
{
	return llabs(hits - expected) <= NOISE;
}

/*
 * Prints every reason's hits; returns the number of reasons that are on the exit path. Where
 * L0 looks out for PAUSE, a kernel in L1 that waits for itself (as SRCU does) has exits for it,
 * some hundreds for a VM that comes and goes; the loop in L2 has no PAUSE.
 */
static unsigned int report(const int64_t hits[])
{
	unsigned int on_path = 0;
	int64_t total = 0;

	for (unsigned int i = 0; i < L0_REASONS; i++) {
		if (!hits[i])
			continue;
		total += hits[i];
		on_path += i != L0_PAUSE && hits[i] > UNRELATED;
		ktap_diag("%-20s %6lld = %.3f an L2 exit", l0_reason_name(i),
			  (long long)hits[i], (double)hits[i] / EXITS);
	}
	ktap_diag("%-20s %6lld = %.3f an L2 exit", "all reasons", (long long)total,
		  (double)total / EXITS);
	return on_path;
}

int main(int argc, char **argv)
{
	const char *a_read = "MSR_READ as the table says", *nothing_else = "nothing else";
	unsigned int on_path;
	struct l0_counts few, many;
	int64_t hits[L0_REASONS];
	const char *why;
	char state[16];
	bool evmcs;

	ktap_plan(4);
	evmcs = evmcs_check_args(argc, argv);
	ktap_diag("enlightened VMCS: %s", evmcs ? "in use" : "not in use");
	cpuid_loop(SHORT);
	if (!l0_open(&why)) {
		ktap_skip_rest("%s", why);
		return ktap_exit();
	}
	counted_run("short", SHORT, &few);
	counted_run("long", SHORT + EXITS, &many);
	for (unsigned int i = 0; i < L0_REASONS; i++)
		hits[i] = many.hits[i] - few.hits[i];
	on_path = report(hits);

	ktap_ok(about(hits[L0_CPUID], EXITS), "one CPUID for an exit of L2");
	ktap_ok(about(hits[L0_VMRESUME], EXITS), "one VMRESUME for an exit of L2");
	if (!evmcs_status_row("debugctl-read", state, sizeof(state)))
		ktap_skip(a_read, "no table says whether DEBUGCTL must be read");
	else if (strcmp(state, "avoided"))
		ktap_ok(about(hits[L0_MSR_READ], EXITS), "%s: one", a_read);
	else
		ktap_ok(hits[L0_MSR_READ] <= UNRELATED, "%s: none", a_read);
	on_path -= hits[L0_MSR_READ] > UNRELATED && hits[L0_MSR_READ] <= EXITS + NOISE;
	if (evmcs)
		ktap_ok(on_path == 2, "%s", nothing_else);
	else
		ktap_skip(nothing_else, "a plain VMCS may need VMREAD and VMWRITE");
	return ktap_exit();
}
