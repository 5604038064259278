/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU knows of its direct flush: see l2_flush.c. By itself, since vmx.h
 * includes it.
 */
#ifndef HVNEST_EVMCS_L2_FLUSH_STATE_H
#define HVNEST_EVMCS_L2_FLUSH_STATE_H

#include <linux/types.h>

/**
 * struct evmcs_l2_flush - one vCPU's
 * @asked:   somebody wants it for this vCPU
 * @why_not: NULL while it is on; written by whoever holds the vCPU's mutex
 */
struct evmcs_l2_flush {
	bool asked;
	const char *why_not;
};

#endif /* HVNEST_EVMCS_L2_FLUSH_STATE_H */
