// L0 may offer to flush guest-physical mappings and then refuse it. KVM goes on with
// INVEPT, and says so.
//
// in: arch/x86/kvm/kvm_onhyperv.c
// rule: refused 1

@refused@
identifier kvm;
position p;
@@
hv_flush_remote_tlbs(struct kvm *kvm)
{
-	return __hv_flush_remote_tlbs_range@p(kvm, NULL);
+	int error = __hv_flush_remote_tlbs_range(kvm, NULL);
+
+	if (error)
+		pr_warn_once("Hyper-V refuses to flush guest mappings (error %d): KVM flushes by INVEPT\n",
+			     error);
+	return error;
}
