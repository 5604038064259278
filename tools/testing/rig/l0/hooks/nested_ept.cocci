// L1's INVEPT and INVVPID, when they have succeeded, its VM entries, and L2's faults.
//
// in: arch/x86/kvm/vmx/nested.c arch/x86/kvm/vmx/vmx.c
// rule: invept 1
// rule: invvpid 1
// rule: entry 1
// rule: fault 1
// rule: header 2

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

@fault@
identifier vcpu, gpa, qualification;
position p;
@@
handle_ept_violation(struct kvm_vcpu *vcpu)
{
	...
	trace_kvm_page_fault@p(vcpu, gpa, qualification);
+	if (l0_ept_keep(vcpu, gpa, qualification))
+		return 1;
	...
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "../l0/ept.h"
