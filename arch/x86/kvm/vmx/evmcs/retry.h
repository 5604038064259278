/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What to do when L0 refuses an enlightened VM entry.
 */
#ifndef HVNEST_EVMCS_RETRY_H
#define HVNEST_EVMCS_RETRY_H

#include "../vmx.h"

#include "access.h"

bool __evmcs_retry(struct vcpu_vmx *vmx);

/**
 * evmcs_retry() - shall a VM entry that failed be tried again?
 * @vmx: the vCPU, which is loaded, with vmcs01; VMLAUNCH or VMRESUME failed
 *
 * Context: preemption on.
 * Return: true if something was put right and the guest may be entered again.
 */
static inline bool evmcs_retry(struct vcpu_vmx *vmx)
{
	return kvm_is_using_evmcs() && __evmcs_retry(vmx);
}

#endif /* HVNEST_EVMCS_RETRY_H */
