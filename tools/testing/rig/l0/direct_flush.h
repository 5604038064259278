/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct flushes that L0 serves, counted and judged: see direct_flush.c.
 */
#ifndef HVNEST_L0_DIRECT_FLUSH_H
#define HVNEST_L0_DIRECT_FLUSH_H

#include <linux/kvm_host.h>

struct hv_enlightened_vmcs;

void l0_direct_flush_init(void);
void l0_direct_flush_exit(void);

void l0_direct_flush_entry(struct kvm_vcpu *vcpu, gpa_t gpa,
			   const struct hv_enlightened_vmcs *page);
void l0_direct_flush_vmclear(gpa_t gpa);
void l0_direct_flush_served(struct kvm_vcpu *vcpu, bool all, u64 valid_banks,
			    const u64 *banks);

#endif /* HVNEST_L0_DIRECT_FLUSH_H */
