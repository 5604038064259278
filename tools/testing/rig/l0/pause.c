// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulated CPU does not interrupt a guest that was entered with interrupts off from a
 * host with interrupts off, so L0 never comes back from one that spins like that and
 * waits for another processor: a Linux with several CPUs does when it starts them.
 *
 * With the module's parameter pause_exits=1 each PAUSE of the L1 that starts next, and of
 * its L2, is an exit.
 */
#include <linux/module.h>

#include "../vmx/vmx.h"

#include "pause.h"

static bool pause_exits;
module_param(pause_exits, bool, 0644);

/**
 * l0_pause_control() - the primary control that L0 needs beyond KVM's own
 *
 * Context: any.
 */
u32 l0_pause_control(void)
{
	return pause_exits ? CPU_BASED_PAUSE_EXITING : 0;
}
