// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration to a host whose TSC has another rate, TLFS 12.7 (reenlightenment): Hyper-V
 * goes on to answer RDTSC at the old rate, by an exit each time, and interrupts one CPU.
 * Whoever has made up times from the TSC (KVM, for its guests) makes them anew, and ends
 * the emulation.
 *
 * As each RDTSC is an exit until then, there is nothing to wait for.
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/cpumask.h>
#include <linux/export.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <asm/apic.h>
#include <asm/idtentry.h>
#include <asm/mshyperv.h>
#include <asm/tsc.h>

#include "core.h"

/* In HV_X64_MSR_TSC_EMULATION_CONTROL, _STATUS */
#define EMULATE		BIT_ULL(0)
#define IN_PROGRESS	BIT_ULL(0)

/* While there is no callback */
#define NOBODY		"nobody wants to be told of a migration"

/* Held while the callback runs: when it has been cleared, it does not run any more. */
static DEFINE_MUTEX(callback_lock);
static void (*callback)(void);

/*
 * Whom Hyper-V interrupts; nr_cpu_ids for nobody. Not under callback_lock: a CPU goes
 * offline while the callback may wait for CPUs that do.
 */
static DEFINE_SPINLOCK(target_lock);
static unsigned int target = UINT_MAX;

static bool available;

static bool in_progress(void)
{
	u64 status;

	return !rdmsrl_safe(HV_X64_MSR_TSC_EMULATION_STATUS, &status) && status & IN_PROGRESS;
}

/**
 * hyperv_stop_tsc_emulation() - have the TSC run at the rate of this host
 *
 * tsc_khz is that rate from here on, where Hyper-V tells it.
 *
 * Context: any; nobody computes times from the TSC meanwhile.
 */
void hyperv_stop_tsc_emulation(void)
{
	u64 status, hz;

	if (rdmsrl_safe(HV_X64_MSR_TSC_EMULATION_STATUS, &status))
		return;
	wrmsrl_safe(HV_X64_MSR_TSC_EMULATION_STATUS, status & ~IN_PROGRESS);
	hz = hv_tsc_hz();
	if (hz)
		tsc_khz = div_u64(hz, 1000);
	else
		pr_warn("no frequency of the TSC: taking it for %u kHz as before\n", tsc_khz);
}
EXPORT_SYMBOL_GPL(hyperv_stop_tsc_emulation);

static void reenlighten(struct work_struct *work)
{
	mutex_lock(&callback_lock);
	/* Ours is not the only way to notice: it may have been ended already. */
	if (in_progress()) {
		if (callback)
			callback();
		else
			hyperv_stop_tsc_emulation();
	}
	mutex_unlock(&callback_lock);
}

static DECLARE_WORK(work, reenlighten);

static void reenlighten_soon(void)
{
	queue_work(system_highpri_wq, &work);
}

DEFINE_IDTENTRY_SYSVEC(sysvec_hyperv_reenlightenment)
{
	inc_irq_stat(irq_hv_reenlightenment_count);
	reenlighten_soon();
	apic_eoi();
}

static bool can_be_target(unsigned int cpu)
{
	return cpu < nr_cpu_ids && hv_vp_index[cpu] != VP_INVAL;
}

/* This CPU or else any, but not @leaving; or nr_cpu_ids. Migration is off. */
static unsigned int choose_target(unsigned int leaving)
{
	unsigned int cpu = smp_processor_id();

	if (cpu != leaving && can_be_target(cpu))
		return cpu;
	for_each_online_cpu(cpu) {
		if (cpu != leaving && can_be_target(cpu))
			return cpu;
	}
	return nr_cpu_ids;
}

/* Hyper-V may take a write and do nothing. */
static int write_and_check(u32 msr, u64 value)
{
	u64 result;

	if (wrmsrl_safe(msr, value) || rdmsrl_safe(msr, &result))
		return -EIO;
	return result == value ? 0 : -EIO;
}

/* TLFS 12.7.1; target_lock held */
static int tell_target(unsigned int cpu)
{
	union {
		struct hv_reenlightenment_control bits;
		u64 value;
	} control = { .bits.vector = HYPERV_REENLIGHTENMENT_VECTOR };

	target = cpu;
	if (can_be_target(cpu)) {
		control.bits.enabled = 1;
		control.bits.target_vp = hv_vp_index[cpu];
	}
	return write_and_check(HV_X64_MSR_REENLIGHTENMENT_CONTROL, control.value);
}

