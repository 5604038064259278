// SPDX-License-Identifier: GPL-2.0-only
/*
 * What Hyper-V does when L1 is moved to a machine whose TSC has another frequency (TLFS,
 * "Timers" and "Nested Virtualization", reenlightenment), of which the kernel's KVM has
 * the MSRs alone.
 *
 * A line written to /sys/kernel/debug/l0/clock:
 *
 *	migrate KHZ INTERRUPTS JUMP	L1 arrives at a TSC of so many kHz. If it has set
 *					TSC_EMULATION_CONTROL, its RDTSC is trapped and
 *					answered at the old rate, TSC_EMULATION_STATUS reads
 *					1, and the processor that it has named gets the
 *					interrupt, INTERRUPTS times. When L1 clears the
 *					status, its TSC runs at the new rate; so it does at
 *					once if L1 has not asked for emulation. The TSC's
 *					value goes on from where it was, JUMP ticks off.
 *	page off			the reference TSC page gets the sequence 0
 *	page on				and a valid one again
 *	torn EVERY			RDTSC is trapped, and each EVERY-th time the page is
 *					written anew before L1 or L2 goes on: a read of the
 *					page that this RDTSC is part of is torn. 0: no longer
 *	tsc-behind CPU TICKS		adds this fault (faults.c), as from now
 *
 * Reading it gives one "name value" a line:
 *
 *	migrations	that have ended
 *	emulating	1 while RDTSC is trapped
 *	khz		of L1's TSC since the last of them, 0 before
 *	rdtsc		RDTSC and RDTSCP of L1 and L2 that were trapped
 *	emulated	ns for which L1's TSC was emulated, in the last of them
 *	stopped		ns for which L2 did not run when L1's TSC changed then, from its last
 *			exit before that to its first entry after it; the longest of L1's
 *			processors that have run L2
 *
 * The old and the new machine are the same one, with TSC scaling. The rig runs one L1
 * at a time.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include <asm/hyperv-tlfs.h>

#include "../hyperv.h"
#include "../lapic.h"
#include "../x86.h"

#include "clock.h"
#include "faults.h"

static struct dentry *clock_file;

/* Each change of L1's TSC has the next number; a processor takes it at its next entry. */
static u32 generation;
static bool emulates;
static bool page_off;

/* So many RDTSC from one that tears the page to the next; 0: none does. */
static u32 torn;

/* The migration that has begun; under hv_lock of the VM. */
static u32 next_khz;
static s64 next_jump;
static u64 began;

static struct {
	u64 migrations;
	u32 khz;
	atomic64_t rdtsc;
	u64 emulated;
	u64 stopped;
} counters;

/**
 * l0_clock_page_off() - has the reference TSC page to be invalid?
 *
 * Context: any.
 */
bool l0_clock_page_off(void)
{
	return READ_ONCE(page_off);
}

/**
 * l0_clock_emulates() - is RDTSC trapped?
 *
 * Context: any.
 */
bool l0_clock_emulates(void)
{
	return READ_ONCE(emulates) || READ_ONCE(torn);
}
EXPORT_SYMBOL_GPL(l0_clock_emulates);

/**
 * l0_clock_generation() - the number of the last change of L1's TSC
 *
 * Context: any.
 */
u32 l0_clock_generation(void)
{
	return READ_ONCE(generation);
}
EXPORT_SYMBOL_GPL(l0_clock_generation);

/* Before the processor is entered again. */
static void write_page(struct kvm_vcpu *vcpu)
{
	struct kvm_hv *hv = to_kvm_hv(vcpu->kvm);

	mutex_lock(&hv->hv_lock);
	if (hv->hv_tsc_page_status == HV_TSC_PAGE_SET)
		hv->hv_tsc_page_status = HV_TSC_PAGE_GUEST_CHANGED;
	mutex_unlock(&hv->hv_lock);
	kvm_make_request(KVM_REQ_MASTERCLOCK_UPDATE, vcpu);
}

/**
 * l0_clock_rdtsc() - emulate and count one
 * @vcpu: L1's CPU, in L1 or L2
 *
 * Context: may sleep.
 * Return: its TSC.
 */
