/* SPDX-License-Identifier: GPL-2.0-only */
/* RDTSC as an exit, while L1's TSC is emulated: see rdtsc.c. */
#ifndef HVNEST_L0_RDTSC_H
#define HVNEST_L0_RDTSC_H

#include <linux/kvm_host.h>

void l0_rdtsc_setup(int (*exit_handlers[])(struct kvm_vcpu *vcpu));
void l0_rdtsc_enter(struct kvm_vcpu *vcpu);
void l0_rdtsc_leave(struct kvm_vcpu *vcpu);

#endif /* HVNEST_L0_RDTSC_H */
