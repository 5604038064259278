// A vCPU's identity in its eVMCS, set when it is created and looked at when one
// of its VMCSs is loaded; the clean fields after each attempt to enter; and one more
// attempt where L0 refused the entry.
//
// in: arch/x86/kvm/vmx/vmx.c arch/x86/kvm/vmx/vmx.h
// rule: vm_id 1
// rule: create 1
// rule: load 1
// rule: run 1
// rule: refusals 1
// rule: refused 1
// rule: header 1

@vm_id@
position p;
@@
struct kvm_vmx {
	...
	u64 *pid_table@p;
+	/* VmId in the VM's enlightened VMCSs, 0 until the first vCPU */
+	u64 evmcs_vm_id;
	...
};

@create@
position p;
@@
vmx_vcpu_create(...)
{
	<...
-	if (kvm_is_using_evmcs@p() && ...) { ... }
+	evmcs_vcpu_create(vmx);
	...>
}

@load@
identifier vcpu, cpu, buddy;
position p;
@@
vmx_vcpu_load_vmcs@p(struct kvm_vcpu *vcpu, int cpu, struct loaded_vmcs *buddy)
{
	...
+	evmcs_vcpu_load(to_vmx(vcpu));
}

@run@
position p;
@@
vmx_vcpu_run(...)
{
	<...
-	if (kvm_is_using_evmcs@p()) { ... }
+	evmcs_after_run(vmx);
	...>
}

@refusals@
position p;
@@
struct vcpu_vmx {
	...
	u8 fail@p;
+	/* Attempts at the entry that L0 refuses, and stat.exits at the last one */
+	u8 evmcs_attempts;
+	u64 evmcs_refused_at;
	...
};

@refused@
position p;
@@
__vmx_handle_exit(...)
{
	<...
+	if (unlikely(vmx->fail) && evmcs_retry(vmx))
+		return 1;
	if (unlikely(vmx->fail@p)) { ... }
	...>
}

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "evmcs/retry.h"
+ #include "evmcs/vcpu.h"
