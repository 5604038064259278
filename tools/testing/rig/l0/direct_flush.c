// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct flushes (TLFS, "Nested Virtualization"): a hypercall of L2 that L0 serves is
 * aimed at virtual processors of L2. L0 finds them by VmId and VpId, which it has read
 * from L1's eVMCSs when their clean field said so.
 *
 * The emulated TLB forgives a flush that reached nobody, so this keeps beside it what
 * L1's pages said at the last entry on each of L1's CPUs, clean or not, and compares.
 *
 * /sys/kernel/debug/l0/direct_flush has one "name value" a line; a write resets them:
 *
 *	served		hypercalls of L2 that L0 served
 *	named		processors that they named; where they named all, those known
 *	matched		of L1's CPUs, those that L0 flushed for them
 *	missed		CPUs whose eVMCS is that of a processor that was named, by what
 *			is in the page, and that L0 did not flush
 *	pointers	entries that ask for direct flush under an address of L1's kernel
 *			as VmId
 *	split		entries that ask for it with another partition assist page than
 *			the same VM has on another CPU
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>

#include <asm/hyperv-tlfs.h>

#include "../hyperv.h"

#include "direct_flush.h"
#include "faults.h"

#define MAX_CPUS	64

/**
 * struct context - the eVMCS that one of L1's CPUs entered last
 * @gpa:     its page; 0: none, or VMCLEAR was executed on it
 * @enabled: its bit for direct flush
 * @vp_id:   as in the page, likewise the others
 * @vm_id:   see @vp_id
 * @assist:  see @vp_id
 */
struct context {
	gpa_t gpa;
	bool enabled;
	u32 vp_id;
	u64 vm_id;
	u64 assist;
};

/* By number of L1's CPU; the rig runs one L1 at a time. */
static struct context contexts[MAX_CPUS];

static struct {
	u64 served;
	u64 named;
	u64 matched;
	u64 missed;
	u64 pointers;
	u64 split;
} counters;

/* Of all the above */
static DEFINE_SPINLOCK(contexts_lock);

static bool is_split(const struct context *context)
{
	const struct context *other;

	for (other = contexts; other < contexts + MAX_CPUS; other++) {
		if (other->gpa && other->enabled && other->vm_id == context->vm_id &&
		    other->assist != context->assist)
			return true;
	}
	return false;
}

/**
 * l0_direct_flush_entry() - L1 enters an eVMCS
 * @vcpu: L1's CPU
 * @gpa:  of the eVMCS
 * @page: its contents
 *
 * Context: any but interrupts.
 */
void l0_direct_flush_entry(struct kvm_vcpu *vcpu, gpa_t gpa,
			   const struct hv_enlightened_vmcs *page)
{
	struct context *context = &contexts[vcpu->vcpu_id % MAX_CPUS];

	spin_lock(&contexts_lock);
	context->gpa = gpa;
	context->enabled = page->hv_enlightenments_control.nested_flush_hypercall;
	context->vp_id = page->hv_vp_id;
	context->vm_id = page->hv_vm_id;
	context->assist = page->partition_assist_page;
	if (context->enabled) {
		counters.pointers += context->vm_id >> 63;
		counters.split += is_split(context);
	}
	spin_unlock(&contexts_lock);
}
EXPORT_SYMBOL_GPL(l0_direct_flush_entry);

/**
 * l0_direct_flush_vmclear() - L1 executes VMCLEAR
 * @gpa: of the VMCS, enlightened or not
 *
 * Context: any but interrupts.
 */
void l0_direct_flush_vmclear(gpa_t gpa)
{
	struct context *context;

	spin_lock(&contexts_lock);
	for (context = contexts; context < contexts + MAX_CPUS; context++) {
		if (context->gpa == gpa)
			context->gpa = 0;
	}
	spin_unlock(&contexts_lock);
}
EXPORT_SYMBOL_GPL(l0_direct_flush_vmclear);

/* A set of processors has 64 to a bank, and only the banks that are valid (HV_VP_SET). */
static bool in_set(u32 vp_id, u64 valid_banks, const u64 *banks)
{
	u32 bank = vp_id / 64;

	if (bank >= 64 || !(valid_banks & BIT_ULL(bank)))
		return false;
	return banks[hweight64(valid_banks & (BIT_ULL(bank) - 1))] & BIT_ULL(vp_id % 64);
}

/**
 * l0_direct_flush_served() - L0 serves a flush of L2's
 * @vcpu:        L1's CPU, in L2
 * @all:         all processors of the VM are to be flushed
 * @valid_banks: of the set of processors otherwise
 * @banks:       those banks, one behind the other
 *
 * Context: any but interrupts.
 */
void l0_direct_flush_served(struct kvm_vcpu *vcpu, bool all, u64 valid_banks,
			    const u64 *banks)
{
	const struct kvm_vcpu_hv *caller = to_hv_vcpu(vcpu);
	u64 vm_id = contexts[vcpu->vcpu_id % MAX_CPUS].vm_id;
	struct kvm_vcpu *v;
	unsigned long i;

	spin_lock(&contexts_lock);
	counters.served++;
	for (i = 0; !all && i < hweight64(valid_banks); i++)
		counters.named += hweight64(banks[i]);
	kvm_for_each_vcpu(i, v, vcpu->kvm) {
		const struct context *context = &contexts[v->vcpu_id % MAX_CPUS];
		const struct kvm_vcpu_hv *hv_v = to_hv_vcpu(v);
		bool meant, matched;

		meant = context->gpa && context->vm_id == vm_id &&
			(all || in_set(context->vp_id, valid_banks, banks));
		matched = hv_v && hv_v->nested.vm_id == caller->nested.vm_id &&
			  (all || in_set(hv_v->nested.vp_id, valid_banks, banks));
		counters.named += all && meant;
		counters.matched += matched;
		counters.missed += meant && !matched;
	}
	spin_unlock(&contexts_lock);
}

static int direct_flush_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "served %llu\nnamed %llu\nmatched %llu\nmissed %llu\n",
		   counters.served, counters.named, counters.matched, counters.missed);
	seq_printf(m, "pointers %llu\nsplit %llu\n", counters.pointers, counters.split);
	return 0;
}

static ssize_t direct_flush_write(struct file *file, const char __user *text, size_t size,
				  loff_t *pos)
{
	spin_lock(&contexts_lock);
	memset(&counters, 0, sizeof(counters));
	spin_unlock(&contexts_lock);
	return size;
}

DEFINE_SHOW_STORE_ATTRIBUTE(direct_flush);

static struct dentry *direct_flush_file;

void l0_direct_flush_init(void)
{
	direct_flush_file = debugfs_create_file("direct_flush", 0600, l0_debugfs, NULL,
						&direct_flush_fops);
}

void l0_direct_flush_exit(void)
{
	debugfs_remove(direct_flush_file);
}
