// The frequency of L1's TSC changes, and its reference TSC page comes and goes: clock.c.
//
// in: arch/x86/kvm/hyperv.c
// rule: status 1
// rule: page 1
// rule: counter 1

@status@
expression hv, data;
position p;
@@
kvm_hv_set_msr_pw(struct kvm_vcpu *vcpu, ...)
{
	<...
	hv->hv_tsc_emulation_status@p = data;
+	if (!host)
+		l0_clock_status_written(vcpu, data);
	...>
}

@page@
position p;
@@
compute_tsc_page_parameters(...)
{
	u64 max_mul@p;
+
+	if (l0_clock_page_off())
+		return false;
	...
}

// KVM makes the reference counter of L1's TSC and page; here it is to judge these.
@counter@
expression hv;
position p;
@@
get_time_ref_counter(...)
{
	<...
-	if (hv->hv_tsc_page_status@p != HV_TSC_PAGE_SET)
-		return div_u64(get_kvmclock_ns(kvm), 100);
+	return div_u64(get_kvmclock_ns(kvm), 100);
	...>
}
