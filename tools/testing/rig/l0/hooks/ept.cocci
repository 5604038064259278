// The shadow EPT: where it gets a leaf; what takes leaves away needs the static
// functions of mmu.c.
//
// in: arch/x86/kvm/mmu/mmu.c
// rule: installed 1
// rule: zap 1
// rule: header 1

@installed@
identifier vcpu, sptep, fault;
position p;
@@
mmu_set_spte(struct kvm_vcpu *vcpu, struct kvm_memory_slot *slot, u64 *sptep,
	     unsigned int pte_access, gfn_t gfn, kvm_pfn_t pfn,
	     struct kvm_page_fault *fault)
{
	...
+	l0_ept_installed(vcpu, sptep, fault, ret);
	return ret@p;
}

@zap@
position p;
@@
kvm_mmu_pre_destroy_vm@p(...)
{
	...
}
+
+#include "../l0/ept_zap.c"

@header@
position p;
@@
#include "page_track.h"@p
+ #include "../l0/ept.h"
