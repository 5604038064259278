// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hyper-V's reference TSC page as the base of the guests' clocks.
 *
 * KVM gives all vCPUs of a guest one base, a time and the TSC's value then, from which
 * each counts on by its own TSC: the master clock. Time, TSC and the TSC's frequency come
 * from one look at the page. (KVM itself takes the frequency from the kernel, in whole kHz:
 * half a ppm is 40 ms a day, by which a guest would go back when it gets a new base.)
 *
 * A base is good as long as the page is. Hyper-V changes the page when L1 was moved or
 * saved, or, by the sequence 0, declares that the TSC does not tell the time; then guests
 * have to do without the master clock. So each tick of L1's own clock looks at the
 * sequence, and when that is another one, all guests get a new base.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/irq_work.h>
#include <linux/kvm_host.h>
#include <linux/workqueue.h>

#include <asm/mshyperv.h>
#include <asm/msr.h>

#include <clocksource/hyperv_timer.h>

#include "../../hyperv.h"

#include "clock.h"

static_assert(offsetof(struct evmcs_tsc_page, sequence) ==
	      offsetof(struct ms_hyperv_tsc_page, tsc_sequence));
static_assert(offsetof(struct evmcs_tsc_page, scale) ==
	      offsetof(struct ms_hyperv_tsc_page, tsc_scale));
static_assert(offsetof(struct evmcs_tsc_page, offset) ==
	      offsetof(struct ms_hyperv_tsc_page, tsc_offset));

/* So often L1 looks whether it has missed a migration: every second. */
#define LOOK_TICKS	EVMCS_REFERENCE_HZ

void (*evmcs_clock_changed_op)(void);
EXPORT_SYMBOL_GPL(evmcs_clock_changed_op);

/* The mode of L1's clocksource, and of the page the sequence, at the last tick. */
static int clocksource;
static u32 sequence;

/* When a tick has last queued the work, by reference time; that of the ticks alone. */
static u64 looked;

/* The bases are no longer those of the page. */
static bool stale;

/* Hz of the TSC, by the page of the last base; 0: there is none. */
static u64 page_hz;

static const struct evmcs_tsc_page *tsc_page(void)
{
	return (const struct evmcs_tsc_page *)hv_get_tsc_page();
}

static u64 read_tsc_ordered(void)
{
	return rdtsc_ordered();
}

/**
 * evmcs_clock_sample() - look at the page
 * @sample: set if it is valid
 *
 * Context: any; the sample is that of this CPU if it cannot change.
 * Return: false if it is not valid.
 */
bool evmcs_clock_sample(struct evmcs_tsc_sample *sample)
{
	return evmcs_tsc_page_read(tsc_page(), read_tsc_ordered, sample);
}
EXPORT_SYMBOL_GPL(evmcs_clock_sample);

/**
 * evmcs_read_tsc_page() - read a time for a guest
 * @for_base:   as the base of its clock
 * @cycle_last: the reference time of the last update of L1's clock
 * @tsc:        set to this CPU's TSC
 * @time:       set to the reference time then, in 100 ns; not before @cycle_last
 *
 * Context: preemption off.
 * Return: false if the TSC does not tell: Hyper-V has declared the page invalid, it has a
 * scale that no TSC has, or the CPUs' TSCs do not agree.
 */
bool evmcs_read_tsc_page(bool for_base, u64 cycle_last, u64 *tsc, u64 *time)
{
	struct evmcs_tsc_sample sample;
	u64 hz = 0;

	if (!evmcs_tsc_is_behind() && evmcs_clock_sample(&sample)) {
		if (unlikely((s64)(sample.time - cycle_last) < 0))
			evmcs_tsc_behind_check();
		else
			hz = evmcs_tsc_page_hz(sample.scale);
	}
	if (for_base)
		WRITE_ONCE(page_hz, hz);
	if (!hz)
		return false;
	*tsc = sample.tsc;
	*time = sample.time;
	return true;
}

/**
 * evmcs_clock_hz() - the frequency of the TSC
 * @otherwise: in Hz, if the guests' clocks do not have their base from the page
 *
 * Context: any.
 */
u64 evmcs_clock_hz(u64 otherwise)
{
	return READ_ONCE(page_hz) ?: otherwise;
}

/**
 * evmcs_clock_rewrite_page() - let KVM write a guest's own reference TSC page anew
 * @kvm:  the guest
 * @move: its TSC is another one: even if the guest has asked for TSC emulation, which KVM
 *        does not do, and KVM would keep the page as it is
 *
 * A page that KVM could not write before gets another chance in any case.
 *
 * Context: may sleep. The page is written when a vCPU next updates its clock.
 */
