// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hyper-V's side of flushing guest-physical mappings, which the kernel's KVM lacks
 * (TLFS, "Nested Virtualization", second-level address translation):
 *
 *	CPUID 0x4000000A EAX bit 18		offers the hypercalls
 *	HvCallFlushGuestPhysicalAddressSpace	drops what L0 holds of one of L1's EPTs
 *	HvCallFlushGuestPhysicalAddressList	drops it for ranges of L2's pages
 *
 * The address space is the physical address of the EPT's root table, without the other
 * bits of an EPTP; a range's count of further pages is all the 12 bits that the TLFS
 * gives it. L0 serves the hypercalls while the calling processor is in VMX operation.
 *
 * With them, L0 is strict about what it drops. They and L1's INVEPT take the leaves
 * of the shadow EPT away, so that each page has to be asked for again; and L0 keeps
 * nothing in order that L1 did not name.
 *
 * All of this is with the module's parameter gpa_flush=1. Counted is without it, too:
 * /sys/kernel/debug/l0/ept has one "name value" a line, and a write resets them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include <asm/hyperv-tlfs.h>

#include "../mmu/mmu_internal.h"
#include "../mmu/spte.h"
#include "../vmx/vmx.h"

#include "ept.h"
#include "faults.h"

#define EPTP_ROOT_MASK	GENMASK_ULL(51, 12)

#define ENTRY_GFN_SHIFT		12
#define ENTRY_MORE_PAGES	GENMASK_ULL(11, 0)

struct flush_list {
	u64 address_space;
	u64 flags;
	u64 entries[];
};

#define MAX_ENTRIES	((PAGE_SIZE - sizeof(struct flush_list)) / sizeof(u64))

static bool gpa_flush;
module_param(gpa_flush, bool, 0644);

static struct {
	atomic64_t flush_space;
	atomic64_t flush_list;
	atomic64_t pages_named;
	atomic64_t pages_changed;
	atomic64_t invept_single;
	atomic64_t invept_global;
	atomic64_t invvpid;
	atomic64_t refaults;
	atomic64_t missed;
} counters;

#define COUNTER(name)	{ #name, &counters.name }

static const struct {
	const char *name;
	atomic64_t *value;
} counter_files[] = {
	COUNTER(flush_space),
	COUNTER(flush_list),
	COUNTER(pages_named),
	COUNTER(pages_changed),
	COUNTER(invept_single),
	COUNTER(invept_global),
	COUNTER(invvpid),
	COUNTER(refaults),
	COUNTER(missed),
};

/**
 * l0_ept_cpuid() - what L1 reads of the nested features
 * @leaf: CPUID leaf
 * @eax:  its register, as L1 would see it
 *
 * Context: any.
 */
void l0_ept_cpuid(u32 leaf, u32 *eax)
{
	if (gpa_flush && leaf == HYPERV_CPUID_NESTED_FEATURES)
		*eax |= HV_X64_NESTED_GUEST_MAPPING_FLUSH;
}

/* Drops what L0 holds of these ranges, unless it shall only pretend to. */
static void flush(struct kvm_vcpu *vcpu, u64 address_space, const struct l0_gfn_range *ranges,
		  unsigned int nr_ranges)
{
	gfn_t root = gpa_to_gfn(address_space);

	if (l0_fault_lose())
		return;
	atomic64_add(l0_ept_forget(vcpu, root, ranges, nr_ranges), &counters.pages_changed);
	l0_ept_zap(vcpu->kvm, root, ranges, nr_ranges);
}

static u64 flush_space(struct kvm_vcpu *vcpu, u64 address_space)
{
	const struct l0_gfn_range all = L0_ALL_GFNS;

	atomic64_inc(&counters.flush_space);
	flush(vcpu, address_space, &all, 1);
	return HV_STATUS_SUCCESS;
}