u64 l0_clock_rdtsc(struct kvm_vcpu *vcpu)
{
	u64 count = atomic64_inc_return(&counters.rdtsc);
	u32 every = READ_ONCE(torn);

	if (every && !(count % every))
		write_page(vcpu);
	return kvm_scale_tsc(rdtsc(), vcpu->arch.tsc_scaling_ratio) + vcpu->arch.tsc_offset -
	       l0_fault_tsc_behind(vcpu);
}
EXPORT_SYMBOL_GPL(l0_clock_rdtsc);

/* What KVM_SET_TSC_KHZ does, but for a processor that runs on: its TSC goes on. */
static void set_khz(struct kvm_vcpu *vcpu, u32 khz, u64 now, s64 jump)
{
	struct kvm_vcpu_arch *arch = &vcpu->arch;
	u64 ratio = kvm_caps.default_tsc_scaling_ratio;
	u64 tsc = kvm_read_l1_tsc(vcpu, now) + jump;

	if (khz != tsc_khz)
		ratio = mul_u64_u32_div(ratio, khz, tsc_khz);
	arch->virtual_tsc_khz = khz;
	/* Ticks for nanoseconds: below 4 GHz */
	arch->virtual_tsc_shift = 2;
	arch->virtual_tsc_mult = div_u64((u64)khz << 30, USEC_PER_SEC);
	arch->l1_tsc_scaling_ratio = ratio;
	arch->l1_tsc_offset = tsc - kvm_scale_tsc(now, ratio);
}

/*
 * All processors get the new rate, at one time. None of them is in L1 or L2 from the first
 * request until one of them has taken a new base for the VM's clock. Each has to update its
 * own clock before it enters, and writes the page if none has yet.
 */
static void change(struct kvm *kvm, struct kvm_vcpu *this)
{
	struct kvm_hv *hv = to_kvm_hv(kvm);
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u64 now;

	kvm_make_all_cpus_request(kvm, KVM_REQ_MCLOCK_INPROGRESS);
	now = rdtsc();
	kvm_for_each_vcpu(i, vcpu, kvm)
		set_khz(vcpu, next_khz, now, next_jump);
	kvm->arch.last_tsc_khz = next_khz;
	WRITE_ONCE(emulates, false);
	WRITE_ONCE(generation, generation + 1);
	/* Or KVM would leave the page as it is, for L1 has asked for emulation. */
	if (hv->hv_tsc_page & HV_X64_MSR_TSC_REFERENCE_ENABLE)
		hv->hv_tsc_page_status = HV_TSC_PAGE_GUEST_CHANGED;
	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (!this || vcpu == this)
			kvm_make_request(KVM_REQ_MASTERCLOCK_UPDATE, vcpu);
		kvm_make_request(KVM_REQ_CLOCK_UPDATE, vcpu);
	}
	counters.migrations++;
	counters.khz = next_khz;
	counters.emulated = now - began;
	counters.stopped = 0;
}

/**
 * l0_clock_stopped() - L2 runs for the first time since L1's TSC changed
 * @ticks: of L0's TSC, since it ran last
 *
 * Context: any. L0 has a single CPU, so nobody counts at the same time.
 */
void l0_clock_stopped(u64 ticks)
{
	counters.stopped = max(counters.stopped, ticks);
}
EXPORT_SYMBOL_GPL(l0_clock_stopped);

/**
 * l0_clock_status_written() - L1 writes TSC_EMULATION_STATUS
 * @vcpu:   L1's CPU
 * @status: new value
 *
 * Context: process, under hv_lock of the VM.
 */
void l0_clock_status_written(struct kvm_vcpu *vcpu, u64 status)
{
	if (READ_ONCE(emulates) && !(status & 1))
		change(vcpu->kvm, vcpu);
}

static void interrupt(struct kvm *kvm, u64 control)
{
	struct kvm_lapic_irq irq = {
		.vector = control & 0xff,
		.delivery_mode = APIC_DM_FIXED,
	};
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (!(control & BIT_ULL(16)))
		return;
	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (kvm_hv_get_vpindex(vcpu) == control >> 32)
			kvm_apic_set_irq(vcpu, &irq, NULL);
	}
}