/* Be interrupted after a migration, with the TSC emulated until we have ended that. */
static int start(void)
{
	unsigned int cpu;
	int error;

	spin_lock_irq(&target_lock);
	cpu = choose_target(nr_cpu_ids);
	error = can_be_target(cpu) ? tell_target(cpu) : -ENODEV;
	spin_unlock_irq(&target_lock);
	if (!error)
		error = write_and_check(HV_X64_MSR_TSC_EMULATION_CONTROL, EMULATE);
	return error;
}

/* The other way round: no emulation of which nobody is told */
static void stop(void)
{
	wrmsrl_safe(HV_X64_MSR_TSC_EMULATION_CONTROL, 0);
	spin_lock_irq(&target_lock);
	tell_target(nr_cpu_ids);
	spin_unlock_irq(&target_lock);
	if (in_progress())
		hyperv_stop_tsc_emulation();
}

/**
 * set_hv_tscchange_cb() - be told when the TSC's rate changes
 * @cb: called after a migration; is to call hyperv_stop_tsc_emulation() when nobody
 *      computes times by the old rate any more. May sleep.
 *
 * Context: may sleep. There is one callback at a time.
 */
void set_hv_tscchange_cb(void (*cb)(void))
{
	if (!available)
		return;
	mutex_lock(&callback_lock);
	callback = cb;
	if (start()) {
		callback = NULL;
		stop();
		hv_row_refused(HV_ROW_REENLIGHTENMENT, "its MSRs do not take the writes");
	} else {
		hv_row_in_use(HV_ROW_REENLIGHTENMENT);
	}
	mutex_unlock(&callback_lock);
	/* A migration before that, of which nobody was told */
	reenlighten_soon();
}
EXPORT_SYMBOL_GPL(set_hv_tscchange_cb);

/**
 * clear_hv_tscchange_cb() - and no longer
 *
 * The callback does not run any more when this returns, and the TSC is not emulated.
 *
 * Context: may sleep; not from the callback.
 */
void clear_hv_tscchange_cb(void)
{
	if (!available)
		return;
	mutex_lock(&callback_lock);
	callback = NULL;
	stop();
	hv_row_unused(HV_ROW_REENLIGHTENMENT, NOBODY);
	mutex_unlock(&callback_lock);
	cancel_work_sync(&work);
}
EXPORT_SYMBOL_GPL(clear_hv_tscchange_cb);

/**
 * hv_reenlightenment_leave() - a CPU goes: another one takes the interrupt
 * @cpu: which
 *
 * Context: on @cpu, which is still online.
 */
void hv_reenlightenment_leave(unsigned int cpu)
{
	unsigned long flags;
	bool left = false;

	if (!available)
		return;
	spin_lock_irqsave(&target_lock, flags);
	if (target == cpu) {
		tell_target(choose_target(cpu));
		left = true;
	}
	spin_unlock_irqrestore(&target_lock, flags);
	/* The interrupt may have come to nobody. */
	if (left && !irqs_disabled())
		reenlighten_soon();
}

/**
 * hv_reenlightenment_stop() - no interrupt while the system sleeps, or for another kernel
 *
 * Context: one CPU is left, which may have crashed: no lock is taken.
 */
void hv_reenlightenment_stop(void)
{
	if (!available || !callback)
		return;
	wrmsrl_safe(HV_X64_MSR_TSC_EMULATION_CONTROL, 0);
	tell_target(nr_cpu_ids);
}

/**
 * hv_reenlightenment_resume() - be told again after hv_reenlightenment_stop()
 *
 * Context: interrupts off, one CPU.
 */
void hv_reenlightenment_resume(void)
{
	if (!available || !callback)
		return;
	if (tell_target(choose_target(nr_cpu_ids)) ||
	    write_and_check(HV_X64_MSR_TSC_EMULATION_CONTROL, EMULATE))
		hv_row_refused(HV_ROW_REENLIGHTENMENT, "Hyper-V refuses it after the suspend");
}

/**
 * hv_reenlightenment_init() - is there something to be told?
 *
 * The frequency after a migration is needed, too. The row is in use while there is a
 * callback.
 *
 * Context: while the kernel boots, after the boot CPU's VP index is known.
 */
void __init hv_reenlightenment_init(void)
{
	if (!hv_row_wanted(HV_ROW_REENLIGHTENMENT,
			   ms_hyperv.features & HV_ACCESS_REENLIGHTENMENT))
		return;
	if (hv_row_state(HV_ROW_FREQUENCIES) != HV_IN_USE)
		hv_row_refused(HV_ROW_REENLIGHTENMENT, "there are no frequencies");
	else if (!can_be_target(smp_processor_id()))
		hv_row_refused(HV_ROW_REENLIGHTENMENT, "CPUs have no VP index");
	else
		available = true;
	if (available)
		hv_row_unused(HV_ROW_REENLIGHTENMENT, NOBODY);
}
