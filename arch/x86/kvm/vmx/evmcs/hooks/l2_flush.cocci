// L0 serves the TLB flush hypercalls of L2 while every hypercall of L2 is one of
// Hyper-V's: what decides about that, and the exit that L0 may make after a flush.
//
// in: arch/x86/kvm/hyperv.c arch/x86/kvm/xen.c arch/x86/kvm/x86.c arch/x86/kvm/vmx/vmx.c arch/x86/kvm/vmx/vmx.h
// rule: state 1
// rule: state_header 1
// rule: setup 1
// rule: turn_off 1
// rule: cpuid 1
// rule: msr 1
// rule: xen 1
// rule: request 1
// rule: exit 1
// rule: vmx_header 1
// rule: kvm_header 3

@state@
position p;
@@
struct vcpu_vmx {
	...
	u8 fail@p;
+	struct evmcs_l2_flush evmcs_l2_flush;
	...
};

@state_header@
position p;
@@
#include "run_flags.h"@p
+ #include "evmcs/l2_flush_state.h"

// Here KVM knows whether it uses EPT, and the operations are not taken over yet.
@setup@
expression ept;
position p;
@@
vmx_hardware_setup(...)
{
	<...
	kvm_configure_mmu@p(ept, ...);
+	evmcs_l2_flush_setup(ept);
	...>
}

@turn_off@
position p;
@@
vmx_hardware_unsetup@p(...)
{
+	evmcs_l2_flush_off();
	...
}

@cpuid@
identifier vcpu;
position p;
@@
vmx_vcpu_after_set_cpuid@p(struct kvm_vcpu *vcpu)
{
	...
+	evmcs_l2_flush_decide(vcpu);
}

// Also what the VMM writes, e.g. to reset L2.
@msr@
identifier vcpu, msr, data, host, r;
position p;
@@
kvm_hv_set_msr_common(struct kvm_vcpu *vcpu, u32 msr, u64 data, bool host)
{
	<...
	r = kvm_hv_set_msr_pw@p(vcpu, msr, data, host);
+	evmcs_hv_msr_written(vcpu->kvm, msr);
	...>
}

@xen@
identifier kvm;
position p;
@@
kvm_xen_hvm_config(struct kvm *kvm, ...)
{
	<...
	mutex_unlock@p(...);
+	evmcs_hypercalls_changed(kvm);
	...>
}

@request@
identifier vcpu;
statement S;
position p;
@@
vcpu_enter_guest(struct kvm_vcpu *vcpu)
{
	<...
+	evmcs_l2_flush_check_request(vcpu);
	if (kvm_check_request(KVM_REQ_MSR_FILTER_CHANGED@p, vcpu)) S
	...>
}

@exit@
identifier vcpu;
position p;
@@
handle_ept_misconfig(struct kvm_vcpu *vcpu)
{
	gpa_t gpa@p;
+
+	if (evmcs_exit_after_flush(to_vmx(vcpu)))
+		return 1;
	...
}

@vmx_header@
position p;
@@
#include "x86_ops.h"@p
+ #include "evmcs/l2_flush.h"

@kvm_header@
position p;
@@
#include "xen.h"@p
+ #include "vmx/evmcs/l2_flush_request.h"
