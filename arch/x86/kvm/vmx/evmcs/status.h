/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is in use and what is not, and why: one row an enlightenment; and which exits
 * to L0 are avoided, and which L1 pays for.
 */
#ifndef HVNEST_EVMCS_STATUS_H
#define HVNEST_EVMCS_STATUS_H

#include <linux/compiler_attributes.h>

#include "discovery.h"

enum evmcs_feature {
	EVMCS_FEATURE_EVMCS,
	EVMCS_FEATURE_MSR_BITMAP,
	EVMCS_FEATURE_PERF_GLOBAL_CTRL,
	EVMCS_FEATURE_DIRECT_FLUSH,
	EVMCS_FEATURE_GPA_FLUSH,
	EVMCS_FEATURE_TSC_PAGE,
	EVMCS_FEATURE_REENLIGHTENMENT,
	EVMCS_FEATURE_TPR_SHADOW,
	EVMCS_COST_DEBUGCTL,
	EVMCS_COST_XCR0,
	EVMCS_COST_XSS,
	EVMCS_NR_FEATURES,
};

__printf(3, 4)
void evmcs_status_set(enum evmcs_feature feature, enum evmcs_state state,
		      const char *reason, ...);
void evmcs_status_register(void);
void evmcs_status_unregister(void);

#endif /* HVNEST_EVMCS_STATUS_H */
