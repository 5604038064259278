// SPDX-License-Identifier: GPL-2.0-only
/*
 * An L0 that holds its guest to the clean fields.
 *
 * The kernel's KVM as L0 is lenient: it keeps no more than one eVMCS a CPU, and
 * loads all of it on VMLAUNCH. Here L0 keeps a copy of every eVMCS that is active,
 * taken when a VM exit has written its results, and at the next entry compares:
 *
 *  - a field that differs although its group's clean bit says it did not change
 *    is counted under the field's name (TLFS, HV_VMX_ENLIGHTENED_VMCS);
 *  - likewise the contents of the MSR bitmap, where the enlightened MSR bitmap
 *    puts them under the same bit;
 *  - a group that is claimed clean although L0 holds nothing of it is counted as
 *    "unfounded-GROUP": before the first entry, after VMCLEAR, after an entry
 *    that failed, and on another processor than the one where it is active.
 *
 * Fields without a group are read at each entry, and those that L1 does not write
 * have none.
 *
 * /sys/kernel/debug/l0/stale shows the counts above zero; a write resets them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "../hyperv.h"
#include "../vmx/hyperv.h"
#include "../vmx/nested.h"
#include "../vmx/vmx.h"

#include "direct_flush.h"
#include "faults.h"
#include "stale.h"

#define BITMAP_WORDS	(PAGE_SIZE / sizeof(u64))

#define GROUP_ENTRY(name)	{ HV_VMX_ENLIGHTENED_CLEAN_FIELD_##name, #name }

static const struct {
	u32 bit;
	const char *name;
} groups[] = {
	GROUP_ENTRY(IO_BITMAP),
	GROUP_ENTRY(MSR_BITMAP),
	GROUP_ENTRY(CONTROL_GRP2),
	GROUP_ENTRY(CONTROL_GRP1),
	GROUP_ENTRY(CONTROL_PROC),
	GROUP_ENTRY(CONTROL_EVENT),
	GROUP_ENTRY(CONTROL_ENTRY),
	GROUP_ENTRY(CONTROL_EXCPN),
	GROUP_ENTRY(CRDR),
	GROUP_ENTRY(CONTROL_XLAT),
	GROUP_ENTRY(GUEST_BASIC),
	GROUP_ENTRY(GUEST_GRP1),
	GROUP_ENTRY(GUEST_GRP2),
	GROUP_ENTRY(HOST_POINTER),
	GROUP_ENTRY(HOST_GRP1),
	GROUP_ENTRY(ENLIGHTENMENTSCONTROL),
};

#define L0_FIELD(name, offset, bytes, group) \
	{ #name, offset, bytes, HV_VMX_ENLIGHTENED_CLEAN_FIELD_##group },
#define L0_MEMBER(name, member)						\
	L0_FIELD(name, offsetof(struct hv_enlightened_vmcs, member),	\
		 sizeof_field(struct hv_enlightened_vmcs, member),	\
		 ENLIGHTENMENTSCONTROL)

static const struct {
	const char *name;
	u16 offset;
	u8 bytes;
	u32 group;
} fields[] = {
#include "rows.inc"
	/* Without a VMCS encoding */
	L0_MEMBER(EnlightenmentsControl, hv_enlightenments_control)
	L0_MEMBER(VpId, hv_vp_id)
	L0_MEMBER(VmId, hv_vm_id)
	L0_MEMBER(PartitionAssistPage, partition_assist_page)
};

enum entry_state {
	NO_ENTRY,	/* L1 runs */
	ENTRY_CHECKED,	/* L0 looks at the eVMCS and may still refuse it */
	ENTRY_BEGUN,	/* L2 runs, or its state turned out to be invalid */
};

/**
 * struct copy - what L0 holds of one eVMCS
 * @entry:  how far the current VM entry is
 * @cpu:    L1's CPU that entered it last
 * @held:   @evmcs is what L0 loaded and has written since
 * @evmcs:  the copy
 * @bitmap: the MSR bitmap when L0 last read it
 */
struct copy {
	enum entry_state entry;
	int cpu;
	bool held;
	struct hv_enlightened_vmcs evmcs;
	u64 bitmap[BITMAP_WORDS];
};

