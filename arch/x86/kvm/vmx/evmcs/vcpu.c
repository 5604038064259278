// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of an enlightened VMCS that has no VMCS encoding: who the vCPU is
 * for L0, and which enlightenments it uses (TLFS, HV_VMX_ENLIGHTENED_VMCS:
 * EnlightenmentsControl, VpId, VmId, PartitionAssistPage).
 *
 * L0 needs the identity to find the vCPUs that a direct flush hypercall of L2
 * names, so it must be right from the first entry on, and L0 reads it only when
 * its clean field group says so.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>

#include "../../hyperv.h"

#include "activate.h"
#include "costs.h"
#include "l2_flush.h"
#include "vcpu.h"

/*
 * VmId: unique among the VMs of this L1 and nothing else. 0 is no VM. 64 bits
 * do not wrap. Not a pointer: L0 has no business with our addresses.
 */
static u64 vm_id(struct kvm *kvm)
{
	return READ_ONCE(to_kvm_vmx(kvm)->evmcs_vm_id);
}

/* vCPUs of one VM may be created side by side: true for the first one, whose id wins. */
static bool name_vm(struct kvm *kvm)
{
	static atomic64_t last;

	return !vm_id(kvm) &&
	       !cmpxchg64(&to_kvm_vmx(kvm)->evmcs_vm_id, 0, atomic64_inc_return(&last));
}

/**
 * evmcs_vcpu_create() - prepare the vCPU's own eVMCS
 * @vmx: the vCPU, with vmcs01 allocated, zeroed and VMCLEARed
 *
 * The MSR bitmap enlightenment is for vmcs01 alone: the bitmap of a guest's
 * guest is merged anew on its entries, and nobody tracks what changed in it.
 *
 * Context: may sleep; nobody else sees the vCPU yet.
 */
void evmcs_vcpu_create(struct vcpu_vmx *vmx)
{
	struct hv_enlightened_vmcs *evmcs = (void *)vmx->vmcs01.vmcs;

	if (!kvm_is_using_evmcs())
		return;

	if (name_vm(vmx->vcpu.kvm))
		evmcs_l2_flush_create_vm(vmx->vcpu.kvm);

	evmcs->hv_enlightenments_control.msr_bitmap = evmcs_has_msr_bitmap();
	evmcs->hv_vm_id = vm_id(vmx->vcpu.kvm);
	evmcs_dirty(evmcs, EVMCS_ENLIGHTENMENTSCONTROL | EVMCS_MSR_BITMAP);
	evmcs_l2_flush_create(vmx);
}

/*
 * VpId is the VP index that L2 sees. Only an ioctl on the vCPU changes it, which
 * ends in a put, and the next run begins with a load. So this is where a change is
 * seen, and the run itself need not look.
 */
void __evmcs_vcpu_load(struct vcpu_vmx *vmx)
{
	struct hv_vp_assist_page *assist = hv_get_vp_assist_page(smp_processor_id());
	struct hv_enlightened_vmcs *evmcs = (void *)vmx->loaded_vmcs->vmcs;
	u32 vp_id = kvm_hv_get_vpindex(&vmx->vcpu);
	u64 id = vm_id(vmx->vcpu.kvm);

	/* One bit a VP: it follows the vCPU that is loaded. */
	if (assist)
		assist->nested_control.features.directhypercall =
			evmcs->hv_enlightenments_control.nested_flush_hypercall;

	evmcs_costs_vcpu_load(&vmx->vcpu);

	if (evmcs->hv_vp_id == vp_id && evmcs->hv_vm_id == id)
		return;

	evmcs->hv_vp_id = vp_id;
	evmcs->hv_vm_id = id;
	evmcs_dirty(evmcs, EVMCS_ENLIGHTENMENTSCONTROL);
}
