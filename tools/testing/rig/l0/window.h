/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long L1 takes over one exit of L2: see window.c.
 */
#ifndef HVNEST_L0_WINDOW_H
#define HVNEST_L0_WINDOW_H

#include <linux/kvm_host.h>

void l0_window_init(void);
void l0_window_exit(void);

void l0_window_enter(struct kvm_vcpu *vcpu);
void l0_window_leave(struct kvm_vcpu *vcpu);

#endif /* HVNEST_L0_WINDOW_H */