static u64 flush_ranges(struct kvm_vcpu *vcpu, u64 address_space, const u64 *entries,
			unsigned int count)
{
	struct l0_gfn_range *ranges = kmalloc_array(count, sizeof(*ranges), GFP_KERNEL);
	unsigned int i;

	if (!ranges)
		return HV_STATUS_INSUFFICIENT_MEMORY;
	atomic64_inc(&counters.flush_list);
	for (i = 0; i < count; i++) {
		ranges[i].first = entries[i] >> ENTRY_GFN_SHIFT;
		ranges[i].last = ranges[i].first + (entries[i] & ENTRY_MORE_PAGES);
		atomic64_add(ranges[i].last - ranges[i].first + 1, &counters.pages_named);
	}
	flush(vcpu, address_space, ranges, count);
	kfree(ranges);
	return HV_STATUS_SUCCESS;
}

static u64 check_header(u64 address_space, u64 flags)
{
	if (flags || address_space & ~EPTP_ROOT_MASK)
		return HV_STATUS_INVALID_PARAMETER;
	return HV_STATUS_SUCCESS;
}

static u64 serve_space(struct kvm_vcpu *vcpu, u64 control, u64 rdx, u64 r8)
{
	struct flush_list header = { rdx, r8 };
	u64 status;

	if (control & (HV_HYPERCALL_REP_COMP_MASK | HV_HYPERCALL_REP_START_MASK))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	if (!(control & HV_HYPERCALL_FAST_BIT) &&
	    (!IS_ALIGNED(rdx, sizeof(u64)) ||
	     kvm_read_guest(vcpu->kvm, rdx, &header, sizeof(header))))
		return HV_STATUS_INVALID_ALIGNMENT;
	status = check_header(header.address_space, header.flags);
	return status ?: flush_space(vcpu, header.address_space);
}

/* Returns the number of entries done, as the TLFS has a repeated hypercall do. */
static u64 serve_list(struct kvm_vcpu *vcpu, u64 control, u64 rdx)
{
	unsigned int count = control >> HV_HYPERCALL_REP_COMP_OFFSET & 0xfff;
	unsigned int start = control >> HV_HYPERCALL_REP_START_OFFSET & 0xfff;
	struct flush_list *list;
	size_t size = struct_size(list, entries, count);
	u64 status;

	if (control & HV_HYPERCALL_FAST_BIT || count > MAX_ENTRIES || start >= count)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	if (!IS_ALIGNED(rdx, sizeof(u64)) || offset_in_page(rdx) + size > PAGE_SIZE)
		return HV_STATUS_INVALID_ALIGNMENT;
	list = kmalloc(size, GFP_KERNEL);
	if (!list)
		return HV_STATUS_INSUFFICIENT_MEMORY;
	if (kvm_read_guest(vcpu->kvm, rdx, list, size))
		status = HV_STATUS_INVALID_ALIGNMENT;
	else
		status = check_header(list->address_space, list->flags);
	if (!status)
		status = flush_ranges(vcpu, list->address_space, list->entries + start,
				      count - start);
	if (!status)
		status = (u64)count << HV_HYPERCALL_REP_COMP_OFFSET;
	kfree(list);
	return status;
}

/**
 * l0_ept_hypercall() - serve a hypercall if it is one of those two
 * @vcpu:    L1's CPU
 * @control: hypercall input value
 * @rdx:     GPA of the input, or its first 8 bytes if the call is a fast one
 * @r8:      its second 8 bytes then
 * @result:  hypercall result value
 *
 * Context: may sleep.
 * Return: true if it was served or refused.
 */
bool l0_ept_hypercall(struct kvm_vcpu *vcpu, u64 control, u64 rdx, u64 r8, u64 *result)
{
	u16 code = control & 0xffff;

	if (!gpa_flush || is_guest_mode(vcpu) ||
	    (code != HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_SPACE &&
	     code != HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_LIST))
		return false;
	if (!to_vmx(vcpu)->nested.vmxon)
		*result = HV_STATUS_ACCESS_DENIED;
	else if (control & (HV_HYPERCALL_RSVD_MASK | HV_HYPERCALL_VARHEAD_MASK))
		*result = HV_STATUS_INVALID_HYPERCALL_INPUT;
	else if (code == HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_SPACE)
		*result = serve_space(vcpu, control, rdx, r8);
	else
		*result = serve_list(vcpu, control, rdx);
	return true;
}

