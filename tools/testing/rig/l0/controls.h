/* SPDX-License-Identifier: GPL-2.0-only */
/* The VMX controls that L0 offers L1: see controls.c. */
#ifndef HVNEST_L0_CONTROLS_H
#define HVNEST_L0_CONTROLS_H

#include <linux/kvm_host.h>

void l0_filter_control_msr(struct kvm_vcpu *vcpu, u32 msr, u64 *data);

#endif /* HVNEST_L0_CONTROLS_H */