/*
 * All copies by guest frame; they live until the module goes or another VM comes,
 * so a pointer stays good. The rig runs one L1 at a time.
 *
 * L1's CPUs may enter at once, and a VM exit is recorded with interrupts off:
 * copies_lock guards the copies and the counts.
 */
static DEFINE_XARRAY(copies);
static DEFINE_RAW_SPINLOCK(copies_lock);
static struct kvm *owner;

static u64 stale_fields[ARRAY_SIZE(fields)];
static u64 stale_bitmap;
static u64 unfounded[ARRAY_SIZE(groups)];

static void free_copies(void)
{
	struct copy *copy;
	unsigned long gfn;

	xa_for_each(&copies, gfn, copy)
		kvfree(copy);
	xa_destroy(&copies);
}

static struct copy *find_copy(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return vcpu->kvm == owner ? xa_load(&copies, gpa_to_gfn(gpa)) : NULL;
}

static struct copy *make_copy(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	static DEFINE_MUTEX(make_lock);
	struct copy *copy;

	mutex_lock(&make_lock);
	if (vcpu->kvm != owner) {
		free_copies();
		owner = vcpu->kvm;
	}
	copy = find_copy(vcpu, gpa);
	if (!copy) {
		copy = kvzalloc(sizeof(*copy), GFP_KERNEL);
		if (copy && xa_err(xa_store(&copies, gpa_to_gfn(gpa), copy, GFP_KERNEL))) {
			kvfree(copy);
			copy = NULL;
		}
	}
	mutex_unlock(&make_lock);
	return copy;
}

static void count_unfounded(u32 clean_fields)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		unfounded[i] += !!(clean_fields & groups[i].bit);
}

static void count_stale_fields(const void *held, const void *page, u32 clean_fields)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (clean_fields & fields[i].group &&
		    memcmp(held + fields[i].offset, page + fields[i].offset,
			   fields[i].bytes))
			stale_fields[i]++;
	}
}

/* The contents of the MSR bitmap count as a field where L1 says so. */
static void judge_bitmap(struct copy *copy, const u64 *bitmap, bool clean)
{
	bool differs = false;
	unsigned int i;

	/* Word by word: L0's string instructions are what an emulator is slow at. */
	for (i = 0; i < BITMAP_WORDS; i++) {
		if (copy->bitmap[i] == bitmap[i])
			continue;
		copy->bitmap[i] = bitmap[i];
		differs = true;
	}
	stale_bitmap += clean && differs;
}

static bool uses_bitmap(const struct hv_enlightened_vmcs *evmcs)
{
	return evmcs->hv_enlightenments_control.msr_bitmap &&
	       evmcs->cpu_based_vm_exec_control & CPU_BASED_USE_MSR_BITMAPS;
}

static void judge(struct kvm_vcpu *vcpu, struct copy *copy,
		  const struct hv_enlightened_vmcs *page, const u64 *bitmap)
{
	u32 clean = page->hv_clean_fields;
	unsigned long flags;

	raw_spin_lock_irqsave(&copies_lock, flags);
	/* The entry before this one failed, and there was no exit to tell of it. */
	if (copy->entry != NO_ENTRY)
		copy->held = false;
	if (copy->cpu != vcpu->vcpu_id)
		copy->held = false;
	if (copy->held)
		count_stale_fields(&copy->evmcs, page, clean);
	else
		count_unfounded(clean);
	if (bitmap)
		judge_bitmap(copy, bitmap, copy->held &&
			     clean & HV_VMX_ENLIGHTENED_CLEAN_FIELD_MSR_BITMAP);
	copy->cpu = vcpu->vcpu_id;
	copy->entry = ENTRY_CHECKED;
	raw_spin_unlock_irqrestore(&copies_lock, flags);
}

/**
 * l0_entry() - L1 executes VMLAUNCH or VMRESUME
 * @vcpu: L1's CPU
 *
 * Context: may sleep.
 * Return: true if a fault was asked for: the instruction is to fail.
 */
