// SPDX-License-Identifier: GPL-2.0-only
/*
 * L0 refuses an enlightened VM entry after others have worked: after L1 was saved
 * and restored or moved to another host, say, it may have lost the VP assist page
 * or an enlightenment. An entry that fails has changed nothing of the guest, so it
 * can be tried again: first with everything set up anew, then without the
 * enlightenments that L1 can do without. Then the VMM hears of it as of any other
 * failed entry.
 *
 * An entry can also fail for what the VMM put into the vCPU. That is VMfailValid, of
 * which L0 leaves an error number in the page; VMfailInvalid leaves none. The number
 * is cleared before the second attempt, so that the outcome of that one is certain,
 * and no enlightenment is given up for a VMM's mistake.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/preempt.h>

#include "../vmx_ops.h"

#include "activate.h"
#include "l2_flush.h"
#include "retry.h"
#include "status.h"
#include "vcpu.h"

/* How often an entry was tried that failed just now: 1 for the first time. */
static unsigned int attempts(struct vcpu_vmx *vmx)
{
	u64 exits = vmx->vcpu.stat.exits;

	/* KVM counts an exit for each attempt: one in a row is one more. */
	if (vmx->evmcs_refused_at + 1 != exits)
		vmx->evmcs_attempts = 0;
	vmx->evmcs_refused_at = exits;
	return ++vmx->evmcs_attempts;
}

/* Returns false if the vCPU uses none of them. */
static bool do_without_options(struct vcpu_vmx *vmx)
{
	struct hv_enlightened_vmcs *evmcs = (void *)vmx->loaded_vmcs->vmcs;

	if (!evmcs->hv_enlightenments_control.msr_bitmap &&
	    !evmcs->hv_enlightenments_control.nested_flush_hypercall)
		return false;

	if (evmcs->hv_enlightenments_control.msr_bitmap)
		evmcs_status_set(EVMCS_FEATURE_MSR_BITMAP, EVMCS_REFUSED,
				 "Hyper-V refused an entry with it");
	evmcs->hv_enlightenments_control.msr_bitmap = 0;
	if (evmcs->hv_enlightenments_control.nested_flush_hypercall)
		evmcs_l2_flush_refused(vmx);
	pr_warn_once("Hyper-V refuses Enlightened VMCS with MSR bitmap or direct flush: vCPUs do without\n");
	return true;
}

bool __evmcs_retry(struct vcpu_vmx *vmx)
{
	struct loaded_vmcs *loaded = vmx->loaded_vmcs;
	struct hv_enlightened_vmcs *evmcs = (void *)loaded->vmcs;
	unsigned int attempt = attempts(vmx);
	bool invalid = !evmcs->vm_instruction_error;
	bool retry;

	preempt_disable();
	if (attempt == 1) {
		/* A number may be left from an earlier failure: try in any case. */
		if (invalid)
			pr_warn_once("Hyper-V refused to enter an Enlightened VMCS: setting it up anew\n");
		evmcs->vm_instruction_error = 0;
		retry = true;
	} else {
		retry = attempt == 2 && invalid && do_without_options(vmx);
	}

	if (retry) {
		evmcs_cpu_restore();
		vmcs_clear(loaded->vmcs);
		loaded->launched = 0;
		evmcs_load(__pa(loaded->vmcs));
		__evmcs_vcpu_load(vmx);
	}
	preempt_enable();
	return retry;
}
