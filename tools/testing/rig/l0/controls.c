// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX controls that L0 offers L1. KVM leaves out what an eVMCS cannot express,
 * and TSC scaling, which it can: an L1 that looks for itself would be right to use
 * that, and L0 would refuse it. So the fault "controls" leaves out no more than this.
 */
#include "../vmx/hyperv.h"

#include "controls.h"
#include "faults.h"

/**
 * l0_filter_control_msr() - what L1 reads from a VMX capability MSR
 * @vcpu: L1's CPU
 * @msr:  index
 * @data: value, allowed 1-settings in the upper half
 *
 * Context: any.
 */
void l0_filter_control_msr(struct kvm_vcpu *vcpu, u32 msr, u64 *data)
{
	if (!l0_fault_controls())
		nested_evmcs_filter_control_msr(vcpu, msr, data);
	else if (msr == MSR_IA32_VMX_PROCBASED_CTLS2)
		*data &= ~((u64)SECONDARY_EXEC_TSC_SCALING << 32);
}
