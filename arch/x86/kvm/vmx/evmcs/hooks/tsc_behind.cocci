// No master clock, and no trust in L2's TSC, once a CPU was seen whose TSC is behind.
//
// in: arch/x86/kvm/x86.c
// rule: unstable 1
// rule: cpu_on 1
// rule: load 1
// rule: raw 1
// rule: ahead 1

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
+	evmcs_tsc_behind_cpu_on();
	...>
}

@load@
identifier vcpu;
position p;
@@
kvm_arch_vcpu_load(struct kvm_vcpu *vcpu, ...)
{
	...
	vcpu->arch.l1tf_flush_l1d@p = true;
+	evmcs_tsc_behind_load(vcpu, pvclock_gtod_data.clock.vclock_mode,
+			      READ_ONCE(pvclock_gtod_data.clock.cycle_last));
	...
}

// Of the two functions of this name the one that adds to the raw clock.
@raw@
position p;
@@
get_kvmclock_base_ns(...)
{
	<...
-	ktime_get_raw@p()
+	evmcs_ktime_get_raw()
	...>
}

// A base that was taken on another CPU.
@ahead@
position p;
@@
kvm_guest_time_update(struct kvm_vcpu *v)
{
	<...
	if (unlikely(tgt_tsc_khz == 0)) {
		...
	}
+	if (use_master_clock && evmcs_tsc_behind_base(host_tsc))
+		use_master_clock = false;
	if (!use_master_clock@p) {
		...
	}
	...>
}
