// The guests' clocks get their base, and the TSC's frequency, from Hyper-V's TSC page; and a
// new base when the page is another one.
//
// in: arch/x86/kvm/x86.c arch/x86/kvm/vmx/vmx.c
// rule: base 1
// rule: guest_hz 1
// rule: ioctl_hz 1
// rule: epoch_hz 1
// rule: late_page 1
// rule: tick 1
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
+	evmcs_read_tsc_page(clock == &pvclock_gtod_data.raw_clock, clock->cycle_last, tsc, &time)
	...>
}

// KVM computes the scale only where the frequency in kHz has changed.
@guest_hz@
expression time;
position p;
@@
kvm_guest_time_update(struct kvm_vcpu *v)
{
	<...
+	if (use_master_clock && evmcs_clock_hz(0))
+		kvm_get_time_scale(NSEC_PER_SEC,
+				   kvm_scale_tsc(evmcs_clock_hz(0), v->arch.l1_tsc_scaling_ratio),
+				   &vcpu->hv_clock.tsc_shift,
+				   &vcpu->hv_clock.tsc_to_system_mul);
	vcpu->hv_clock.tsc_timestamp@p = time;
	...>
}

@ioctl_hz@
expression shift, mul;
position p;
@@
__get_kvmclock(...)
{
	<...
	kvm_get_time_scale(NSEC_PER_SEC,
-			   get_cpu_tsc_khz@p() * 1000LL,
+			   evmcs_clock_hz(get_cpu_tsc_khz() * 1000LL),
			   shift, mul);
	...>
}

@epoch_hz@
expression khz, shift, mul;
position p;
@@
kvm_get_wall_clock_epoch(...)
{
	<...
	kvm_get_time_scale@p(NSEC_PER_SEC,
-			   khz * NSEC_PER_USEC,
+			   evmcs_clock_hz(khz * NSEC_PER_USEC),
			   shift, mul);
	...>
}

// Another base has come since this vCPU has looked: its page may have the old one.
@late_page@
position p;
@@
kvm_guest_time_update(struct kvm_vcpu *v)
{
	<...
	kvm_hv_setup_tsc_page@p(...);
+	if (read_seqcount_retry(&ka->pvclock_sc, seq))
+		evmcs_clock_rewrite_page(v->kvm, true);
	...>
}

@tick@
position p;
@@
pvclock_gtod_notify(...)
{
	<...
	update_pvclock_gtod@p(...);
+	evmcs_clock_tick(gtod->clock.vclock_mode, gtod->clock.cycle_last,
+			 (gtod->raw_clock.base_cycles >> gtod->raw_clock.shift) +
+			 gtod->raw_clock.offset);
	...>
}

@stop@
position p;
@@
kvm_x86_vendor_exit(...)
{
	<...
	cancel_work_sync@p(&pvclock_gtod_work);
+	evmcs_tsc_behind_stop();
+	evmcs_clock_stop();
	...>
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
