// L1's INVEPT and INVVPID, when they have succeeded, and its VM entries.
//
// in: arch/x86/kvm/vmx/nested.c
// rule: invept 1
// rule: invvpid 1
// rule: entry 1
// rule: header 1

@invept@
identifier vcpu;
position p;
@@
handle_invept(struct kvm_vcpu *vcpu)
{
	...
+	l0_ept_invept(vcpu, type, operand.eptp);
	return nested_vmx_succeed@p(vcpu);
}

@invvpid@
identifier vcpu;
position p;
@@
handle_invvpid(struct kvm_vcpu *vcpu)
{
	...
+	l0_ept_invvpid();
	return nested_vmx_succeed@p(vcpu);
}

@entry@
identifier vcpu;
position p;
@@
nested_vmx_run(struct kvm_vcpu *vcpu, ...)
{
	...
+	l0_ept_entry(vcpu, nested_cpu_has_ept(vmcs12) ? vmcs12->ept_pointer : 0);
	vmx->nested.nested_run_pending@p = 1;
	...
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "../l0/ept.h"
