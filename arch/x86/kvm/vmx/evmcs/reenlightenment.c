// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 is migrated to a machine whose TSC has another frequency (TLFS, "Nested
 * Virtualization", reenlightenment).
 *
 * Hyper-V first answers RDTSC at the old rate, by exits, and interrupts L1. L1 stops its
 * guests, ends the emulation, and writes their clocks anew. What the time was when they
 * stopped it must be at least when they go on. The kernel's core half has the interrupt and
 * calls KVM's notifier; the pieces here are called by that one:
 *
 *	evmcs_migration_begin()		no vCPU updates its clock from here on, and none
 *					enters before it has
 *	evmcs_migration_switch()	all are stopped: end the emulation
 *	evmcs_migration_rebase()	of each guest
 *	evmcs_migration_end()		vCPUs go on
 *
 * KVM has a request that keeps vCPUs out. But whatever else gives a guest a new base
 * meanwhile takes that back, and a vCPU that is created later never had it.
 *
 * An L2 that reads the bare TSC sees another rate from then on. Only TSC scaling could
 * keep that from it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/workqueue.h>

#include <asm/hypervisor.h>
#include <asm/mshyperv.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "clock.h"

/* The emulated TSC is told from one that is not by bit 0. */
#define IN_PROGRESS	BIT_ULL(0)

/* A frequency that is so many percent off is none. */
#define KHZ_PERCENT	1

/* KVM's, for the migrations that L1 is not told of; and whether to look for them. */
static void (*notify)(void);
static bool looks;

/* No vCPU may update its clock. Under kvm_lock, but read without. */
static bool holds;

/* The TSC when the last one ended, and its frequency until then; under kvm_lock. */
static u64 last_tsc;
static u64 last_hz;

/* Under kvm_lock, but read without, for the table. */
static unsigned int migrations;
static unsigned int from_khz;
static unsigned int to_khz;

/* Emulation was in progress the last time that somebody looked. */
static bool seen;

/**
 * evmcs_migration_begin() - keep vCPUs from their clocks
 *
 * Context: kvm_lock held; the caller stops the guests after it.
 */
void evmcs_migration_begin(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm *kvm;
	unsigned long i;

	/*
	 * A vCPU that has taken its request before it was made here has it again; one that
	 * takes it later sees that it has to wait.
	 */
	WRITE_ONCE(holds, true);
	/* Pairs with the barrier in kvm_check_request(). */
	smp_mb();
	list_for_each_entry(kvm, &vm_list, vm_list) {
		kvm_for_each_vcpu(i, vcpu, kvm)
			kvm_make_request(KVM_REQ_CLOCK_UPDATE, vcpu);
	}
}

/**
 * evmcs_migration_holds() - does a vCPU have to wait?
 * @vcpu: it is about to update its clock
 *
 * Context: any.
 * Return: true if it does; it will have to update its clock later.
 */
bool evmcs_migration_holds(struct kvm_vcpu *vcpu)
{
	/* Pairs with the release in evmcs_migration_end(): the new base. */
	if (likely(!smp_load_acquire(&holds)))
		return false;
	kvm_make_request(KVM_REQ_CLOCK_UPDATE, vcpu);
	return true;
}

/* By the TSC page, of which L1's own time is made; 0: it is not valid. */
static unsigned int khz_of_page(void)
{
	struct evmcs_tsc_sample sample;

	if (!evmcs_clock_sample(&sample))
		return 0;
	return DIV_ROUND_CLOSEST_ULL(evmcs_tsc_page_hz(sample.scale), 1000);
}

/**
 * evmcs_migration_switch() - end the emulation
 *
 * The kernel's way to do that takes two exits more, for which the guests would wait, and the
 * frequency from an MSR. Where that did not fit the page, vCPUs would have a wrong clock, and
 * with no frequency at all would never run.
 *
 * Context: kvm_lock held; no vCPU is in its guest.
 */
void evmcs_migration_switch(void)
{
	unsigned int khz;

	from_khz = tsc_khz;
	last_hz = evmcs_clock_hz(from_khz * 1000ull);
	last_tsc = rdtsc_ordered();
	wrmsrl_safe(HV_X64_MSR_TSC_EMULATION_STATUS, 0);
	khz = khz_of_page();
	if (khz)
		tsc_khz = khz;
	else
		hyperv_stop_tsc_emulation();
	to_khz = tsc_khz;
	migrations++;
}

/**
 * evmcs_migration_rebase() - give a guest a new base
 * @kvm:    the guest
 * @rebase: how KVM does that
 *
 * Context: kvm_lock and tsc_write_lock held.
 */
