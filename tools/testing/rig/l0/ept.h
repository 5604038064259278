/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What L0 keeps of L1's EPTs, and how L1 has it dropped: see ept_flush.c.
 */
#ifndef HVNEST_L0_EPT_H
#define HVNEST_L0_EPT_H

#include <linux/kvm_host.h>

/* Page numbers of L2's, both ends included */
struct l0_gfn_range {
	gfn_t first;
	gfn_t last;
};

#define L0_ALL_GFNS	((struct l0_gfn_range){ 0, ~0ull })

#define L0_ALL_ROOTS	(~0ull)

/* ept_flush.c */
void l0_ept_init(void);
void l0_ept_exit(void);
void l0_ept_cpuid(u32 leaf, u32 *eax);
bool l0_ept_hypercall(struct kvm_vcpu *vcpu, u64 control, u64 rdx, u64 r8, u64 *result);
void l0_ept_invept(struct kvm_vcpu *vcpu, unsigned long type, u64 eptp);
void l0_ept_invvpid(void);
void l0_ept_installed(struct kvm_vcpu *vcpu, u64 *sptep, struct kvm_page_fault *fault,
		      int ret);
void l0_ept_entry(struct kvm_vcpu *vcpu, u64 eptp);

/* ept_zap.c */
void l0_ept_zap(struct kvm *kvm, gfn_t root, const struct l0_gfn_range *ranges,
		unsigned int nr_ranges);
void l0_ept_zap_all_roots(struct kvm *kvm);

/* ept_keep.c */
bool l0_ept_keep(struct kvm_vcpu *vcpu, gpa_t gpa, u64 qualification);

/* ept_model.c */
void l0_ept_record(struct kvm_vcpu *vcpu, gfn_t root, unsigned int levels, gfn_t gfn);
u64 l0_ept_forget(struct kvm_vcpu *vcpu, gfn_t root, const struct l0_gfn_range *ranges,
		  unsigned int nr_ranges);
void l0_ept_forget_context(struct kvm_vcpu *vcpu, gfn_t root);
void l0_ept_forget_all(void);
bool l0_ept_holds_less(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access, u64 *held);

/* ept_judge.c */
u64 l0_ept_judge(struct kvm_vcpu *vcpu, gfn_t root);

#endif /* HVNEST_L0_EPT_H */