bool l0_entry(struct kvm_vcpu *vcpu)
{
	gpa_t gpa = nested_get_evmptr(vcpu);
	const struct hv_enlightened_vmcs *page;
	struct kvm_host_map map, bitmap = { 0 };
	struct copy *copy;
	bool refused;

	if (!evmptr_is_valid(gpa))
		return false;
	copy = make_copy(vcpu, gpa);
	if (!copy || kvm_vcpu_map(vcpu, gpa_to_gfn(gpa), &map))
		return false;
	page = map.hva;
	if (uses_bitmap(page) &&
	    kvm_vcpu_map(vcpu, gpa_to_gfn(page->msr_bitmap), &bitmap))
		bitmap.hva = NULL;

	judge(vcpu, copy, page, bitmap.hva);
	l0_direct_flush_entry(vcpu, gpa, page);
	refused = l0_fault_entry(*(u32 *)&page->hv_enlightenments_control);

	if (bitmap.hva)
		kvm_vcpu_unmap(vcpu, &bitmap, false);
	kvm_vcpu_unmap(vcpu, &map, false);
	return refused;
}

/**
 * l0_entry_begins() - L0 has found nothing wrong with the eVMCS's controls
 * @vcpu: L1's CPU
 *
 * Context: any.
 */
void l0_entry_begins(struct kvm_vcpu *vcpu)
{
	struct copy *copy = find_copy(vcpu, to_vmx(vcpu)->nested.hv_evmcs_vmptr);

	if (copy)
		copy->entry = ENTRY_BEGUN;
}

/**
 * l0_exit() - L0 has written its results into the VMCS, enlightened or not
 * @vcpu: L1's CPU, which runs next
 *
 * Context: interrupts off.
 */
void l0_exit(struct kvm_vcpu *vcpu)
{
	struct hv_enlightened_vmcs *evmcs = nested_vmx_evmcs(to_vmx(vcpu));
	struct copy *copy = find_copy(vcpu, to_vmx(vcpu)->nested.hv_evmcs_vmptr);
	unsigned long flags;

	if (!evmcs || !copy)
		return;

	raw_spin_lock_irqsave(&copies_lock, flags);
	if (copy->entry == ENTRY_BEGUN &&
	    !(evmcs->vm_exit_reason & VMX_EXIT_REASONS_FAILED_VMENTRY)) {
		copy->evmcs = *evmcs;
		copy->held = true;
	} else if (copy->entry != NO_ENTRY) {
		copy->held = false;
	}
	copy->entry = NO_ENTRY;
	raw_spin_unlock_irqrestore(&copies_lock, flags);
}

/**
 * l0_vmclear() - L1 executes VMCLEAR
 * @vcpu: L1's CPU
 * @gpa:  of the VMCS, enlightened or not
 *
 * Context: may sleep.
 */
void l0_vmclear(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	struct copy *copy = find_copy(vcpu, gpa);

	l0_direct_flush_vmclear(gpa);
	if (!copy)
		return;
	copy->held = false;
	copy->entry = NO_ENTRY;
}

static int stale_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (stale_fields[i])
			seq_printf(m, "%s %llu\n", fields[i].name, stale_fields[i]);
	}
	if (stale_bitmap)
		seq_printf(m, "contents-of-MsrBitmap %llu\n", stale_bitmap);
	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		if (unfounded[i])
			seq_printf(m, "unfounded-%s %llu\n", groups[i].name, unfounded[i]);
	}
	return 0;
}

static ssize_t stale_write(struct file *file, const char __user *text,
			   size_t size, loff_t *pos)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&copies_lock, flags);
	memset(stale_fields, 0, sizeof(stale_fields));
	memset(unfounded, 0, sizeof(unfounded));
	stale_bitmap = 0;
	raw_spin_unlock_irqrestore(&copies_lock, flags);
	return size;
}

DEFINE_SHOW_STORE_ATTRIBUTE(stale);

static struct dentry *stale_file;

void l0_stale_init(void)
{
	stale_file = debugfs_create_file("stale", 0600, l0_debugfs, NULL, &stale_fops);
}

void l0_stale_exit(void)
{
	debugfs_remove(stale_file);
	free_copies();
}
