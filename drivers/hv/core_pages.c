// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that Hyper-V is told of: whole ones, of its size.
 */
#include <linux/export.h>
#include <linux/gfp.h>
#include <asm/mshyperv.h>

#if PAGE_SIZE != HV_HYP_PAGE_SIZE
#error "a page of the kernel is none of Hyper-V's"
#endif

/**
 * hv_alloc_hyperv_page() - allocate a page
 *
 * Context: may sleep.
 * Return: NULL without memory.
 */
void *hv_alloc_hyperv_page(void)
{
	return (void *)__get_free_page(GFP_KERNEL);
}
EXPORT_SYMBOL_GPL(hv_alloc_hyperv_page);

/**
 * hv_alloc_hyperv_zeroed_page() - allocate a page of zeros
 *
 * Context: may sleep.
 * Return: NULL without memory.
 */
void *hv_alloc_hyperv_zeroed_page(void)
{
	return (void *)get_zeroed_page(GFP_KERNEL);
}
EXPORT_SYMBOL_GPL(hv_alloc_hyperv_zeroed_page);

/**
 * hv_free_hyperv_page() - free it, when Hyper-V does not use it any more
 * @addr: the page, or NULL
 *
 * Context: any but NMI.
 */
void hv_free_hyperv_page(void *addr)
{
	free_page((unsigned long)addr);
}
EXPORT_SYMBOL_GPL(hv_free_hyperv_page);
