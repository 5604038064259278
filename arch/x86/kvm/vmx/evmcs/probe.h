/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does L0 enter an enlightened VMCS, and not only offer to?
 */
#ifndef HVNEST_EVMCS_PROBE_H
#define HVNEST_EVMCS_PROBE_H

#include <linux/types.h>

bool evmcs_probe(u32 controls, int *culprit);

#endif /* HVNEST_EVMCS_PROBE_H */
