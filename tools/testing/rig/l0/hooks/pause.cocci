// PAUSE as an exit, on request: pause.c.
//
// in: arch/x86/kvm/vmx/vmx.c
// rule: control 1
// rule: header 1

@control@
identifier vmx, controls;
position p;
@@
vmx_exec_control(struct vcpu_vmx *vmx)
{
	...
-	return controls@p;
+	return controls | l0_pause_control();
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "../l0/pause.h"