/**
 * l0_ept_invept() - L1 has executed INVEPT
 * @vcpu: L1's CPU
 * @type: single-context or global
 * @eptp: whose context
 *
 * Context: may sleep.
 */
void l0_ept_invept(struct kvm_vcpu *vcpu, unsigned long type, u64 eptp)
{
	const struct l0_gfn_range all = L0_ALL_GFNS;
	bool global = type == VMX_EPT_EXTENT_GLOBAL;
	gfn_t root = global ? L0_ALL_ROOTS : gpa_to_gfn(eptp & EPTP_ROOT_MASK);

	atomic64_inc(global ? &counters.invept_global : &counters.invept_single);
	if (!gpa_flush)
		return;
	l0_ept_forget_context(vcpu, root);
	if (global)
		l0_ept_zap_all_roots(vcpu->kvm);
	else
		l0_ept_zap(vcpu->kvm, root, &all, 1);
}
EXPORT_SYMBOL_GPL(l0_ept_invept);

/**
 * l0_ept_invvpid() - L1 has executed INVVPID, of whatever type
 *
 * Context: any.
 */
void l0_ept_invvpid(void)
{
	atomic64_inc(&counters.invvpid);
}
EXPORT_SYMBOL_GPL(l0_ept_invvpid);

/**
 * l0_ept_installed() - the shadow EPT has got a leaf
 * @vcpu:  L1's CPU, in L2
 * @sptep: where
 * @fault: of L2's that asked for it; NULL for one beside it, that L0 takes along
 * @ret:   RET_PF_SPURIOUS if it had it already
 *
 * Context: holds kvm->mmu_lock.
 */
void l0_ept_installed(struct kvm_vcpu *vcpu, u64 *sptep, struct kvm_page_fault *fault,
		      int ret)
{
	/* What is taken along lies in the table where the fault was. */
	static struct {
		struct kvm_mmu_page *sp;
		gfn_t gfn;
	} last;
	struct kvm_mmu_page *sp = sptep_to_sp(sptep);
	struct kvm_mmu *mmu = vcpu->arch.mmu;
	gfn_t gfn;

	if (!sp->role.guest_mode)
		return;
	if (fault) {
		if (ret != RET_PF_SPURIOUS)
			atomic64_inc(&counters.refaults);
		last.sp = sp;
		last.gfn = gpa_to_gfn(fault->addr);
		gfn = last.gfn;
	} else {
		if (sp != last.sp)
			return;
		gfn = ALIGN_DOWN(last.gfn, SPTE_ENT_PER_PAGE) + spte_index(sptep);
	}
	if (gpa_flush)
		l0_ept_record(vcpu, gpa_to_gfn(mmu->root.pgd & EPTP_ROOT_MASK),
			      mmu->root_role.level, gfn);
}

/**
 * l0_ept_entry() - L1 is about to enter L2
 * @vcpu: L1's CPU
 * @eptp: of its VMCS, or 0
 *
 * Context: may sleep.
 */
void l0_ept_entry(struct kvm_vcpu *vcpu, u64 eptp)
{
	if (gpa_flush)
		atomic64_add(l0_ept_judge(vcpu, gpa_to_gfn(eptp & EPTP_ROOT_MASK)),
			     &counters.missed);
}
EXPORT_SYMBOL_GPL(l0_ept_entry);

static int ept_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counter_files); i++)
		seq_printf(m, "%s %llu\n", counter_files[i].name,
			   atomic64_read(counter_files[i].value));
	return 0;
}

static ssize_t ept_write(struct file *file, const char __user *text, size_t size,
			 loff_t *pos)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counter_files); i++)
		atomic64_set(counter_files[i].value, 0);
	return size;
}

DEFINE_SHOW_STORE_ATTRIBUTE(ept);

static struct dentry *ept_file;

void l0_ept_init(void)
{
	ept_file = debugfs_create_file("ept", 0600, l0_debugfs, NULL, &ept_fops);
}

void l0_ept_exit(void)
{
	debugfs_remove(ept_file);
	l0_ept_forget_all();
}
