// A tracepoint for each entry with an eVMCS, where no store to it is left but that
// of the host's RSP.
//
// in: arch/x86/kvm/vmx/vmx.c
// rule: entry 1
// rule: header 1

@entry@
expression flags;
position p;
@@
vmx_vcpu_run(...)
{
	<...
+	trace_hvnest_entry(vmx);
	vmx_vcpu_enter_exit@p(vcpu, flags);
	...>
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "evmcs/trace.h"
