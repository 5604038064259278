/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoint of kvm.ko: Hyper-V is asked to forget translations of guest-physical
 * addresses. The kernel's own hyperv:hyperv_nested_flush_guest_mapping and _range
 * tell of the same hypercalls, but not what is flushed.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM hvnest

#if !defined(HVNEST_EVMCS_FLUSH_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HVNEST_EVMCS_FLUSH_TRACE_H

#include <linux/math.h>
#include <linux/tracepoint.h>

#include <asm/hyperv-tlfs.h>

/*
 * A flush hypercall has been made, or has been tried: @root is the address of the
 * EPT's root table. The hypercall names @pages pages from @gfn on, in so many
 * ranges, or with 0 pages the whole address space. @error is 0, the hypercall's
 * status, or a negative error number.
 */
TRACE_EVENT(hvnest_flush,
	TP_PROTO(u64 root, u64 gfn, u64 pages, int error),
	TP_ARGS(root, gfn, pages, error),

	TP_STRUCT__entry(
		__field(u64,		root)
		__field(u64,		gfn)
		__field(u64,		pages)
		__field(u64,		ranges)
		__field(int,		error)
	),

	TP_fast_assign(
		__entry->root = root;
		__entry->gfn = gfn;
		__entry->pages = pages;
		__entry->ranges = DIV_ROUND_UP_ULL(pages, HV_MAX_FLUSH_PAGES);
		__entry->error = error;
	),

	TP_printk("root 0x%llx gfn 0x%llx pages %llu ranges %llu error %d",
		  __entry->root, __entry->gfn, __entry->pages,
		  __entry->ranges, __entry->error)
);

#endif /* HVNEST_EVMCS_FLUSH_TRACE_H */

/* Relative to arch/x86/kvm, which KVM's Makefile has in the include path. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH vmx/evmcs
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE flush_trace

#include <trace/define_trace.h>
