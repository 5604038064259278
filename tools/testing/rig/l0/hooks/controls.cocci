// What L0 tells L1 about VMX: without what an eVMCS cannot express, unless a fault
// says otherwise.
//
// in: arch/x86/kvm/vmx/vmx.c
// rule: filter 1
// rule: header 1

@filter@
position p;
@@
vmx_get_msr(...)
{
	<...
-	nested_evmcs_filter_control_msr@p
+	l0_filter_control_msr
		(...)
	...>
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "../l0/controls.h"
