/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An L0 that holds its guest to the clean fields: see stale.c.
 */
#ifndef HVNEST_L0_STALE_H
#define HVNEST_L0_STALE_H

#include <linux/kvm_host.h>

void l0_stale_init(void);
void l0_stale_exit(void);

bool l0_entry(struct kvm_vcpu *vcpu);
void l0_entry_begins(struct kvm_vcpu *vcpu);
void l0_exit(struct kvm_vcpu *vcpu);
void l0_vmclear(struct kvm_vcpu *vcpu, gpa_t gpa);

#endif /* HVNEST_L0_STALE_H */
