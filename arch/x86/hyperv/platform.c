// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the virtual machine is like that Hyper-V makes, beyond the interface of the TLFS.
 */
#include <linux/efi.h>
#include <linux/init.h>
#include <asm/apic.h>
#include <asm/e820/api.h>
#include <asm/mshyperv.h>
#include <asm/x86_init.h>

#include "core.h"

/* A VM of the second generation boots by EFI and has no legacy devices. */
static bool is_generation_2(void)
{
	return efi_enabled(EFI_BOOT);
}

/**
 * hv_platform_init() - early
 *
 * Context: while the kernel boots, before there are interrupts.
 */
void __init hv_platform_init(void)
{
	/* No port 0x61 that would say what an NMI is about */
	if (is_generation_2())
		x86_platform.get_nmi_reason = hv_get_nmi_reason;
	/* Nothing remaps interrupts of the I/O APIC: they reach CPUs by their APIC ID. */
#ifdef CONFIG_X86_X2APIC
	if (x2apic_supported())
		x2apic_phys = 1;
#endif
}

/*
 * Without PCI's configuration space nobody else tells the kernel of memory that the
 * firmware or memmap= has reserved. Returns 0 where there is no PCI to look for.
 */
static int __init pci_init(void)
{
	if (!is_generation_2())
		return 1;
	e820__reserve_resources_late();
	return 0;
}

/**
 * hv_platform_pci_init() - before PCI is looked for
 *
 * Context: while the kernel boots.
 */
void __init hv_platform_pci_init(void)
{
#ifdef CONFIG_PCI
	x86_init.pci.arch_init = pci_init;
#endif
}
