/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turning the enlightened VMCS on and off: what vmx.c calls while the module
 * loads, when a CPU comes and when it goes.
 */
#ifndef HVNEST_EVMCS_ACTIVATE_H
#define HVNEST_EVMCS_ACTIVATE_H

#include <linux/types.h>

bool evmcs_setup(bool wanted);
bool evmcs_cpu_usable(int cpu);
void evmcs_cpu_restore(void);
void evmcs_cpu_release(void);
bool evmcs_has_msr_bitmap(void);
bool evmcs_has_direct_flush(void);
bool evmcs_has_perf_global_ctrl(void);
const char *evmcs_gpa_flush_absent(void);

#endif /* HVNEST_EVMCS_ACTIVATE_H */
