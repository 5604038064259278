// A guest's guest with a TPR shadow of its own does not inherit the exits for CR8 that
// its hypervisor makes while that one is without a shadow: tpr_shadow.c.
//
// in: arch/x86/kvm/vmx/nested.c
// rule: vmcs02 1

@vmcs02@
identifier controls;
position p;
@@
prepare_vmcs02_early(...)
{
	<...
-	controls &= ~CPU_BASED_TPR_SHADOW@p;
+	controls &= ~(CPU_BASED_TPR_SHADOW | CPU_BASED_CR8_LOAD_EXITING |
+		      CPU_BASED_CR8_STORE_EXITING);
	...>
}
