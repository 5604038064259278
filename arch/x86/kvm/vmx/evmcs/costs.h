/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exits to L0 that an exit of L2 costs because of how L1 or L2 is set up: see costs.c.
 */
#ifndef HVNEST_EVMCS_COSTS_H
#define HVNEST_EVMCS_COSTS_H

#include "../../x86.h"

void evmcs_costs_setup(bool hyperv);
void evmcs_costs_cpu_on(void);
void evmcs_costs_cpu_off(void);
void __evmcs_costs_vcpu_load(struct kvm_vcpu *vcpu);

/**
 * evmcs_costs_vcpu_load() - look at what the vCPU makes KVM switch
 * @vcpu: the vCPU, just loaded
 *
 * Context: preemption off.
 */
static __always_inline void evmcs_costs_vcpu_load(struct kvm_vcpu *vcpu)
{
	if (unlikely(vcpu->arch.xcr0 != kvm_host.xcr0 ||
		     vcpu->arch.ia32_xss != kvm_host.xss))
		__evmcs_costs_vcpu_load(vcpu);
}

#endif /* HVNEST_EVMCS_COSTS_H */
