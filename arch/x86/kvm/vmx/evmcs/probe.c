// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM entry that cannot succeed, to see whether L0 looks at the enlightened VMCS.
 *
 * All VM-execution controls of an empty eVMCS are zero, which no processor allows:
 * VMLAUNCH fails before it loads anything (SDM vol. 3, "Checks on the Controls").
 * How it fails tells what L0 makes of the VP assist page: VMfailValid needs a
 * current VMCS, which can only be ours, and VMfailInvalid says that there is none
 * or that L0 does not accept it. Cheaper than to learn it from the first guest.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/perf_event.h>
#include <linux/smp.h>

#include <asm/asm.h>
#include <asm/hyperv-tlfs.h>
#include <asm/mshyperv.h>
#include <asm/tlbflush.h>

#include "fields.h"
#include "probe.h"

struct probe {
	struct hv_enlightened_vmcs *evmcs;
	u32 *vmxon_region;
	bool refused;
};

/* Returns false if VMXON raised an exception. */
static __init bool enter_vmx_operation(phys_addr_t region)
{
	int error = 1;

	asm volatile("1:	vmxon %[region]\n"
		     "	xor %[error], %[error]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [error] "+r" (error) : [region] "m" (region) : "cc", "memory");
	return !error;
}

/* VMfailInvalid sets CF, and nothing else does. */
static __init bool vmlaunch_is_refused(void)
{
	bool invalid;

	asm volatile("vmlaunch" : "=@ccc" (invalid) : : "memory");
	return invalid;
}

static __init void probe_cpu(void *data)
{
	struct hv_vp_assist_page *assist = hv_get_vp_assist_page(smp_processor_id());
	struct probe *probe = data;
	u64 address = virt_to_phys(probe->evmcs);

	/*
	 * A CPU that came up just now and lacks its page is KVM's to refuse later; one
	 * on which somebody else uses VMX is not ours to disturb.
	 */
	if (!assist || cr4_read_shadow() & X86_CR4_VMXE)
		return;

	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	if (enter_vmx_operation(virt_to_phys(probe->vmxon_region))) {
		assist->current_nested_vmcs = address;
		assist->enlighten_vmentry = 1;
		probe->refused = vmlaunch_is_refused();
		asm volatile("vmclear %0" : : "m" (address) : "cc", "memory");
		assist->enlighten_vmentry = 0;
		assist->current_nested_vmcs = 0;
		asm volatile("vmxoff" : : : "cc");
	}
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

/**
 * evmcs_probe() - try an enlightened VM entry on every CPU
 * @controls: enlightenments control to try it with (TLFS, EnlightenmentsControl)
 * @culprit:  the first CPU on which L0 refused it
 *
 * Context: may sleep; while the module loads, all VP assist pages are in place and
 * none names a VMCS.
 * Return: false if L0 refused it. True also where it could not be tried: there is
 * no memory for it, or VMX is off or not free, which KVM will find out by itself.
 */
bool __init evmcs_probe(u32 controls, int *culprit)
{
	struct probe probe = {
		.evmcs = (void *)get_zeroed_page(GFP_KERNEL),
		.vmxon_region = (void *)get_zeroed_page(GFP_KERNEL),
	};
	u64 basic = 0;
	int cpu;

	if (!probe.evmcs || !probe.vmxon_region || !boot_cpu_has(X86_FEATURE_VMX) ||
	    rdmsrl_safe(MSR_IA32_VMX_BASIC, &basic))
		goto out;
	*probe.vmxon_region = basic & GENMASK(30, 0);

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		clear_page(probe.evmcs);
		probe.evmcs->revision_id = EVMCS_VERSION;
		memcpy(&probe.evmcs->hv_enlightenments_control, &controls,
		       sizeof(controls));
		smp_call_function_single(cpu, probe_cpu, &probe, true);
		if (probe.refused) {
			*culprit = cpu;
			break;
		}
	}
	cpus_read_unlock();
out:
	free_page((unsigned long)probe.evmcs);
	free_page((unsigned long)probe.vmxon_region);
	return !probe.refused;
}
