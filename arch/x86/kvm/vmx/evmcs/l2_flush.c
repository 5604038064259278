// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct flush (TLFS, "Nested Virtualization": direct virtual flush): L0 serves the
 * hypercalls by which a Hyper-V-aware L2 flushes its own TLB, and L1 is not woken.
 *
 * L0 has to know which of its processors hold translations of an L2: VmId and VpId of
 * each eVMCS (vcpu.c), a page for the VM, one bit in the eVMCS, and one in the VP assist
 * page of the CPU. What must not happen is that L0 takes for a flush what is none:
 * l2_flush_rule.h says when the bit may be set.
 *
 * The rule is looked at when one of its facts changes: the VMM sets CPUID or asks for
 * direct flush (an ioctl on the vCPU), and L2 or the VMM turns L2's hypercalls on or off,
 * which is one setting for the whole VM (l2_flush_request.h). Who does the latter waits
 * until every vCPU has left L2, so that from then on none of them runs by the old
 * decision. An entry looks at nothing.
 *
 * A VMM that does not ask does not get it: KVM_CAP_HYPERV_DIRECT_TLBFLUSH means that the
 * VMM knows that KVM will not see L2's flushes. The parameter direct_flush=2 asks on
 * behalf of every VMM of this L1.
 *
 * KVM does without seeing them only because it holds no translation of L2's linear
 * addresses: the processor has them, by EPT. With shadow page tables (ept=0) it does,
 * and L0 would flush what KVM then goes on to serve: no direct flush.
 *
 * So KVM leaves TlbLockCount in the partition assist page at zero. An L1 raises it to
 * hear of flushes while it uses a translation that it made itself; KVM makes one to
 * emulate an instruction, and does not wait for that either when it serves the
 * hypercall itself.
 *
 * Guests of L2's are not concerned: their hypercalls are L2's to serve, and vmcs02 has
 * VmId and VpId (its translations are L2's business too) but not the bit.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>

#include "../../hyperv.h"
#include "../../kvm_onhyperv.h"
#include "../x86_ops.h"

#include "access.h"
#include "activate.h"
#include "l2_flush.h"
#include "l2_flush_request.h"
#include "l2_flush_rule.h"
#include "status.h"

enum { NEVER, WHERE_ASKED, WHERE_POSSIBLE };

static unsigned int direct_flush = WHERE_ASKED;

static int set_direct_flush(const char *value, const struct kernel_param *param)
{
	return param_set_uint_minmax(value, param, NEVER, WHERE_POSSIBLE);
}

static const struct kernel_param_ops direct_flush_ops = {
	.set = set_direct_flush,
	.get = param_get_uint,
};

module_param_cb(direct_flush, &direct_flush_ops, &direct_flush, 0444);
MODULE_PARM_DESC(direct_flush,
		 "Let Hyper-V serve the TLB flush hypercalls of guests: 0 never, 1 where the VMM asks for it, 2 for every guest that qualifies");

static_assert(EVMCS_HINT_REMOTE_FLUSH == HV_X64_REMOTE_TLB_FLUSH_RECOMMENDED);
static_assert(EVMCS_HYPERCALL_ENABLE == HV_X64_MSR_HYPERCALL_ENABLE);

/* L0 has refused an entry with it. Never cleared. */
static bool refused;

static bool xen_hypercalls(struct kvm *kvm)
{
#ifdef CONFIG_KVM_XEN
	return kvm->arch.xen_hvm_config.flags & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL;
#else
	return false;
#endif
}

static const char *why_not(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_hv *hv_vcpu = to_hv_vcpu(vcpu);
	struct kvm_hv *hv = to_kvm_hv(vcpu->kvm);
	const struct evmcs_l2_flush_facts facts = {
		.refused = READ_ONCE(refused),
		.asked = to_vmx(vcpu)->evmcs_l2_flush.asked,
		.page = vcpu->kvm->arch.hv_pa_pg,
		.hyperv = vcpu->arch.hyperv_enabled && hv_vcpu,
		.kvm = vcpu->arch.kvm_cpuid.base,
		.xen = xen_hypercalls(vcpu->kvm),
		.hints = hv_vcpu ? hv_vcpu->cpuid_cache.enlightenments_eax : 0,
		.guest_os = READ_ONCE(hv->hv_guest_os_id),
		.hypercall = READ_ONCE(hv->hv_hypercall),
	};

	return evmcs_l2_flush_why_not(&facts);
}

/* Two vCPUs of a VM may come at once, and must share a page. */
static bool need_partition_assist_page(struct kvm_vcpu *vcpu)
{
	static DEFINE_MUTEX(page_lock);
	hpa_t page;

	mutex_lock(&page_lock);
	page = hv_get_partition_assist_page(vcpu);
	mutex_unlock(&page_lock);
	return page != INVALID_PAGE;
}

/* For the CPU that the vCPU is loaded on; elsewhere the load sees to it. */
static void follow(struct vcpu_vmx *vmx, bool on)
{
	struct hv_vp_assist_page *assist;

	preempt_disable();
	assist = hv_get_vp_assist_page(smp_processor_id());
	if (assist && this_cpu_read(current_vmcs) == vmx->vmcs01.vmcs)
		assist->nested_control.features.directhypercall = on;
	preempt_enable();
}

/**
 * evmcs_l2_flush_decide() - look at the rule, since one of its facts may have changed
 * @vcpu: the vCPU
 *
 * The facts that belong to the whole VM are written before each vCPU gets its request,
 * and a vCPU that has taken it reads them after that: kvm_check_request().
 *
 * Context: the vCPU's mutex is held, or the vCPU is being created; it is not in L2.
 */
void evmcs_l2_flush_decide(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct hv_enlightened_vmcs *evmcs = (void *)vmx->vmcs01.vmcs;
	const char *reason;
	bool on;

	if (!evmcs_l2_flush_op)
		return;
	reason = why_not(vcpu);
	WRITE_ONCE(vmx->evmcs_l2_flush.why_not, reason);
	on = !reason;
	if (evmcs->hv_enlightenments_control.nested_flush_hypercall == on)
		return;
	if (on)
		evmcs->partition_assist_page = __pa(vcpu->kvm->arch.hv_pa_pg);
	evmcs->hv_enlightenments_control.nested_flush_hypercall = on;
	evmcs_dirty(evmcs, EVMCS_ENLIGHTENMENTSCONTROL);
	follow(vmx, on);
}

/* KVM_CAP_HYPERV_DIRECT_TLBFLUSH on a vCPU, which is loaded. */
static int enable_l2_tlb_flush(struct kvm_vcpu *vcpu)
{
	if (!need_partition_assist_page(vcpu))
		return -ENOMEM;
	to_vmx(vcpu)->evmcs_l2_flush.asked = true;
	evmcs_l2_flush_decide(vcpu);
	return 0;
}

/**
 * evmcs_l2_flush_refused() - L0 refused an entry, and direct flush may be why
 * @vmx: the vCPU, with vmcs01 loaded
 *
 * Others find out in the same way, or when they decide the next time.
 *
 * Context: preemption off.
 */
void evmcs_l2_flush_refused(struct vcpu_vmx *vmx)
{
	if (!xchg(&refused, true))
		evmcs_status_set(EVMCS_FEATURE_DIRECT_FLUSH, EVMCS_REFUSED,
				 "Hyper-V refused an entry with it");
	evmcs_l2_flush_decide(&vmx->vcpu);
}

/**
 * evmcs_l2_flush_create() - a new vCPU
 * @vmx: the vCPU, its vmcs01 zeroed
 *
 * Context: may sleep; nobody else sees the vCPU yet.
 */
void evmcs_l2_flush_create(struct vcpu_vmx *vmx)
{
	if (!evmcs_l2_flush_op)
		return;
	if (direct_flush == WHERE_POSSIBLE) {
		need_partition_assist_page(&vmx->vcpu);
		vmx->evmcs_l2_flush.asked = true;
	}
	evmcs_l2_flush_decide(&vmx->vcpu);
}

/* One line a vCPU: its name, state and reason, as in the table of status.c. */
static int l2_flush_show(struct seq_file *out, void *unused)
{
	struct kvm *kvm = out->private;
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		const char *reason = READ_ONCE(to_vmx(vcpu)->evmcs_l2_flush.why_not);

		seq_printf(out, "vcpu%d\t%s\t%s\n", vcpu->vcpu_id,
			   reason ? "off" : "in-use", reason ?: "-");
	}
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(l2_flush);

/**
 * evmcs_l2_flush_create_vm() - a VM has got its first vCPU
 * @kvm: the VM
 *
 * Its directory in debugfs gets a file; KVM removes all of it, and waits for readers,
 * before the vCPUs go.
 *
 * Context: may sleep; once a VM.
 */
void evmcs_l2_flush_create_vm(struct kvm *kvm)
{
	if (evmcs_l2_flush_op && !IS_ERR_OR_NULL(kvm->debugfs_dentry))
		debugfs_create_file("direct_flush", 0444, kvm->debugfs_dentry, kvm,
				    &l2_flush_fops);
}

/**
 * evmcs_l2_flush_setup() - decide whether direct flush can be used at all
 * @ept: KVM uses EPT
 *
 * Context: while the module loads, after evmcs_setup() and before KVM takes over the
 * operations.
 */
void __init evmcs_l2_flush_setup(bool ept)
{
	enum evmcs_state state = EVMCS_OFF;
	const char *reason;

	if (!evmcs_has_direct_flush())
		return;
	if (direct_flush == NEVER) {
		reason = "direct_flush=0";
	} else if (!ept) {
		reason = "KVM does not use EPT, and has to see L2's flushes itself";
	} else {
		state = EVMCS_IN_USE;
		reason = direct_flush == WHERE_ASKED ?
			 "for each vCPU that qualifies and whose VMM asks for it" :
			 "for each vCPU that qualifies";
		vt_x86_ops.enable_l2_tlb_flush = enable_l2_tlb_flush;
		evmcs_l2_flush_op = evmcs_l2_flush_decide;
	}
	evmcs_status_set(EVMCS_FEATURE_DIRECT_FLUSH, state, "%s", reason);
}

/**
 * evmcs_l2_flush_off() - leave kvm.ko as it was
 *
 * Context: while the module is unloaded, after the last VM.
 */
void evmcs_l2_flush_off(void)
{
	evmcs_l2_flush_op = NULL;
}
