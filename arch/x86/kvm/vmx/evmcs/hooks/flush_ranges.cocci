// Which pages changed, where KVM would flush a whole guest or memory slot.
//
// in: virt/kvm/kvm_main.c arch/x86/kvm/mmu/tdp_mmu.c
// rule: notifier 1
// rule: notifier_flush 1
// rule: log 2
// rule: log_set 2
// rule: log_flush 2
// rule: yield 1
// rule: main_header 1
// rule: mmu_header 1

@notifier@
identifier kvm, range, r;
position p;
@@
__kvm_handle_hva_range(struct kvm *kvm, const struct kvm_mmu_notifier_range *range)
{
	<...
-	r.ret |= range->handler@p(kvm, &gfn_range);
+	r.ret |= evmcs_handle_gfn_range(kvm, &gfn_range, range->handler,
+					range->flush_on_ret ? &changed : NULL);
	...>
}

@notifier_flush@
identifier kvm, range, r;
position p;
@@
__kvm_handle_hva_range(struct kvm *kvm, const struct kvm_mmu_notifier_range *range)
{
	...
	struct kvm_gfn_range gfn_range;
+	struct evmcs_gfn_ranges changed;
	...
+	changed.count = 0;
	idx = srcu_read_lock(&kvm->srcu);
	...
-	if (range->flush_on_ret && r.ret)
+	if (range->flush_on_ret && r.ret && !evmcs_flush_changed(kvm, &changed))
		kvm_flush_remote_tlbs@p(kvm);
	...
}

@log@
expression kvm, slot, offset, mask;
position p;
@@
- kvm_arch_mmu_enable_log_dirty_pt_masked@p(kvm, slot, offset, mask);
+ evmcs_log_dirty(kvm, slot, offset, mask, &changed);

@log_set@
identifier f =~ "^kvm_(get|clear)_dirty_log_protect$";
identifier flush;
position p;
@@
f(...)
{
	...
	bool flush@p;
+	struct evmcs_gfn_ranges changed = { .count = 0 };
	...
}

@log_flush@
identifier f =~ "^kvm_(get|clear)_dirty_log_protect$";
identifier kvm, flush, slot;
position p;
@@
f(struct kvm *kvm, ...)
{
	<...
-	if (flush)
+	if (flush && !evmcs_flush_changed(kvm, &changed))
		kvm_flush_remote_tlbs_memslot@p(kvm, slot);
	...>
}

// What is left to flush from another root may have been mapped otherwise there: then
// KVM flushes all, as ever.
@yield@
identifier kvm, root, start, end, can_yield, flush, iter;
position p;
@@
tdp_mmu_zap_leafs(struct kvm *kvm, struct kvm_mmu_page *root, gfn_t start, gfn_t end,
		  bool can_yield, bool flush)
{
	struct tdp_iter iter;
+	const bool inherited = flush;
+	struct evmcs_gfn_range mapped;
	...
	rcu_read_lock();
+	mapped = evmcs_mapped(kvm, kvm_mmu_page_as_id(root), start, end);
	<...
+		if (can_yield && !inherited)
+			flush = evmcs_flush_before_yield(kvm, &mapped, flush);
		if (can_yield && tdp_mmu_iter_cond_resched@p(...)) { ... }
	...>
}

@main_header@
position p;
@@
#include "kvm_mm.h"@p
+ #include "vmx/evmcs/flush_ranges.h"

@mmu_header@
position p;
@@
#include "tdp_mmu.h"@p
+ #include "vmx/evmcs/flush_ranges.h"
