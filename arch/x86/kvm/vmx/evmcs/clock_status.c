// SPDX-License-Identifier: GPL-2.0-only
/*
 * The row "tsc-page" of the table in debugfs: may the guests' clocks have their base from
 * Hyper-V's TSC page? kvm.ko uses it and finds out: see clock.c.
 */
#include <linux/init.h>

#include <asm/hypervisor.h>

#include <clocksource/hyperv_timer.h>

#include "clock.h"
#include "clock_status.h"
#include "status.h"

static void show_behind(int cpu, u64 microseconds)
{
	evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_REFUSED,
			 "CPU %d has a TSC that is %llu us behind Hyper-V's reference time: guests do without a master clock",
			 cpu, microseconds);
}

/**
 * evmcs_clock_setup() - begin with the row
 *
 * Context: while the module loads, before KVM enables virtualization on a CPU.
 */
void __init evmcs_clock_setup(void)
{
	u64 tsc, time;

	if (!hypervisor_is_type(X86_HYPER_MS_HYPERV))
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_ABSENT, "not a Hyper-V guest");
	else if (evmcs_tsc_is_behind())
		/* kvm.ko has stayed, and knows it from before. */
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_REFUSED,
				 "a CPU has a TSC that is behind: see the log");
	else if (!hv_read_tsc_page_tsc(hv_get_tsc_page(), &tsc, &time))
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_ABSENT,
				 "Hyper-V has no valid page");
	else
		evmcs_status_set(EVMCS_FEATURE_TSC_PAGE, EVMCS_IN_USE, NULL);
	evmcs_clock_behind_op = show_behind;
}

/**
 * evmcs_clock_off() - leave kvm.ko as it was
 *
 * Context: while the module is unloaded, after evmcs_clock_stop().
 */
void evmcs_clock_off(void)
{
	evmcs_clock_behind_op = NULL;
}
