// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupts that the kernel has for Hyper-V, and those whom they and a kernel's end
 * concern: VMBus says here what to call.
 */
#include <linux/export.h>
#include <linux/hardirq.h>
#include <linux/interrupt.h>
#include <asm/apic.h>
#include <asm/desc.h>
#include <asm/idtentry.h>
#include <asm/irq_regs.h>
#include <asm/mshyperv.h>

#include "core.h"

static void (*vmbus_isr)(void);
static void (*at_kexec)(void);
static void (*at_crash)(struct pt_regs *regs);

/* SynIC has a message or an event. TLFS 11.7: no EOI where SynIC does it by itself. */
DEFINE_IDTENTRY_SYSVEC(sysvec_hyperv_callback)
{
	typeof(vmbus_isr) isr = READ_ONCE(vmbus_isr);
	struct pt_regs *before = set_irq_regs(regs);

	inc_irq_stat(irq_hv_callback_count);
	if (isr)
		isr();
	if (ms_hyperv.hints & HV_DEPRECATING_AEOI_RECOMMENDED)
		apic_eoi();
	set_irq_regs(before);
}

/* No synthetic timer is started: see timers.c. */
DEFINE_IDTENTRY_SYSVEC(sysvec_hyperv_stimer0)
{
	inc_irq_stat(hyperv_stimer0_count);
	apic_eoi();
}

/**
 * hv_vectors_init() - be ready for interrupts from Hyper-V
 *
 * Context: while the kernel boots, before the other vectors are given away.
 */
void __init hv_vectors_init(void)
{
	sysvec_install(HYPERVISOR_CALLBACK_VECTOR, sysvec_hyperv_callback);
	if (ms_hyperv.features & HV_ACCESS_REENLIGHTENMENT)
		sysvec_install(HYPERV_REENLIGHTENMENT_VECTOR, sysvec_hyperv_reenlightenment);
}

/**
 * hv_setup_vmbus_handler() - have a function called for SynIC's interrupts
 * @handler: called with interrupts off, on the CPU concerned
 *
 * Context: any.
 */
void hv_setup_vmbus_handler(void (*handler)(void))
{
	WRITE_ONCE(vmbus_isr, handler);
}
EXPORT_SYMBOL_GPL(hv_setup_vmbus_handler);

/**
 * hv_remove_vmbus_handler() - and no longer
 *
 * Context: any; the caller has disabled the interrupt's source.
 */
void hv_remove_vmbus_handler(void)
{
	WRITE_ONCE(vmbus_isr, NULL);
}
EXPORT_SYMBOL_GPL(hv_remove_vmbus_handler);

/**
 * hv_setup_kexec_handler() - have a function called before another kernel is started
 * @handler: may sleep
 *
 * Context: any.
 */
void hv_setup_kexec_handler(void (*handler)(void))
{
	WRITE_ONCE(at_kexec, handler);
}
EXPORT_SYMBOL_GPL(hv_setup_kexec_handler);

/**
 * hv_remove_kexec_handler() - and no longer
 *
 * Context: any.
 */
void hv_remove_kexec_handler(void)
{
	WRITE_ONCE(at_kexec, NULL);
}
EXPORT_SYMBOL_GPL(hv_remove_kexec_handler);

/**
 * hv_setup_crash_handler() - have a function called when a crash kernel is started
 * @handler: called with interrupts off and the registers at the crash
 *
 * Context: any.
 */
void hv_setup_crash_handler(void (*handler)(struct pt_regs *regs))
{
	WRITE_ONCE(at_crash, handler);
}
EXPORT_SYMBOL_GPL(hv_setup_crash_handler);

/**
 * hv_remove_crash_handler() - and no longer
 *
 * Context: any.
 */
void hv_remove_crash_handler(void)
{
	WRITE_ONCE(at_crash, NULL);
}
EXPORT_SYMBOL_GPL(hv_remove_crash_handler);

/**
 * hv_kexec_call_handler() - tell whoever wants to know of a kexec
 *
 * Context: may sleep.
 */
void hv_kexec_call_handler(void)
{
	typeof(at_kexec) handler = READ_ONCE(at_kexec);

	if (handler)
		handler();
}

/**
 * hv_crash_call_handler() - tell whoever wants to know of a crash
 * @regs: at the crash
 *
 * Context: interrupts off.
 */
void hv_crash_call_handler(struct pt_regs *regs)
{
	typeof(at_crash) handler = READ_ONCE(at_crash);

	if (handler)
		handler(regs);
}
