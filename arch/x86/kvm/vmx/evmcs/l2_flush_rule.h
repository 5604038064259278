/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * May L0 take a VMCALL of L2 for a TLB flush?
 *
 * L0 tells a flush from other calls by the call code alone, in a register in which KVM's
 * own hypercalls have an argument, and Xen's have none. So L0 may look only while
 * each VMCALL of L2 is one of Hyper-V's: L2 saw Hyper-V in CPUID and not KVM, it was
 * told that flush hypercalls are there, and it has turned hypercalls on. That is also
 * when KVM itself reads every VMCALL of L2 by Hyper-V's conventions.
 *
 * The TLFS asks L1 to recommend hypercalls to L2 for local flushes as well. That hint is
 * not looked at: L0 does not see what L2 was told, Hyper-V does not give it to its own
 * guests, and no VMM does to L2.
 *
 * Pure logic: compiles in the kernel and on the host.
 */
#ifndef HVNEST_EVMCS_L2_FLUSH_RULE_H
#define HVNEST_EVMCS_L2_FLUSH_RULE_H

#include <linux/types.h>

#define EVMCS_HINT_REMOTE_FLUSH		0x00000004	/* CPUID 0x40000004 EAX */
#define EVMCS_HYPERCALL_ENABLE		0x1		/* HV_X64_MSR_HYPERCALL */

/**
 * struct evmcs_l2_flush_facts - what is known of one vCPU
 * @refused:    L0 has refused an entry with direct flush
 * @asked:      the VMM, or the administrator for all VMs, wants it
 * @page:       the VM has a partition assist page
 * @hyperv:     L2's CPUID shows Hyper-V
 * @kvm:        L2's CPUID shows KVM
 * @xen:        the VMM has KVM handle Xen hypercalls
 * @hints:      CPUID 0x40000004 EAX, as L2 sees it
 * @guest_os:   HV_X64_MSR_GUEST_OS_ID of the VM
 * @hypercall:  HV_X64_MSR_HYPERCALL of the VM
 */
struct evmcs_l2_flush_facts {
	bool refused;
	bool asked;
	bool page;
	bool hyperv;
	bool kvm;
	bool xen;
	u32 hints;
	u64 guest_os;
	u64 hypercall;
};

/**
 * evmcs_l2_flush_why_not() - may L0 serve the flush hypercalls of this vCPU?
 * @facts: what is known of it
 *
 * Return: NULL if it may, or else why not, for people; a constant.
 */
static inline const char *
evmcs_l2_flush_why_not(const struct evmcs_l2_flush_facts *facts)
{
	if (facts->refused)
		return "Hyper-V refused an entry with it";
	if (!facts->asked)
		return "the VMM has not asked for it (KVM_CAP_HYPERV_DIRECT_TLBFLUSH)";
	if (!facts->page)
		return "no memory for the partition assist page";
	if (!facts->hyperv)
		return "L2's CPUID does not show Hyper-V";
	if (facts->kvm)
		return "L2's CPUID shows KVM, whose hypercalls L0 could take for a flush";
	if (facts->xen)
		return "KVM handles Xen hypercalls of L2, which L0 could take for a flush";
	if (!(facts->hints & EVMCS_HINT_REMOTE_FLUSH))
		return "L2's CPUID does not recommend flush hypercalls";
	if (!facts->guest_os || !(facts->hypercall & EVMCS_HYPERCALL_ENABLE))
		return "L2 has not enabled hypercalls";
	return NULL;
}

#endif /* HVNEST_EVMCS_L2_FLUSH_RULE_H */
