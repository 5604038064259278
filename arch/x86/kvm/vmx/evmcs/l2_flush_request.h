/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm.ko's side of direct flush: it sees what L2 and the VMM do to L2's hypercalls, and
 * has every vCPU of the VM decide anew: see l2_flush.c.
 */
#ifndef HVNEST_EVMCS_L2_FLUSH_REQUEST_H
#define HVNEST_EVMCS_L2_FLUSH_REQUEST_H

#include <linux/kvm_host.h>

#include <asm/hyperv-tlfs.h>

/*
 * The last of the numbers that are there for an architecture. Who makes the request
 * waits until no vCPU runs L2 by what was decided before.
 */
#define EVMCS_REQ_L2_FLUSH						\
	KVM_ARCH_REQ_FLAGS(55, KVM_REQUEST_WAIT | KVM_REQUEST_NO_WAKEUP)

/* NULL where direct flush cannot be used; changes only while there is no VM. */
extern void (*evmcs_l2_flush_op)(struct kvm_vcpu *vcpu);

/**
 * evmcs_l2_flush_check_request() - decide anew if that was asked for
 * @vcpu: the vCPU, which has requests
 *
 * Context: the vCPU is loaded and not in L2; may be preempted.
 */
static inline void evmcs_l2_flush_check_request(struct kvm_vcpu *vcpu)
{
	if (kvm_check_request(EVMCS_REQ_L2_FLUSH, vcpu))
		evmcs_l2_flush_op(vcpu);
}

/**
 * evmcs_hypercalls_changed() - L2's hypercalls mean something else from now on
 * @kvm: the VM
 *
 * Context: may sleep. On return each vCPU is out of L2 or has entered it later.
 */
static inline void evmcs_hypercalls_changed(struct kvm *kvm)
{
	if (evmcs_l2_flush_op)
		kvm_make_all_cpus_request(kvm, EVMCS_REQ_L2_FLUSH);
}

/**
 * evmcs_hv_msr_written() - a synthetic MSR has been written, by L2 or by the VMM
 * @kvm: the VM
 * @msr: index
 *
 * Context: may sleep.
 */
static inline void evmcs_hv_msr_written(struct kvm *kvm, u32 msr)
{
	if (msr == HV_X64_MSR_GUEST_OS_ID || msr == HV_X64_MSR_HYPERCALL)
		evmcs_hypercalls_changed(kvm);
}

#endif /* HVNEST_EVMCS_L2_FLUSH_REQUEST_H */
