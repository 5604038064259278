// Where KVM, as L0, serves a TLB flush of L2's, and decides on the exit after it.
//
// in: arch/x86/kvm/hyperv.c
// rule: served 1
// rule: lock 1

@served@
identifier vcpu, hc;
expression mask;
position p;
@@
kvm_hv_flush_tlb(struct kvm_vcpu *vcpu, struct kvm_hv_hcall *hc)
{
	<...
	bitmap_zero@p(mask, KVM_MAX_VCPUS);
+	l0_direct_flush_served(vcpu, all_cpus, valid_bank_mask, sparse_banks);
	...>
}

@lock@
identifier vcpu, count, result;
position p;
@@
kvm_hv_hypercall_complete(struct kvm_vcpu *vcpu, u64 result)
{
	u32 count = 0;
	...
+	if (hv_result_success(result) && is_guest_mode(vcpu) &&
+	    kvm_hv_is_tlb_flush_hcall(vcpu) && l0_fault_tlb_lock())
+		count = 1;
	trace_kvm_hv_hypercall_done@p(result);
	...
}
