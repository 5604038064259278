/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU keeps for its TPR shadow; struct vcpu_vmx has one.
 */
#ifndef HVNEST_EVMCS_TPR_STATE_H
#define HVNEST_EVMCS_TPR_STATE_H

/**
 * enum evmcs_tpr_use - how L2's TPR is handled
 * @EVMCS_TPR_ALWAYS:  by the TPR shadow if there is one, as the kernel does
 * @EVMCS_TPR_WITHOUT: by an exit for each access
 * @EVMCS_TPR_WITH:    by the TPR shadow, until some time without is tried again
 */
enum evmcs_tpr_use {
	EVMCS_TPR_ALWAYS,
	EVMCS_TPR_WITHOUT,
	EVMCS_TPR_WITH,
};

/**
 * struct evmcs_tpr - one vCPU's
 * @use:      now
 * @since:    jiffies when @use last changed
 * @patience: jiffies to stay with the shadow before L2 is tried without it; 0 until
 *            it was on for the first time
 */
struct evmcs_tpr {
	enum evmcs_tpr_use use;
	unsigned long since;
	unsigned long patience;
};

#endif /* HVNEST_EVMCS_TPR_STATE_H */
