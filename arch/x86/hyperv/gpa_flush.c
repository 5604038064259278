// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's EPTs: have Hyper-V forget what it made of them, on all processors. TLFS 16.11.7
 * and 16.11.8: HvCallFlushGuestPhysicalAddressSpace, HvCallFlushGuestPhysicalAddressList.
 */
#include <linux/build_bug.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <asm/mshyperv.h>

#include "result.h"

#define CREATE_TRACE_POINTS
#include <asm/trace/hyperv.h>

static_assert(HV_REPS_SHIFT == HV_HYPERCALL_REP_COMP_OFFSET);
static_assert(HV_REPS_MASK << HV_REPS_SHIFT == HV_HYPERCALL_REP_COMP_MASK);
static_assert(HV_REP_START_SHIFT == HV_HYPERCALL_REP_START_OFFSET);

/* This CPU's input page with interrupts off, or NULL with interrupts as they were. */
static void *begin(unsigned long *flags)
{
	void *input;

	if (!hv_hypercall_pg)
		return NULL;
	local_irq_save(*flags);
	input = *this_cpu_ptr(hyperv_pcpu_input_arg);
	if (!input)
		local_irq_restore(*flags);
	return input;
}

/**
 * hyperv_flush_guest_mapping() - all of an EPT
 * @as: physical address of its root
 *
 * Context: any but NMI.
 * Return: 0; -ENODEV without a hypercall page; else see hv_status_error().
 */
int hyperv_flush_guest_mapping(u64 as)
{
	struct hv_guest_mapping_flush *input;
	unsigned long flags;
	int error = -ENODEV;

	input = begin(&flags);
	if (input) {
		*input = (struct hv_guest_mapping_flush){ .address_space = as };
		error = hv_status_error(hv_do_hypercall(HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_SPACE,
							input, NULL));
		local_irq_restore(flags);
	}
	trace_hyperv_nested_flush_guest_mapping(as, error);
	return error;
}
EXPORT_SYMBOL_GPL(hyperv_flush_guest_mapping);

/**
 * hyperv_fill_flush_guest_mapping_list() - name the pages of a range
 * @flush:     gets them, from the first entry on
 * @start_gfn: the first page
 * @pages:     so many, at least 1
 *
 * Context: any.
 * Return: the number of entries, or -ENOSPC where they do not fit.
 */
int hyperv_fill_flush_guest_mapping_list(struct hv_guest_mapping_flush_list *flush,
					 u64 start_gfn, u64 pages)
{
	u64 entries = DIV_ROUND_UP_ULL(pages, HV_MAX_FLUSH_PAGES), left = pages;
	union hv_gpa_page_range *entry = flush->gpa_list;

	if (entries > ARRAY_SIZE(flush->gpa_list))
		return -ENOSPC;
	for (; left; entry++) {
		u64 here = min_t(u64, left, HV_MAX_FLUSH_PAGES);

		/* TLFS 16.11.8: so many more than the one that is named */
		entry->address_space = 0;
		entry->page.basepfn = start_gfn + pages - left;
		entry->page.additional_pages = here - 1;
		left -= here;
	}
	return entries;
}
EXPORT_SYMBOL_GPL(hyperv_fill_flush_guest_mapping_list);

static int flush_list(struct hv_guest_mapping_flush_list *input, u16 entries)
{
	const u16 code = HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_LIST;
	int next = 0;

	do {
		u64 control = hv_rep_control(code, entries, next);

		next = hv_rep_next(hv_do_hypercall(control, input, NULL), entries, next);
	} while (next > 0);
	return next;
}

/**
 * hyperv_flush_guest_mapping_range() - pages of an EPT
 * @as:        physical address of its root
 * @fill_func: fills the list of pages; returns the number of entries or an error
 * @data:      for @fill_func
 *
 * Context: any but NMI; @fill_func is called with interrupts off.
 * Return: 0; an error of @fill_func; -ENODEV without a hypercall page; else see
 * hv_status_error() and hv_rep_next().
 */
int hyperv_flush_guest_mapping_range(u64 as, hyperv_fill_flush_list_func fill_func, void *data)
{
	struct hv_guest_mapping_flush_list *input;
	unsigned long flags;
	int error = -ENODEV;

	input = begin(&flags);
	if (input) {
		input->address_space = as;
		input->flags = 0;
		error = fill_func(input, data);
		if (error > 0)
			error = flush_list(input, error);
		local_irq_restore(flags);
	}
	trace_hyperv_nested_flush_guest_mapping_range(as, error);
	return error;
}
EXPORT_SYMBOL_GPL(hyperv_flush_guest_mapping_range);
