// Exits to L0 that can be avoided are: L1's DEBUGCTL is read before a VM entry only
// where it may be other than zero. Of those that cannot, status tells.
//
// in: arch/x86/kvm/x86.c arch/x86/kvm/vmx/vmx.c
// rule: read 1
// rule: x86_header 1
// rule: cpu_on 1
// rule: cpu_off 1
// rule: vmx_header 1

@read@
position p;
@@
vcpu_enter_guest(...)
{
	<...
-	get_debugctlmsr@p()
+	evmcs_host_debugctl()
	...>
}

@x86_header@
position p;
@@
#include "xen.h"@p
+ #include "vmx/evmcs/debugctl.h"

@cpu_on@
position p;
@@
vmx_enable_virtualization_cpu(...)
{
	...
+	evmcs_costs_cpu_on();
	return@p 0;
}

@cpu_off@
position p;
@@
vmx_disable_virtualization_cpu@p(...)
{
+	evmcs_costs_cpu_off();
	...
}

@vmx_header@
position p;
@@
#include "x86_ops.h"@p
+ #include "evmcs/costs.h"
