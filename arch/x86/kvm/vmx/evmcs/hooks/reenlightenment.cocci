// L1 is migrated: no vCPU updates its clock from the begin of KVM's notifier to its end, and
// each guest's clock goes on from where it was.
//
// in: arch/x86/kvm/x86.c
// rule: begin 1
// rule: end_emulation 1
// rule: rebase 1
// rule: end 1
// rule: holds 1
// rule: start 1
// rule: stop 1

@begin@
position p;
@@
kvm_hyperv_tsc_notifier(...)
{
	<...
	mutex_lock@p(&kvm_lock);
+	evmcs_migration_begin();
	...>
}

@end_emulation@
position p;
@@
kvm_hyperv_tsc_notifier(...)
{
	<...
-	hyperv_stop_tsc_emulation@p();
+	evmcs_migration_switch();
	...>
}

@rebase@
position p;
@@
kvm_hyperv_tsc_notifier(...)
{
	<...
-	pvclock_update_vm_gtod_copy@p(kvm);
+	evmcs_migration_rebase(kvm, pvclock_update_vm_gtod_copy);
	...>
}

@end@
position p;
@@
kvm_hyperv_tsc_notifier(...)
{
	<...
+	evmcs_migration_end();
	mutex_unlock@p(&kvm_lock);
	...>
}

@holds@
identifier v;
position p;
@@
kvm_guest_time_update(struct kvm_vcpu *v)
{
	...
	kernel_ns@p = 0;
+	if (evmcs_migration_holds(v))
+		return 1;
	...
}

@start@
position p;
@@
- set_hv_tscchange_cb@p(kvm_hyperv_tsc_notifier);
+ evmcs_migration_start(kvm_hyperv_tsc_notifier);

@stop@
position p;
@@
- clear_hv_tscchange_cb@p();
+ evmcs_migration_stop();
