// The TPR shadow is on only while L2 uses CR8.
//
// in: arch/x86/kvm/vmx/vmx.c arch/x86/kvm/vmx/vmx.h
// rule: state 1
// rule: state_header 1
// rule: setup 1
// rule: init 1
// rule: x2apic 1
// rule: access 1
// rule: rdmsr 1
// rule: wrmsr 2
// rule: event 1
// rule: header 1

@state@
position p;
@@
struct vcpu_vmx {
	...
	u8 fail@p;
+	struct evmcs_tpr evmcs_tpr;
	...
};

@state_header@
position p;
@@
#include "run_flags.h"@p
+ #include "evmcs/tpr_state.h"

// Here KVM knows what the CPU can do, and there is no VM yet.
@setup@
expression r;
position p;
@@
vmx_init(...)
{
	<...
+	evmcs_tpr_shadow_setup();
	r = kvm_init@p(...);
	...>
}

@init@
identifier vmx;
position p;
@@
init_vmcs(struct vcpu_vmx *vmx)
{
	...
	vmx_setup_uret_msrs@p(vmx);
+	evmcs_tpr_shadow_init(vmx);
}

@x2apic@
identifier vmx;
statement virtualize;
position p;
@@
vmx_set_virtual_apic_mode(...)
{
	...
	struct vcpu_vmx *vmx = ...;
	<...
-	if (cpu_has_vmx_virtualize_x2apic_mode@p())
+	if (cpu_has_vmx_virtualize_x2apic_mode() && evmcs_tpr_shadow_wanted(vmx))
		virtualize
	...>
}

@access@
identifier vcpu;
position p;
@@
handle_cr(struct kvm_vcpu *vcpu)
{
	...
	int ret@p;
+
+	if (evmcs_cr_access(to_vmx(vcpu)))
+		return 1;
	...
}

@rdmsr@
position p;
@@
- kvm_emulate_rdmsr@p
+ evmcs_emulate_rdmsr

@wrmsr@
position p;
@@
- kvm_emulate_wrmsr@p
+ evmcs_emulate_wrmsr

@event@
identifier vcpu, tpr, irr;
position p;
@@
vmx_update_cr8_intercept(struct kvm_vcpu *vcpu, int tpr, int irr)
{
	int tpr_threshold@p;
+
+	if (evmcs_tpr_threshold_unused(to_vmx(vcpu)))
+		return;
	...
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "evmcs/tpr_shadow.h"