void evmcs_clock_rewrite_page(struct kvm *kvm, bool move)
{
	struct kvm_hv *hv = to_kvm_hv(kvm);

	mutex_lock(&hv->hv_lock);
	if (hv->hv_tsc_page_status == HV_TSC_PAGE_BROKEN ||
	    (move && hv->hv_tsc_page_status == HV_TSC_PAGE_SET))
		hv->hv_tsc_page_status = HV_TSC_PAGE_GUEST_CHANGED;
	mutex_unlock(&hv->hv_lock);
}

static void rebase_work_fn(struct work_struct *work)
{
	struct kvm_vcpu *vcpu;
	struct kvm *kvm;
	unsigned long i;

	if (xchg(&stale, false)) {
		if (READ_ONCE(clocksource) == VDSO_CLOCKMODE_HVCLOCK)
			evmcs_tsc_behind_check_all();
		mutex_lock(&kvm_lock);
		list_for_each_entry(kvm, &vm_list, vm_list) {
			evmcs_clock_rewrite_page(kvm, false);
			kvm_for_each_vcpu(i, vcpu, kvm) {
				kvm_make_request(KVM_REQ_MASTERCLOCK_UPDATE, vcpu);
				kvm_vcpu_kick(vcpu);
			}
		}
		mutex_unlock(&kvm_lock);
		evmcs_clock_changed();
	}
	evmcs_migration_look();
}

static DECLARE_WORK(rebase_work, rebase_work_fn);

/* Where a tick ends, the kernel's timekeeping is locked, and no work can be queued. */
static void queue_rebase(struct irq_work *work)
{
	schedule_work(&rebase_work);
}

static DEFINE_IRQ_WORK(rebase_irq_work, queue_rebase);

/**
 * evmcs_clock_rebase() - give all guests a new base, soon
 *
 * Context: any.
 */
void evmcs_clock_rebase(void)
{
	WRITE_ONCE(stale, true);
	irq_work_queue(&rebase_irq_work);
}

/**
 * evmcs_clock_tick() - L1's clock was updated
 * @mode:       of the clocksource, VDSO_CLOCKMODE_*
 * @cycle_last: its value; on the page the reference time
 * @raw_ns:     CLOCK_MONOTONIC_RAW then
 *
 * Context: interrupts off, one at a time.
 */
void evmcs_clock_tick(int mode, u64 cycle_last, u64 raw_ns)
{
	u32 now;

	if (mode != clocksource) {
		WRITE_ONCE(clocksource, mode);
		evmcs_clock_rebase();
	}
	if (mode != VDSO_CLOCKMODE_HVCLOCK)
		return;
	evmcs_tsc_behind_tick(raw_ns, cycle_last);
	now = READ_ONCE(tsc_page()->sequence);
	if (unlikely(now != READ_ONCE(sequence))) {
		WRITE_ONCE(sequence, now);
		evmcs_clock_rebase();
	}
	if (cycle_last - looked >= LOOK_TICKS) {
		looked = cycle_last;
		irq_work_queue(&rebase_irq_work);
	}
}

/**
 * evmcs_clock_current() - all guests have just got their base from the page as it is
 *
 * Context: any.
 */
void evmcs_clock_current(void)
{
	WRITE_ONCE(sequence, READ_ONCE(tsc_page()->sequence));
}

/**
 * evmcs_clock_changed() - tell the table
 *
 * Context: may sleep.
 */
void evmcs_clock_changed(void)
{
	if (evmcs_clock_changed_op)
		evmcs_clock_changed_op();
}

/**
 * evmcs_clock_state() - what there is to say of the guests' clocks
 * @state: filled in
 *
 * Context: any.
 */
void evmcs_clock_state(struct evmcs_clock_state *state)
{
	state->clocksource = READ_ONCE(clocksource);
	state->valid = READ_ONCE(tsc_page()->sequence);
	evmcs_tsc_behind_state(state);
	evmcs_migration_state(state);
}
EXPORT_SYMBOL_GPL(evmcs_clock_state);

/**
 * evmcs_clock_stop() - before the module goes
 *
 * Context: may sleep; no tick comes any more.
 */
void evmcs_clock_stop(void)
{
	irq_work_sync(&rebase_irq_work);
	cancel_work_sync(&rebase_work);
}
