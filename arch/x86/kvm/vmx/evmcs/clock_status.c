// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rows of the table in debugfs that are about the guests' clocks: may they have their
 * base from Hyper-V's TSC page, and are they right after a migration? kvm.ko does that and
 * knows.
 */
#include <linux/init.h>
#include <linux/kvm_host.h>

#include <asm/hypervisor.h>
#include <asm/mshyperv.h>
#include <asm/vdso/clocksource.h>

#include "../../x86.h"

#include "clock.h"
#include "clock_status.h"
#include "status.h"

#define NO_MASTER_CLOCK	"guests do without a master clock"

static void show_tsc(void)
{
	if (ms_hyperv.features & HV_ACCESS_TSC_INVARIANT)
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_OFF,
				 "not needed: L1's clocksource is the TSC, which Hyper-V keeps invariant");
	else
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_OFF, "L1's clocksource is the TSC");
}

static void show_page(const struct evmcs_clock_state *state)
{
	if (state->behind)
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_REFUSED,
				 "CPU %d has a TSC that is %llu us behind Hyper-V's reference time: "
				 NO_MASTER_CLOCK, state->cpu, state->behind_us);
	else if (state->clocksource == VDSO_CLOCKMODE_TSC)
		show_tsc();
	else if (state->clocksource != VDSO_CLOCKMODE_HVCLOCK)
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_OFF,
				 "L1 has another clocksource: " NO_MASTER_CLOCK);
	else if (!state->valid)
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_ABSENT,
				 "Hyper-V has declared the page invalid: " NO_MASTER_CLOCK);
	else
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_IN_USE, NULL);
}

static void show_migrations(const struct evmcs_clock_state *state)
{
	const char *bare = kvm_caps.has_tsc_control ? "" :
			   "; a guest that reads the bare TSC sees its rate change";

	if (!state->notified)
		evmcs_status_set(EVMCS_FEATURE_REENLIGHTENMENT, EVMCS_ABSENT,
				 "Hyper-V does not offer it");
	else if (!state->migrations)
		evmcs_status_set(EVMCS_FEATURE_REENLIGHTENMENT, EVMCS_IN_USE,
				 "no migration yet%s", bare);
	else
		evmcs_status_set(EVMCS_FEATURE_REENLIGHTENMENT, EVMCS_IN_USE,
				 "migrations: %u, the last from %u to %u kHz%s",
				 state->migrations, state->from_khz, state->to_khz, bare);
}

static void show(void)
{
	struct evmcs_clock_state state;

	evmcs_clock_state(&state);
	show_page(&state);
	show_migrations(&state);
}

/**
 * evmcs_clock_setup() - begin with the rows
 *
 * Context: while the module loads, when kvm.ko knows of it.
 */
void __init evmcs_clock_setup(void)
{
	if (!hypervisor_is_type(X86_HYPER_MS_HYPERV)) {
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_ABSENT, "not a Hyper-V guest");
		evmcs_status_set(EVMCS_FEATURE_REENLIGHTENMENT, EVMCS_ABSENT,
				 "not a Hyper-V guest");
		return;
	}
	evmcs_clock_changed_op = show;
	show();
}

/**
 * evmcs_clock_off() - leave kvm.ko as it was
 *
 * Context: while the module is unloaded; nothing changes any more.
 */
void evmcs_clock_off(void)
{
	evmcs_clock_changed_op = NULL;
}