void evmcs_migration_rebase(struct kvm *kvm, void (*rebase)(struct kvm *kvm))
{
	struct kvm_arch *ka = &kvm->arch;
	u64 base_ns = ka->master_kernel_ns, ticks = last_tsc - ka->master_cycle_now;
	bool had_base = ka->use_master_clock;

	rebase(kvm);
	if (had_base && ka->use_master_clock)
		ka->kvmclock_offset += evmcs_clock_behind_ns(base_ns, ticks, last_hz,
							     ka->master_kernel_ns);
}

/* The MSR has told the kernel the frequency at boot, and tells other kernels. */
static void check_msr(void)
{
	unsigned int khz = khz_of_page();
	u64 hz;

	if (!khz || rdmsrl_safe(HV_X64_MSR_TSC_FREQUENCY, &hz))
		return;
	if (abs_diff(div_u64(hz, 1000), (u64)khz) > khz / 100 * KHZ_PERCENT)
		pr_warn("Hyper-V says that the TSC has %llu kHz, but by its TSC page it has %u kHz\n",
			div_u64(hz, 1000), khz);
}

static void tell(struct work_struct *work)
{
	check_msr();
	evmcs_clock_changed();
}

static DECLARE_DELAYED_WORK(tell_work, tell);

/**
 * evmcs_migration_end() - vCPUs go on
 *
 * Context: kvm_lock held, may sleep.
 */
void evmcs_migration_end(void)
{
	struct kvm *kvm;

	/*
	 * Not before all have their base: a vCPU that is late writes the page with the old
	 * one, and sees then that it has to do it again.
	 */
	list_for_each_entry(kvm, &vm_list, vm_list)
		evmcs_clock_rewrite_page(kvm, true);
	evmcs_clock_current();
	/* Pairs with the acquire in evmcs_migration_holds(). */
	smp_store_release(&holds, false);
	/* Not now: those who have stood still want the CPUs. */
	schedule_delayed_work(&tell_work, 1);
}

static bool in_progress(void)
{
	u64 status;

	return !rdmsrl_safe(HV_X64_MSR_TSC_EMULATION_STATUS, &status) && status & IN_PROGRESS;
}

static bool is_available(void)
{
	return hypervisor_is_type(X86_HYPER_MS_HYPERV) &&
	       ms_hyperv.features & HV_ACCESS_REENLIGHTENMENT;
}

/**
 * evmcs_migration_look() - was there a migration that L1 was not told of?
 *
 * The interrupt has a second to arrive.
 *
 * Context: may sleep, one at a time.
 */
void evmcs_migration_look(void)
{
	bool before = seen;

	/* Pairs with the release in evmcs_migration_start(): the notifier. */
	if (!smp_load_acquire(&looks))
		return;
	seen = in_progress();
	if (!seen || !before)
		return;
	pr_warn_once("Hyper-V emulates the TSC after a migration, of which it has not told\n");
	seen = false;
	notify();
}

/**
 * evmcs_migration_start() - be told of migrations from here on
 * @notifier: KVM's
 *
 * Context: may sleep; while the module loads.
 */
void evmcs_migration_start(void (*notifier)(void))
{
	set_hv_tscchange_cb(notifier);
	if (!is_available())
		return;
	notify = notifier;
	/* Pairs with the acquire in evmcs_migration_look(). */
	smp_store_release(&looks, true);
	/* One that nobody has ended, for KVM was not there. */
	if (in_progress())
		notifier();
}

/**
 * evmcs_migration_stop() - and no longer
 *
 * The kernel would leave a TSC that is emulated as it is, and would have it emulated after the
 * next migration, too, of which nobody is told then.
 *
 * Context: may sleep; there is no VM and no tick.
 */
void evmcs_migration_stop(void)
{
	WRITE_ONCE(looks, false);
	clear_hv_tscchange_cb();
	/* The kernel's work may have read the callback before it was cleared. */
	__flush_workqueue(system_wq);
	cancel_delayed_work_sync(&tell_work);
	if (!is_available())
		return;
	wrmsrl_safe(HV_X64_MSR_TSC_EMULATION_CONTROL, 0);
	if (in_progress())
		hyperv_stop_tsc_emulation();
}

/**
 * evmcs_migration_state() - for evmcs_clock_state()
 * @state: its part is filled in
 *
 * Context: any.
 */
void evmcs_migration_state(struct evmcs_clock_state *state)
{
	state->notified = READ_ONCE(looks);
	state->migrations = READ_ONCE(migrations);
	state->from_khz = READ_ONCE(from_khz);
	state->to_khz = READ_ONCE(to_khz);
}
