// Discovery and teardown: activate.c takes the place of three functions of
// vmx.c (and of their empty twins for a kernel without CONFIG_HYPERV).
//
// in: arch/x86/kvm/vmx/vmx.c
// rule: drop_init 2
// rule: drop_reset 2
// rule: drop_flush 1
// rule: setup 1
// rule: usable 1
// rule: release 1
// rule: show 1
// rule: hide 1
// rule: headers 1

@drop_init@
identifier f =~ "^hv_init_evmcs$";
position p;
@@
- f@p(...) { ... }

@drop_reset@
identifier f =~ "^hv_reset_evmcs$";
position p;
@@
- f@p(...) { ... }

@drop_flush@
identifier f =~ "^hv_enable_l2_tlb_flush$";
position p;
@@
- f@p(...) { ... }

// What the module's parameter reads as afterwards is what is in use.
@setup@
position p;
@@
vmx_init(...)
{
	<...
-	hv_init_evmcs@p();
+	enlightened_vmcs = evmcs_setup(enlightened_vmcs);
	...>
}

// A VP assist page that is merely allocated need not be one that L0 knows.
@usable@
expression cpu;
position p;
@@
vmx_enable_virtualization_cpu(...)
{
	<...
-	!hv_get_vp_assist_page@p(cpu)
+	!evmcs_cpu_usable(cpu)
	...>
}

@release@
position p;
@@
vmx_disable_virtualization_cpu(...)
{
	<...
-	hv_reset_evmcs@p();
+	evmcs_cpu_release();
	...>
}

// The status file comes when nothing can fail any more, and goes first.
@show@
position p;
@@
vmx_init(...)
{
	...
+	evmcs_status_register();
	return@p 0;
	...
}

@hide@
position p;
@@
vmx_exit(...)
{
+	evmcs_status_unregister();
	kvm_exit@p();
	...
}

@headers@
position p;
@@
#include "x86_ops.h"@p
+ #include "evmcs/activate.h"
+ #include "evmcs/status.h"
