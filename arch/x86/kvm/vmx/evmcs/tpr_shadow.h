/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The TPR shadow, only while L2 uses CR8: see tpr_shadow.c.
 */
#ifndef HVNEST_EVMCS_TPR_SHADOW_H
#define HVNEST_EVMCS_TPR_SHADOW_H

#include "../vmx.h"

void evmcs_tpr_shadow_setup(void);
void evmcs_tpr_shadow_init(struct vcpu_vmx *vmx);
bool __evmcs_cr_access(struct vcpu_vmx *vmx);
bool __evmcs_msr_access(struct vcpu_vmx *vmx);
bool __evmcs_tpr_threshold_unused(struct vcpu_vmx *vmx);

/**
 * evmcs_tpr_shadow_wanted() - should L2's TPR be shadowed now?
 * @vmx: the vCPU
 *
 * Context: any.
 */
static __always_inline bool evmcs_tpr_shadow_wanted(struct vcpu_vmx *vmx)
{
	return vmx->evmcs_tpr.use != EVMCS_TPR_WITHOUT;
}

/**
 * evmcs_cr_access() - L2 exited for an access to a control register
 * @vmx: the vCPU
 *
 * Context: the vCPU is loaded.
 * Return: true when L2 is to do it again, under the TPR shadow.
 */
static __always_inline bool evmcs_cr_access(struct vcpu_vmx *vmx)
{
	return !evmcs_tpr_shadow_wanted(vmx) && __evmcs_cr_access(vmx);
}

/* L2 exited for an access to an MSR: KVM's handlers, but for TPR in x2APIC mode. */
static inline int evmcs_emulate_rdmsr(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (!evmcs_tpr_shadow_wanted(vmx) && __evmcs_msr_access(vmx))
		return 1;
	return kvm_emulate_rdmsr(vcpu);
}

static inline int evmcs_emulate_wrmsr(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (!evmcs_tpr_shadow_wanted(vmx) && __evmcs_msr_access(vmx))
		return 1;
	return kvm_emulate_wrmsr(vcpu);
}

/**
 * evmcs_tpr_threshold_unused() - an event for L2 is looked at
 * @vmx: the vCPU
 *
 * Context: the vCPU is loaded.
 * Return: true when no TPR threshold is needed to learn when L2 can take it.
 */
static __always_inline bool evmcs_tpr_threshold_unused(struct vcpu_vmx *vmx)
{
	return vmx->evmcs_tpr.use != EVMCS_TPR_ALWAYS &&
	       __evmcs_tpr_threshold_unused(vmx);
}

#endif /* HVNEST_EVMCS_TPR_SHADOW_H */
