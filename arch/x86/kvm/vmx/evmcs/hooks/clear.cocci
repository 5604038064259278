// VMCLEAR makes L0 drop what it holds of a VMCS, so nothing of it is clean any
// more. It is executed at creation, before a move to another CPU and when a
// CPU stops: all through this one function. The function returns out of the
// middle of its asm goto, so that nothing can be appended to it.
//
// in: arch/x86/kvm/vmx/vmx_ops.h
// rule: clear 1

@clear@
identifier vmcs;
position p;
@@
- vmcs_clear@p(struct vmcs *vmcs)
+ __vmcs_clear(struct vmcs *vmcs)
{
	...
}
+
+static inline void vmcs_clear(struct vmcs *vmcs)
+{
+	__vmcs_clear(vmcs);
+	evmcs_cleared(vmcs);
+}
