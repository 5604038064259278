/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct flush: L0 serves the TLB flush hypercalls of L2.
 */
#ifndef HVNEST_EVMCS_L2_FLUSH_H
#define HVNEST_EVMCS_L2_FLUSH_H

#include "../vmx.h"

void evmcs_l2_flush_setup(bool ept);
void evmcs_l2_flush_off(void);
void evmcs_l2_flush_create_vm(struct kvm *kvm);
void evmcs_l2_flush_create(struct vcpu_vmx *vmx);
void evmcs_l2_flush_decide(struct kvm_vcpu *vcpu);
void evmcs_l2_flush_refused(struct vcpu_vmx *vmx);

/*
 * The exit that L0 gives L1 after it has served a flush while TlbLockCount in the
 * partition assist page is not zero. Its low half is that of an EPT misconfiguration.
 */
#define EVMCS_EXIT_AFTER_FLUSH	0x10000031

/**
 * evmcs_exit_after_flush() - is this L0's word of a flush that it has served?
 * @vmx: the vCPU
 *
 * The flush is done, L2 is behind its VMCALL and RAX has the result: there is nothing
 * left to do but to go on. KVM itself leaves the lock count at zero; l2_flush.c says why.
 *
 * Context: the vCPU is loaded, back from L2.
 */
static inline bool evmcs_exit_after_flush(const struct vcpu_vmx *vmx)
{
	return vmx->exit_reason.full == EVMCS_EXIT_AFTER_FLUSH;
}

#endif /* HVNEST_EVMCS_L2_FLUSH_H */
