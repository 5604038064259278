// Where KVM answers its guest as Hyper-V: CPUID, synthetic MSRs, hypercalls.
//
// in: arch/x86/kvm/cpuid.c arch/x86/kvm/hyperv.c arch/x86/kvm/x86.c
// rule: cpuid 1
// rule: rdmsr 1
// rule: rdmsr_gp 1
// rule: wrmsr 1
// rule: hypercall 1
// rule: init 1
// rule: exit 1
// rule: header 3

@cpuid@
position p;
@@
kvm_cpuid(...)
{
	<...
+	l0_ept_cpuid(orig_function, eax);
+	l0_fault_cpuid(orig_function, eax, ebx, ecx, edx);
	trace_kvm_cpuid@p(...);
	...>
}

@rdmsr@
identifier vcpu, index, data, host, msr;
position p;
@@
__kvm_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	<...
-	*data = msr.data@p;
+	*data = host ? msr.data : l0_fault_rdmsr(index, msr.data);
	...>
}

@rdmsr_gp@
identifier vcpu, msr, pdata, host, hv;
position p;
@@
kvm_hv_get_msr_common(struct kvm_vcpu *vcpu, u32 msr, u64 *pdata, bool host)
{
	struct kvm_hv *hv = to_kvm_hv@p(vcpu->kvm);
+
+	if (!host && l0_fault_rdmsr_gp(msr))
+		return 1;
	...
}

@wrmsr@
identifier vcpu, msr, data, host, hv;
position p;
@@
kvm_hv_set_msr_common(struct kvm_vcpu *vcpu, u32 msr, u64 data, bool host)
{
	struct kvm_hv *hv = to_kvm_hv@p(vcpu->kvm);
+	int result;
+
+	if (!host && l0_fault_wrmsr(vcpu, msr, &result))
+		return result;
	...
}

@hypercall@
position p;
@@
kvm_hv_hypercall(...)
{
	...
	trace_kvm_hv_hypercall@p(...);
+	if (l0_fault_hypercall(hc.code)) {
+		ret = HV_STATUS_INVALID_HYPERCALL_CODE;
+		goto hypercall_complete;
+	}
+	if (l0_ept_hypercall(vcpu, hc.param, hc.ingpa, hc.outgpa, &ret))
+		goto hypercall_complete;
	...
}

@init@
position p;
@@
kvm_x86_init(...)
{
+	l0_faults_init();
+	l0_ept_init();
+	l0_direct_flush_init();
+	l0_clock_init();
+	l0_pages_init();
	kvm_init_xstate_sizes@p();
	...
}

@exit@
position p;
@@
kvm_x86_exit@p(...)
{
+	l0_clock_exit();
+	l0_direct_flush_exit();
+	l0_ept_exit();
+	l0_faults_exit();
	...
}

@header@
position p;
@@
#include "xen.h"@p
+ #include "l0/clock.h"
+ #include "l0/direct_flush.h"
+ #include "l0/ept.h"
+ #include "l0/faults.h"
+ #include "l0/pages.h"
