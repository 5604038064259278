// A tracepoint for each hypercall that flushes guest-physical mappings.
//
// in: arch/x86/kvm/kvm_onhyperv.c
// rule: flush 1
// rule: header 1

@flush@
typedef hpa_t;
identifier root, range;
position p;
@@
- hv_remote_flush_root_tdp@p(hpa_t root, struct kvm_hv_tlb_range *range)
+ __hv_remote_flush_root_tdp(hpa_t root, struct kvm_hv_tlb_range *range)
{
	...
}
+
+static int hv_remote_flush_root_tdp(hpa_t root, struct kvm_hv_tlb_range *range)
+{
+	int error = __hv_remote_flush_root_tdp(root, range);
+
+	trace_hvnest_flush(root, range ? range->start_gfn : 0,
+			   range ? range->pages : 0, error);
+	return error;
+}

@header@
position p;
@@
#include "kvm_onhyperv.h"@p
+ #include "vmx/evmcs/flush_trace.h"
