// The enlightened MSR bitmap: L0 hears of a change when a bit changed, and not
// each time that KVM touches the bitmap. vmx_update_msr_bitmap_x2apic() stores
// whole words, and only when the APIC's mode changed.
//
// in: arch/x86/kvm/vmx/vmx.c
// rule: always 1
// rule: set_read 2
// rule: set_write 2
// rule: clear_read 1
// rule: clear_write 1
// rule: x2apic 1
// rule: header 1

@always@
position p;
@@
vmx_msr_bitmap_l01_changed(...)
{
	...
-	if (kvm_is_using_evmcs@p()) { ... }
	...
}

@set_read@
identifier f =~ "^vmx_(dis|en)able_intercept_for_msr$";
expression bitmap, msr;
position p;
@@
f(...)
{
	<...
-	vmx_set_msr_bitmap_read@p(bitmap, msr);
+	evmcs_intercept_msr(vmx, bitmap, msr, MSR_TYPE_R, true);
	...>
}

@set_write@
identifier f =~ "^vmx_(dis|en)able_intercept_for_msr$";
expression bitmap, msr;
position p;
@@
f(...)
{
	<...
-	vmx_set_msr_bitmap_write@p(bitmap, msr);
+	evmcs_intercept_msr(vmx, bitmap, msr, MSR_TYPE_W, true);
	...>
}

@clear_read@
identifier f =~ "^vmx_(dis|en)able_intercept_for_msr$";
expression bitmap, msr;
position p;
@@
f(...)
{
	<...
-	vmx_clear_msr_bitmap_read@p(bitmap, msr);
+	evmcs_intercept_msr(vmx, bitmap, msr, MSR_TYPE_R, false);
	...>
}

@clear_write@
identifier f =~ "^vmx_(dis|en)able_intercept_for_msr$";
expression bitmap, msr;
position p;
@@
f(...)
{
	<...
-	vmx_clear_msr_bitmap_write@p(bitmap, msr);
+	evmcs_intercept_msr(vmx, bitmap, msr, MSR_TYPE_W, false);
	...>
}

@x2apic@
expression mode;
position p;
@@
vmx_update_msr_bitmap_x2apic(...)
{
	<...
	vmx->x2apic_msr_bitmap_mode@p = mode;
+	evmcs_msr_bitmap_changed(vmx);
	...>
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "evmcs/msr_bitmap.h"
