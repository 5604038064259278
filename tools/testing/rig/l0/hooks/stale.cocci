// Where KVM, as L0, handles an enlightened VMCS.
//
// in: arch/x86/kvm/vmx/nested.c arch/x86/kvm/vmx/vmx.c
// rule: entry 1
// rule: begins 1
// rule: sync 1
// rule: vmclear 1
// rule: init 1
// rule: exit 1
// rule: header 2

@entry@
identifier vcpu;
position p;
@@
nested_vmx_run(struct kvm_vcpu *vcpu, ...)
{
	...
	if (!nested_vmx_check_permission@p(vcpu)) return 1;
+	if (l0_entry(vcpu))
+		return nested_vmx_failInvalid(vcpu);
	...
}

@begins@
position p;
@@
nested_vmx_run(struct kvm_vcpu *vcpu, ...)
{
	...
	vmx->nested.nested_run_pending@p = 1;
+	l0_entry_begins(vcpu);
	...
}

@sync@
position p;
@@
nested_sync_vmcs12_to_shadow(struct kvm_vcpu *vcpu)
{
	...
	vmx->nested.need_vmcs12_to_shadow_sync@p = false;
+	l0_exit(vcpu);
}

@vmclear@
expression vmptr;
position p;
@@
handle_vmclear(struct kvm_vcpu *vcpu)
{
	...
	if (vmptr == vmx->nested.vmxon_ptr@p) return ...;
+	l0_vmclear(vcpu, vmptr);
	...
}

@init@
position p;
@@
vmx_init(...)
{
	...
+	l0_stale_init();
	return@p 0;
	...
}

@exit@
position p;
@@
vmx_exit(...)
{
+	l0_stale_exit();
	kvm_exit@p();
	...
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "../l0/stale.h"
