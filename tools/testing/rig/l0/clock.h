/* SPDX-License-Identifier: GPL-2.0-only */
/* L1 is moved to a machine whose TSC has another frequency: see clock.c. */
#ifndef HVNEST_L0_CLOCK_H
#define HVNEST_L0_CLOCK_H

#include <linux/kvm_host.h>

void l0_clock_init(void);
void l0_clock_exit(void);

void l0_clock_status_written(struct kvm_vcpu *vcpu, u64 status);
bool l0_clock_page_off(void);
bool l0_clock_emulates(void);
u32 l0_clock_generation(void);
u64 l0_clock_rdtsc(struct kvm_vcpu *vcpu);
void l0_clock_stopped(u64 ticks);

#endif /* HVNEST_L0_CLOCK_H */
