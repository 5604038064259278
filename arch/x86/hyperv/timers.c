// SPDX-License-Identifier: GPL-2.0-only
/*
 * Synthetic timers: the core leaves time events to the APIC timer, whose frequency
 * Hyper-V tells. No synthetic timer is ever started, so there is nothing to do for
 * VMBus when it asks to set one up or to stop it.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <clocksource/hyperv_timer.h>

/**
 * hv_stimer_alloc() - use synthetic timers
 * @have_percpu_irqs: unused
 *
 * Return: -ENODEV.
 */
int hv_stimer_alloc(bool have_percpu_irqs)
{
	return -ENODEV;
}
EXPORT_SYMBOL_GPL(hv_stimer_alloc);

/**
 * hv_stimer_cleanup() - stop the timer of a CPU
 * @cpu: unused
 *
 * Return: 0: it does not run.
 */
int hv_stimer_cleanup(unsigned int cpu)
{
	return 0;
}
EXPORT_SYMBOL_GPL(hv_stimer_cleanup);

/**
 * hv_stimer_legacy_init() - SynIC can deliver the timer of a CPU from here on
 * @cpu:  unused
 * @sint: unused
 */
void hv_stimer_legacy_init(unsigned int cpu, int sint)
{
}
EXPORT_SYMBOL_GPL(hv_stimer_legacy_init);

/**
 * hv_stimer_legacy_cleanup() - SynIC will not deliver the timer of a CPU any more
 * @cpu: unused
 */
void hv_stimer_legacy_cleanup(unsigned int cpu)
{
}
EXPORT_SYMBOL_GPL(hv_stimer_legacy_cleanup);

/**
 * hv_stimer_global_cleanup() - stop the timers of all CPUs
 */
void hv_stimer_global_cleanup(void)
{
}
EXPORT_SYMBOL_GPL(hv_stimer_global_cleanup);

/**
 * hv_stimer0_isr() - a timer has expired
 *
 * By a message of SynIC; none comes.
 */
void hv_stimer0_isr(void)
{
}
EXPORT_SYMBOL_GPL(hv_stimer0_isr);
