// EPT translations in L0 are flushed by hypercall where Hyper-V offers that: a root
// when it comes into use, and linear addresses alone when a vCPU moves.
//
// in: arch/x86/kvm/vmx/vmx.c arch/x86/kvm/vmx/vmx.h arch/x86/kvm/mmu/mmu.c
// rule: counts 1
// rule: state 1
// rule: state_header 1
// rule: page 1
// rule: setup 1
// rule: turn_on 1
// rule: turn_off 1
// rule: load 1
// rule: new_root 1
// rule: move 1
// rule: fault 1
// rule: vmx_header 1
// rule: mmu_header 1

@counts@
position p;
@@
struct kvm_vmx {
	...
	u64 *pid_table@p;
+	/* Flushes of guest-physical addresses, begun and done */
+	atomic64_t evmcs_flushes;
+	atomic64_t evmcs_flushes_done;
	...
};

@state@
position p;
@@
struct vcpu_vmx {
	...
	u8 fail@p;
+	struct evmcs_roots evmcs_roots;
	...
};

@state_header@
position p;
@@
#include "run_flags.h"@p
+ #include "evmcs/ept_roots.h"

// Room for what is kept of a root.
@page@
position p;
@@
kmem_cache_create("kvm_mmu_page_header",
-	sizeof(struct kvm_mmu_page)@p
+	sizeof(struct evmcs_mmu_page)
	, ...)

@setup@
position p;
@@
vmx_hardware_setup(...)
{
	<...
-	if (ms_hyperv.nested_features & HV_X64_NESTED_GUEST_MAPPING_FLUSH@p && enable_ept) { ... }
+	evmcs_ept_flush_setup(enable_ept);
	...>
}

@turn_on@
expression r;
position p;
@@
vmx_init(...)
{
	<...
+	evmcs_ept_flush_on();
	r = kvm_init@p(...);
	...>
}

@turn_off@
position p;
@@
vmx_hardware_unsetup@p(...)
{
+	evmcs_ept_flush_off();
	...
}

@load@
position p;
@@
vmx_load_mmu_pgd(...)
{
	<...
-	hv_track_root_tdp@p
+	evmcs_root_load
		(...);
	...>
}

@new_root@
identifier vcpu;
position p;
@@
kvm_mmu_load(struct kvm_vcpu *vcpu)
{
	<...
-	kvm_x86_call(flush_tlb_current)@p(vcpu);
+	evmcs_flush_new_root(vcpu);
	...>
}

@move@
identifier vcpu, vmx;
position p;
@@
vmx_flush_tlb_all@p(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = ...;
+
+	if (evmcs_flush_linear(vmx))
+		return;
	...
}

@fault@
identifier f, vcpu, gpa, qualification;
position p;
@@
handle_ept_violation(struct kvm_vcpu *vcpu)
{
	...
	gpa_t gpa;
+	u64 spurious = vcpu->stat.pf_spurious;
+	int r;
	...
-	return f@p(vcpu, gpa, qualification);
+	r = f(vcpu, gpa, qualification);
+	evmcs_spurious_fault(to_vmx(vcpu), gpa, spurious);
+	return r;
}

@vmx_header@
position p;
@@
#include "x86_ops.h"@p
+ #include "evmcs/ept_flush.h"

@mmu_header@
position p;
@@
#include "tdp_mmu.h"@p
+ #include "vmx/evmcs/flush_ranges.h"
+ #include "vmx/evmcs/mmu_page.h"
