// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TPR shadow lets L2 access CR8 without an exit. L0 pays for it on each exit and
 * each entry of L2, whether L2 uses CR8 or not: it maps the virtual-APIC page of L1
 * and unmaps it again. Linux as L2 never touches CR8; Windows does all the time.
 *
 * So a vCPU starts without the shadow, and its accesses to CR8 exit, or to the MSR that
 * is TPR in x2APIC mode where the CPU could virtualize that. At the first one the
 * shadow is turned on and L2 executes the instruction again, so it is the CPU that
 * carries it out, faults included, and nothing is emulated. Under the shadow L1
 * does not see accesses; therefore the shadow is turned off now and then, and if L2
 * comes back soon, it is left on for twice as long. One exit a trial is what that
 * costs. (SDM 3C, "TPR Virtualization" and "Virtualizing CR8-Based TPR Accesses".)
 *
 * Either way the TPR is in KVM's register page of the local APIC, which is the
 * virtual-APIC page too, so there is nothing to carry over. All this concerns vmcs01;
 * KVM makes a guest's guest's controls from what its hypervisor asked for.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <linux/moduleparam.h>

#include "../../lapic.h"
#include "../vmx.h"
#include "../x86_ops.h"

#include "access.h"
#include "status.h"
#include "tpr_shadow.h"

#define PATIENCE_MIN	HZ
#define PATIENCE_MAX	(64 * HZ)

/* Exit qualification of an access to a control register: which one */
#define CR_NUMBER	0xf

#define CR8_EXITING	(CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING)

static bool lazy_tpr_shadow = true;
module_param(lazy_tpr_shadow, bool, 0444);
MODULE_PARM_DESC(lazy_tpr_shadow,
		 "With Enlightened VMCS, use the TPR shadow only while a guest uses CR8");

static bool on_demand __ro_after_init;

/**
 * evmcs_tpr_shadow_setup() - decide whether the shadow comes on demand
 *
 * Context: while the module loads, when KVM knows what the CPU can do.
 */
void __init evmcs_tpr_shadow_setup(void)
{
	enum evmcs_state state = EVMCS_ABSENT;
	const char *reason = "";

	if (!kvm_is_using_evmcs()) {
		reason = "needs evmcs";
	} else if (!cpu_has_vmx_tpr_shadow()) {
		reason = "Hyper-V offers no TPR shadow: each access to CR8 exits";
	} else if (flexpriority_enabled || enable_apicv) {
		reason = "Hyper-V offers APIC virtualization, which needs the shadow";
	} else if (!lazy_tpr_shadow) {
		state = EVMCS_OFF;
		reason = "lazy_tpr_shadow=0";
	} else {
		state = EVMCS_IN_USE;
		on_demand = true;
	}
	evmcs_status_set(EVMCS_FEATURE_TPR_SHADOW, state, "%s", reason);
}

static void change(struct vcpu_vmx *vmx, enum evmcs_tpr_use use)
{
	u32 controls = exec_controls_get(vmx) & ~(CR8_EXITING | CPU_BASED_TPR_SHADOW);

	controls |= use == EVMCS_TPR_WITH ? CPU_BASED_TPR_SHADOW : CR8_EXITING;
	exec_controls_set(vmx, controls);
	/*
	 * Not kept up without the shadow; VM entry fails if it is above TPR, and KVM
	 * does not look at it while the APIC is off.
	 */
	vmcs_write32(TPR_THRESHOLD, 0);

	vmx->evmcs_tpr.use = use;
	vmx->evmcs_tpr.since = jiffies;

	/* Virtualized x2APIC mode needs the shadow: on and off with it. */
	vmx_set_virtual_apic_mode(&vmx->vcpu);
}

/**
 * evmcs_tpr_shadow_init() - a new vCPU
 * @vmx: the vCPU, its vmcs01 loaded and its controls set
 *
 * Context: the vCPU is loaded; nobody else sees it yet.
 */
void evmcs_tpr_shadow_init(struct vcpu_vmx *vmx)
{
	if (!on_demand || !cpu_need_tpr_shadow(&vmx->vcpu))
		return;
	change(vmx, EVMCS_TPR_WITHOUT);
}

/*
 * L2 accesses its TPR without the shadow: give it the shadow. Not for an access of a
 * guest's guest; KVM emulates that, on vmcs02.
 */
static bool turn_on(struct vcpu_vmx *vmx)
{
	struct evmcs_tpr *tpr = &vmx->evmcs_tpr;

	if (is_guest_mode(&vmx->vcpu))
		return false;

	/* With a patience of 0 this is the first time. */
	if (time_before(jiffies, tpr->since + tpr->patience))
		tpr->patience = min_t(unsigned long, 2 * tpr->patience, PATIENCE_MAX);
	else
		tpr->patience = PATIENCE_MIN;
	change(vmx, EVMCS_TPR_WITH);

	/* The threshold comes with the next look at events. */
	kvm_make_request(KVM_REQ_EVENT, &vmx->vcpu);
	return true;
}

bool __evmcs_cr_access(struct vcpu_vmx *vmx)
{
	return (vmx_get_exit_qual(&vmx->vcpu) & CR_NUMBER) == 8 && turn_on(vmx);
}

bool __evmcs_msr_access(struct vcpu_vmx *vmx)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;

	return kvm_rcx_read(vcpu) == X2APIC_MSR(APIC_TASKPRI) &&
	       apic_x2apic_mode(vcpu->arch.apic) &&
	       cpu_has_vmx_virtualize_x2apic_mode() && turn_on(vmx);
}

/*
 * This is called when an event for L2 is looked at: off the path of plain exits, and
 * still often enough in a guest that has a timer.
 */
bool __evmcs_tpr_threshold_unused(struct vcpu_vmx *vmx)
{
	struct evmcs_tpr *tpr = &vmx->evmcs_tpr;

	if (is_guest_mode(&vmx->vcpu))
		return false;
	if (tpr->use == EVMCS_TPR_WITH && time_after(jiffies, tpr->since + tpr->patience))
		change(vmx, EVMCS_TPR_WITHOUT);
	return tpr->use == EVMCS_TPR_WITHOUT;
}