static int migrate(struct kvm *kvm, const char *args)
{
	struct kvm_hv *hv = to_kvm_hv(kvm);
	unsigned int interrupts;
	u64 control = 0;
	s64 jump;
	u32 khz;

	if (sscanf(args, "%u %u %lli", &khz, &interrupts, &jump) != 3 || !khz)
		return -EINVAL;
	mutex_lock(&hv->hv_lock);
	next_khz = khz;
	next_jump = jump;
	began = rdtsc();
	if (hv->hv_tsc_emulation_control) {
		hv->hv_tsc_emulation_status = 1;
		control = hv->hv_reenlightenment_control;
		WRITE_ONCE(emulates, true);
		/* Whoever is in the guest has been entered before. */
		kvm_make_all_cpus_request(kvm, KVM_REQ_OUTSIDE_GUEST_MODE);
	} else {
		change(kvm, NULL);
	}
	mutex_unlock(&hv->hv_lock);
	while (interrupts--)
		interrupt(kvm, control);
	return 0;
}

static int turn_page(struct kvm *kvm, bool off)
{
	struct kvm_hv *hv = to_kvm_hv(kvm);
	struct kvm_vcpu *vcpu;
	unsigned long i;

	mutex_lock(&hv->hv_lock);
	WRITE_ONCE(page_off, off);
	if (hv->hv_tsc_page & HV_X64_MSR_TSC_REFERENCE_ENABLE)
		hv->hv_tsc_page_status = HV_TSC_PAGE_GUEST_CHANGED;
	mutex_unlock(&hv->hv_lock);
	kvm_for_each_vcpu(i, vcpu, kvm) {
		kvm_make_request(KVM_REQ_CLOCK_UPDATE, vcpu);
		kvm_vcpu_kick(vcpu);
	}
	return 0;
}

static int fall_behind(struct kvm *kvm, const char *line)
{
	int error = l0_faults_add(line);

	WRITE_ONCE(generation, generation + 1);
	kvm_make_all_cpus_request(kvm, KVM_REQ_OUTSIDE_GUEST_MODE);
	return error;
}

static int tear(struct kvm *kvm, const char *args)
{
	u32 every;

	if (kstrtou32(args, 10, &every))
		return -EINVAL;
	WRITE_ONCE(torn, every);
	kvm_make_all_cpus_request(kvm, KVM_REQ_OUTSIDE_GUEST_MODE);
	return 0;
}

static int obey(const char *line)
{
	struct kvm *kvm;
	int error;

	mutex_lock(&kvm_lock);
	kvm = list_first_entry_or_null(&vm_list, struct kvm, vm_list);
	if (!kvm)
		error = -ENODEV;
	else if (str_has_prefix(line, "migrate "))
		error = migrate(kvm, line + strlen("migrate "));
	else if (!strcmp(line, "page off") || !strcmp(line, "page on"))
		error = turn_page(kvm, !strcmp(line, "page off"));
	else if (str_has_prefix(line, "torn "))
		error = tear(kvm, line + strlen("torn "));
	else if (str_has_prefix(line, "tsc-behind "))
		error = fall_behind(kvm, line);
	else
		error = -EINVAL;
	mutex_unlock(&kvm_lock);
	return error;
}

static ssize_t clock_write(struct file *file, const char __user *text, size_t size, loff_t *pos)
{
	return l0_take_line(text, size, obey);
}

static u64 to_ns(u64 ticks)
{
	return mul_u64_u32_div(ticks, USEC_PER_SEC, tsc_khz);
}

static int clock_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "migrations %llu\nemulating %u\nkhz %u\n", counters.migrations,
		   READ_ONCE(emulates), counters.khz);
	seq_printf(m, "rdtsc %llu\nemulated %llu\nstopped %llu\n",
		   atomic64_read(&counters.rdtsc), to_ns(counters.emulated),
		   to_ns(counters.stopped));
	return 0;
}

DEFINE_SHOW_STORE_ATTRIBUTE(clock);

void l0_clock_init(void)
{
	clock_file = debugfs_create_file("clock", 0600, l0_debugfs, NULL, &clock_fops);
}

void l0_clock_exit(void)
{
	debugfs_remove(clock_file);
}
