// The frequency of L1's TSC changes, and its reference TSC page comes and goes: clock.c.
//
// in: arch/x86/kvm/hyperv.c
// rule: status 1
// rule: page 1

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
