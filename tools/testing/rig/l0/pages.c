// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages that L1 has told L0 of, by which both share memory.
 *
 * Another kernel in L1 must not find them laid over its memory, and the MSR of a processor
 * that is offline can be read by nobody in L1. So L0 tells.
 *
 * /sys/kernel/debug/l0/pages shows their MSRs in the L1 that was made last: "hypercall VALUE",
 * "tsc VALUE", and "assistN VALUE" for the processor of VP index N.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "../hyperv.h"

#include "faults.h"
#include "pages.h"

static void show_vcpus(struct seq_file *m, struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (to_hv_vcpu(vcpu))
			seq_printf(m, "assist%u %llu\n", kvm_hv_get_vpindex(vcpu),
				   to_hv_vcpu(vcpu)->hv_vapic);
	}
}

static int pages_show(struct seq_file *m, void *unused)
{
	struct kvm *kvm;

	mutex_lock(&kvm_lock);
	kvm = list_first_entry_or_null(&vm_list, struct kvm, vm_list);
	if (kvm) {
		seq_printf(m, "hypercall %llu\ntsc %llu\n", to_kvm_hv(kvm)->hv_hypercall,
			   to_kvm_hv(kvm)->hv_tsc_page);
		show_vcpus(m, kvm);
	}
	mutex_unlock(&kvm_lock);
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(pages);

/* Goes with the directory. */
void l0_pages_init(void)
{
	debugfs_create_file("pages", 0400, l0_debugfs, NULL, &pages_fops);
}
