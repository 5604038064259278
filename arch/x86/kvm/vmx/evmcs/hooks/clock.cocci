// The guests' clocks get their base from Hyper-V's TSC page only while the TSCs of all CPUs
// agree with it.
//
// in: arch/x86/kvm/x86.c arch/x86/kvm/vmx/vmx.c
// rule: base 1
// rule: unstable 1
// rule: cpu_on 1
// rule: stop 1
// rule: header 1
// rule: setup 1
// rule: off 1
// rule: vmx_header 1

@base@
identifier clock, tsc, mode, time;
position p;
@@
vgettsc(struct pvclock_clock *clock, u64 *tsc, int *mode)
{
	<...
-	hv_read_tsc_page_tsc@p(hv_get_tsc_page(), tsc, &time)
+	evmcs_read_tsc_page(clock->cycle_last, tsc, &time)
	...>
}

@unstable@
position p;
@@
kvm_check_tsc_unstable(...)
{
	<...
	if (pvclock_gtod_data.clock.vclock_mode == VDSO_CLOCKMODE_HVCLOCK@p)
-		return false;
+		return evmcs_tsc_is_behind();
	...>
}

@cpu_on@
position p;
@@
kvm_arch_enable_virtualization_cpu(...)
{
	<...
	kvm_user_return_msr_cpu_online@p();
+	evmcs_clock_cpu_on();
	...>
}

@stop@
position p;
@@
kvm_x86_vendor_exit@p(...)
{
+	evmcs_clock_stop();
	...
}

@header@
position p;
@@
#include "xen.h"@p
+ #include "vmx/evmcs/clock.h"

@setup@
expression r;
position p;
@@
vmx_init(...)
{
	<...
+	evmcs_clock_setup();
	r = kvm_init@p(...);
	...>
}

@off@
position p;
@@
vmx_hardware_unsetup@p(...)
{
+	evmcs_clock_off();
	...
}

@vmx_header@
position p;
@@
#include "x86_ops.h"@p
+ #include "evmcs/clock_status.h"
