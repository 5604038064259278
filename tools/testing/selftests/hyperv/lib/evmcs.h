/* SPDX-License-Identifier: GPL-2.0-only */
/* evmcs.h: does KVM in this L1 use the enlightened VMCS? */
#ifndef EVMCS_H
#define EVMCS_H

#include <stdbool.h>
#include <stddef.h>

/* Our modules' table of enlightenments; stock modules have none. */
#define HVNEST_STATUS		"/sys/kernel/debug/hvnest/status"

/* Our core's; the kernel's own has none. */
#define HVNEST_CORE_STATUS	"/sys/kernel/debug/hvnest-core/status"

/* Hyper-V recommends it and offers version 1 (TLFS, CPUID 0x40000004, 0x4000000A). */
bool evmcs_advertised(void);

/* The module parameter; KVM clears it where it cannot use the enlightened VMCS. */
bool evmcs_parameter(void);

/*
 * True if KVM uses it: by the status table or, with stock modules, by the
 * parameter.
 */
bool evmcs_in_use(void);

/*
 * Copies the state of enlightenment @name from the status table at @path to @state.
 * False if there is no table or no such row.
 */
bool status_row(const char *path, const char *name, char *state, size_t size);

/* Likewise from our modules' table. */
bool evmcs_status_row(const char *name, char *state, size_t size);

/*
 * Takes an optional "--evmcs yes" or "--evmcs no" from the command line and
 * compares it with evmcs_in_use(); ends the test if they differ or if there are
 * other arguments. Returns evmcs_in_use().
 */
bool evmcs_check_args(int argc, char **argv);

#endif
