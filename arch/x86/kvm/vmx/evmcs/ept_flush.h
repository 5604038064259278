/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * EPT translations that L0 holds, flushed by hypercall on all CPUs at once.
 */
#ifndef HVNEST_EVMCS_EPT_FLUSH_H
#define HVNEST_EVMCS_EPT_FLUSH_H

#include <linux/kvm_host.h>

#include "../vmx.h"

void evmcs_ept_flush_setup(bool ept);
void evmcs_ept_flush_on(void);
void evmcs_ept_flush_off(void);

void evmcs_root_load(struct kvm_vcpu *vcpu, hpa_t root);
bool evmcs_flush_linear(struct vcpu_vmx *vmx);
void evmcs_spurious_fault(struct vcpu_vmx *vmx, gpa_t gpa, u64 spurious_before);

#endif /* HVNEST_EVMCS_EPT_FLUSH_H */
