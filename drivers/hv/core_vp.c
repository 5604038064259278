// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each CPU has for hypercalls: Hyper-V's number of it (TLFS 7.8.1), and pages for
 * input and output.
 */
#include <linux/export.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <asm/mshyperv.h>
#include <asm/msr.h>

void * __percpu *hyperv_pcpu_output_arg;
EXPORT_SYMBOL_GPL(hyperv_pcpu_output_arg);

void * __percpu *hyperv_pcpu_input_arg;
EXPORT_SYMBOL_GPL(hyperv_pcpu_input_arg);

/* The highest of hv_vp_index; it never goes down. */
u32 hv_max_vp_index;
EXPORT_SYMBOL_GPL(hv_max_vp_index);

/* By CPU; VP_INVAL before it has been online, or where Hyper-V does not tell */
u32 *hv_vp_index;
EXPORT_SYMBOL_GPL(hv_vp_index);

/**
 * hv_common_free() - undo hv_common_init()
 *
 * Context: while the kernel boots, before the first hv_common_cpu_init().
 */
void __init hv_common_free(void)
{
	free_percpu(hyperv_pcpu_input_arg);
	free_percpu(hyperv_pcpu_output_arg);
	kfree(hv_vp_index);
	hyperv_pcpu_input_arg = NULL;
	hyperv_pcpu_output_arg = NULL;
	hv_vp_index = NULL;
}

/**
 * hv_common_init() - prepare for the CPUs
 *
 * Context: while the kernel boots.
 * Return: 0 or -ENOMEM.
 */
int __init hv_common_init(void)
{
	hyperv_pcpu_input_arg = alloc_percpu(void *);
	hyperv_pcpu_output_arg = alloc_percpu(void *);
	hv_vp_index = kcalloc(nr_cpu_ids, sizeof(*hv_vp_index), GFP_KERNEL);
	if (!hyperv_pcpu_input_arg || !hyperv_pcpu_output_arg || !hv_vp_index) {
		hv_common_free();
		return -ENOMEM;
	}
	/* Each byte of VP_INVAL is the same. */
	memset(hv_vp_index, 0xff, nr_cpu_ids * sizeof(*hv_vp_index));
	return 0;
}

static int give_page(void * __percpu *slot)
{
	if (!*this_cpu_ptr(slot))
		*this_cpu_ptr(slot) = hv_alloc_hyperv_page();
	return *this_cpu_ptr(slot) ? 0 : -ENOMEM;
}

/**
 * hv_common_cpu_init() - this CPU's pages and VP index
 * @cpu: this CPU
 *
 * The pages stay when the CPU goes offline: interrupts are still moved away from it by
 * hypercalls then.
 *
 * Context: on @cpu, while it comes online (may sleep), or as it resumes (it has pages).
 * Return: 0 or -ENOMEM.
 */
int hv_common_cpu_init(unsigned int cpu)
{
	int error;
	u64 index;

	error = give_page(hyperv_pcpu_input_arg) ?: give_page(hyperv_pcpu_output_arg);
	if (error)
		return error;
	if (!(ms_hyperv.features & HV_MSR_VP_INDEX_AVAILABLE) ||
	    rdmsrl_safe(HV_X64_MSR_VP_INDEX, &index))
		return 0;
	WRITE_ONCE(hv_vp_index[cpu], index);
	if (index > hv_max_vp_index)
		hv_max_vp_index = index;
	return 0;
}

/**
 * hv_common_cpu_die() - this CPU goes
 * @cpu: this CPU
 *
 * Context: on @cpu.
 * Return: 0: there is nothing to take back.
 */
int hv_common_cpu_die(unsigned int cpu)
{
	return 0;
}
