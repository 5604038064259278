// VMCLEAR makes L0 drop what it holds of a VMCS, so nothing of it is clean any
// more. It is executed at creation, before a move to another CPU and when a
// CPU stops: all through this one function.
//
// in: arch/x86/kvm/vmx/vmx_ops.h
// rule: clear 1

@clear@
identifier vmcs;
position p;
@@
vmcs_clear@p(struct vmcs *vmcs)
{
	...
+	evmcs_cleared(vmcs);
}
