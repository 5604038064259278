/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of kvm-intel.ko: what an entry makes L0 load, what L0 is asked to flush,
 * and which enlightenments come into use or go.
 *
 * Each is instantiated in the module that fires it (trace.c), so nothing is
 * exported. While a tracepoint is off it is one jump that is not taken.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM hvnest

#if !defined(HVNEST_EVMCS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HVNEST_EVMCS_TRACE_H

#include <linux/tracepoint.h>

#include "../vmx.h"

#include "access.h"

/* The clean field groups by the names that the TLFS has for them. */
#define hvnest_print_groups(groups)					\
	__print_flags(groups, "|",					\
		      { EVMCS_IO_BITMAP,	"IO_BITMAP" },		\
		      { EVMCS_MSR_BITMAP,	"MSR_BITMAP" },		\
		      { EVMCS_CONTROL_GRP2,	"CONTROL_GRP2" },	\
		      { EVMCS_CONTROL_GRP1,	"CONTROL_GRP1" },	\
		      { EVMCS_CONTROL_PROC,	"CONTROL_PROC" },	\
		      { EVMCS_CONTROL_EVENT,	"CONTROL_EVENT" },	\
		      { EVMCS_CONTROL_ENTRY,	"CONTROL_ENTRY" },	\
		      { EVMCS_CONTROL_EXCPN,	"CONTROL_EXCPN" },	\
		      { EVMCS_CRDR,		"CRDR" },		\
		      { EVMCS_CONTROL_XLAT,	"CONTROL_XLAT" },	\
		      { EVMCS_GUEST_BASIC,	"GUEST_BASIC" },	\
		      { EVMCS_GUEST_GRP1,	"GUEST_GRP1" },		\
		      { EVMCS_GUEST_GRP2,	"GUEST_GRP2" },		\
		      { EVMCS_HOST_POINTER,	"HOST_POINTER" },	\
		      { EVMCS_HOST_GRP1,	"HOST_GRP1" },		\
		      { EVMCS_ENLIGHTENMENTSCONTROL, "ENLIGHTENMENTSCONTROL" })

/*
 * A vCPU is about to be entered with its eVMCS, and L0 will load these groups.
 *
 * One store comes later: the host's RSP, in the noinstr code of the entry. It
 * is the same at each entry unless another thread runs the vCPU, and then
 * HOST_POINTER is dirty without showing here.
 */
TRACE_EVENT_CONDITION(hvnest_entry,
	TP_PROTO(struct vcpu_vmx *vmx),
	TP_ARGS(vmx),
	TP_CONDITION(kvm_is_using_evmcs()),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u16,		clean)
		__field(u16,		dirty)
		__field(bool,		launched)
		__field(bool,		nested)
	),

	TP_fast_assign(
		__entry->vcpu_id = vmx->vcpu.vcpu_id;
		__entry->clean = *evmcs_clean_fields(vmx->loaded_vmcs->vmcs);
		__entry->dirty = EVMCS_ALL & ~__entry->clean;
		__entry->launched = vmx->loaded_vmcs->launched;
		__entry->nested = vmx->loaded_vmcs != &vmx->vmcs01;
	),

	TP_printk("vcpu %u %s%s clean 0x%04x dirty %s", __entry->vcpu_id,
		  __entry->launched ? "resume" : "launch",
		  __entry->nested ? " nested" : "",
		  __entry->clean, hvnest_print_groups(__entry->dirty))
);

/*
 * L0 has been asked to forget translations of guest-physical addresses: @root is the
 * address of the EPT's root table. Named were @pages pages, the first of them @gfn, in
 * @entries entries of as many lists as it took, or with 0 entries the whole address
 * space. @error is 0, the hypercall's status, or a negative error number.
 *
 * The kernel's own hyperv:hyperv_nested_flush_guest_mapping and _range tell of each
 * single hypercall, but not what is flushed.
 */
TRACE_EVENT(hvnest_flush,
	TP_PROTO(u64 root, u64 gfn, u64 pages, u64 entries, int error),
	TP_ARGS(root, gfn, pages, entries, error),

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
		__entry->ranges = entries;
		__entry->error = error;
	),

	TP_printk("root 0x%llx gfn 0x%llx pages %llu ranges %llu error %d",
		  __entry->root, __entry->gfn, __entry->pages,
		  __entry->ranges, __entry->error)
);

/*
 * An enlightenment has come into use or has not: on one CPU, or with cpu -1 on
 * all of them. Names, states and reasons are those of the status file.
 */
TRACE_EVENT(hvnest_activation,
	TP_PROTO(int cpu, const char *name, const char *state, const char *reason),
	TP_ARGS(cpu, name, state, reason),

	TP_STRUCT__entry(
		__field(int,		cpu)
		__string(name,		name)
		__string(state,		state)
		__string(reason,	*reason ? reason : "-")
	),

	TP_fast_assign(
		__entry->cpu = cpu;
		__assign_str(name);
		__assign_str(state);
		__assign_str(reason);
	),

	TP_printk("cpu %d %s %s %s", __entry->cpu, __get_str(name),
		  __get_str(state), __get_str(reason))
);

#endif /* HVNEST_EVMCS_TRACE_H */

/* Relative to arch/x86/kvm, which KVM's Makefile has in the include path. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH vmx/evmcs
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

#include <trace/define_trace.h>
