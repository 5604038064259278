// Around each entry of L0's guest: how long L1 takes over an exit of L2.
//
// in: arch/x86/kvm/vmx/vmx.c
// rule: run 1
// rule: init 1
// rule: exit 1
// rule: header 1

@run@
identifier vcpu;
position p;
@@
vmx_vcpu_run(struct kvm_vcpu *vcpu, ...)
{
	...
+	l0_window_enter(vcpu);
	vmx_vcpu_enter_exit@p(vcpu, ...);
+	l0_window_leave(vcpu);
	...
}

@init@
position p;
@@
vmx_init(...)
{
	...
+	l0_window_init();
	return@p 0;
	...
}

@exit@
position p;
@@
vmx_exit(...)
{
	...
+	l0_window_exit();
	kvm_exit@p();
	...
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "../l0/window.h"
