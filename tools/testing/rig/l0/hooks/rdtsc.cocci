// RDTSC of L1 and L2, while L1's TSC is emulated: rdtsc.c.
//
// in: arch/x86/kvm/vmx/vmx.c
// rule: enter 1
// rule: setup 1
// rule: header 1

@enter@
identifier vcpu;
position p;
@@
vmx_vcpu_run(struct kvm_vcpu *vcpu, ...)
{
	...
+	l0_rdtsc_enter(vcpu);
	vmx_vcpu_enter_exit@p(vcpu, ...);
+	l0_rdtsc_leave(vcpu);
	...
}

@setup@
expression r;
position p;
@@
vmx_hardware_setup(...)
{
	<...
	r = nested_vmx_hardware_setup@p(kvm_vmx_exit_handlers);
+	l0_rdtsc_setup(kvm_vmx_exit_handlers);
	...>
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "../l0/rdtsc.h"
