// SPDX-License-Identifier: GPL-2.0-only
/*
 * The out-of-line half of the VMCS accessors, and the check that the field
 * table describes the structure that the kernel was built with.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/smp.h>

#include "access.h"

/* Every row's offset and width against the kernel's declaration. */
#define EVMCS_FIELD(encoding, offs, width, grp, member)			\
	static_assert(offsetof(struct hv_enlightened_vmcs, member) == (offs) && \
		      sizeof_field(struct hv_enlightened_vmcs, member) == (width), \
		      #member ": not where or not as wide as in the kernel");
#include "field_rows.h"

static_assert(sizeof(struct hv_enlightened_vmcs) == EVMCS_BYTES);
static_assert(offsetof(struct hv_enlightened_vmcs, hv_clean_fields) ==
	      EVMCS_CLEAN_FIELDS_OFFSET);
static_assert(EVMCS_VERSION == KVM_EVMCS_VERSION);
static_assert(EVMCS_IO_BITMAP == HV_VMX_ENLIGHTENED_CLEAN_FIELD_IO_BITMAP);
static_assert(EVMCS_ENLIGHTENMENTSCONTROL ==
	      HV_VMX_ENLIGHTENED_CLEAN_FIELD_ENLIGHTENMENTSCONTROL);
static_assert(EVMCS_ALL == HV_VMX_ENLIGHTENED_CLEAN_FIELD_ALL);
static_assert(offsetof(struct hv_vp_assist_page, nested_control) == 32);
static_assert(offsetof(struct hv_vp_assist_page, enlighten_vmentry) == 40);
static_assert(offsetof(struct hv_vp_assist_page, current_nested_vmcs) == 48);

/**
 * evmcs_read_variable() - read a field whose encoding is not a constant
 * @field: VMCS encoding
 *
 * Context: as VMREAD: the VMCS in question is current.
 * Return: the value; 0 with one warning for a field that eVMCS lacks. The
 * controls that would need such a field are off (controls.c), so that is a bug
 * in the caller.
 */
u64 evmcs_read_variable(unsigned long field)
{
	if (WARN_ONCE(!evmcs_has_field(field),
		      "read of VMCS field 0x%lx, which eVMCS lacks\n", field))
		return 0;

	return evmcs_fetch(evmcs_current(), evmcs_slots[EVMCS_INDEX(field)]);
}

/**
 * evmcs_write_variable() - write a field whose encoding is not a constant
 * @field: VMCS encoding
 * @value: cut to the field's width
 *
 * Context: as VMWRITE. A field that eVMCS lacks: one warning and nothing else.
 */
void evmcs_write_variable(unsigned long field, u64 value)
{
	if (WARN_ONCE(!evmcs_has_field(field),
		      "write of VMCS field 0x%lx, which eVMCS lacks\n", field))
		return;

	evmcs_store(evmcs_current(), evmcs_slots[EVMCS_INDEX(field)], value);
}

/**
 * evmcs_load() - make an enlightened VMCS the CPU's current one, as VMPTRLD
 * @phys_addr: the page; current_vmcs points to it already
 *
 * L0 looks at the VP assist page on the next VMLAUNCH or VMRESUME
 * (TLFS, "Enlightened VMCS"; HV_VP_ASSIST_PAGE).
 *
 * Context: preemption off. Every CPU on which KVM runs has an assist page:
 * activate.c looked when the module was loaded and looks when a CPU comes up.
 */
void evmcs_load(u64 phys_addr)
{
	int cpu = smp_processor_id();
	struct hv_vp_assist_page *assist = hv_get_vp_assist_page(cpu);

	if (WARN_ONCE(!assist, "no VP assist page on CPU %d\n", cpu))
		return;

	assist->current_nested_vmcs = phys_addr;
	assist->enlighten_vmentry = 1;
}
