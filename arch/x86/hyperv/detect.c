// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is this a guest of Hyper-V, and what does that offer?
 *
 * TLFS 2.4: a hypervisor whose leaf 0x40000001 says "Hv#1" conforms to this interface,
 * whatever it calls itself. What can be used is in the feature words (2.4.4 to 2.4.11).
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <asm/apic.h>
#include <asm/hypervisor.h>
#include <asm/mshyperv.h>

#include "core.h"

/* "Hv#1" */
#define HV_INTERFACE 0x31237648

/* What hangs from the patch level on (KVM shows no build) */
#define HAS_BUILD(version) ((version)->eax)

struct ms_hyperv_info ms_hyperv;
EXPORT_SYMBOL_GPL(ms_hyperv);

static u32 __init max_leaf(void)
{
	u32 leaf = cpuid_eax(HYPERV_CPUID_VENDOR_AND_MAX_FUNCTIONS);

	return leaf < HYPERV_CPUID_MIN || leaf > HYPERV_CPUID_MAX ? 0 : leaf;
}

static u32 __init detect(void)
{
	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR) || !max_leaf())
		return 0;
	if (cpuid_eax(HYPERV_CPUID_INTERFACE) != HV_INTERFACE)
		return 0;
	return HYPERV_CPUID_VENDOR_AND_MAX_FUNCTIONS;
}

/**
 * hv_get_hypervisor_version() - which Hyper-V is this?
 * @info: the registers of its leaf, TLFS 2.4.3
 *
 * Context: any.
 * Return: 0, or -ENODEV where it does not say.
 */
int hv_get_hypervisor_version(union hv_hypervisor_version_info *info)
{
	if (cpuid_eax(HYPERV_CPUID_VENDOR_AND_MAX_FUNCTIONS) < HYPERV_CPUID_VERSION)
		return -ENODEV;
	cpuid(HYPERV_CPUID_VERSION, &info->eax, &info->ebx, &info->ecx, &info->edx);
	return 0;
}
EXPORT_SYMBOL_GPL(hv_get_hypervisor_version);

static void __init read_features(void)
{
	u32 ecx, edx;

	cpuid(HYPERV_CPUID_FEATURES, &ms_hyperv.features, &ms_hyperv.priv_high, &ecx,
	      &ms_hyperv.misc_features);
	ms_hyperv.hints = cpuid_eax(HYPERV_CPUID_ENLIGHTMENT_INFO);
	cpuid(HYPERV_CPUID_IMPLEMENT_LIMITS, &ms_hyperv.max_vp_index, &ms_hyperv.max_lp_index,
	      &ecx, &edx);
	if (max_leaf() >= HYPERV_CPUID_NESTED_FEATURES)
		ms_hyperv.nested_features = cpuid_eax(HYPERV_CPUID_NESTED_FEATURES);
}

static void __init say_who(void)
{
	union hv_hypervisor_version_info version;
	u32 vendor[3], leaf;

	cpuid(HYPERV_CPUID_VENDOR_AND_MAX_FUNCTIONS, &leaf, &vendor[0], &vendor[1], &vendor[2]);
	if (hv_get_hypervisor_version(&version))
		version.eax = 0;
	pr_info("'%.12s', build %u: features %#x, privileges %#x, misc %#x, hints %#x, nested %#x\n",
		(char *)vendor, HAS_BUILD(&version), ms_hyperv.features, ms_hyperv.priv_high,
		ms_hyperv.misc_features, ms_hyperv.hints, ms_hyperv.nested_features);
}

/* What the kernel can do with a Hyper-V that offers nothing else. */
static void __init note_native(void)
{
	hv_row_native(HV_ROW_TLB_FLUSH, ms_hyperv.hints & HV_X64_REMOTE_TLB_FLUSH_RECOMMENDED);
	hv_row_native(HV_ROW_IPI, ms_hyperv.hints & HV_X64_CLUSTER_IPI_RECOMMENDED);
	hv_row_native(HV_ROW_SPINLOCKS, ms_hyperv.features & HV_MSR_GUEST_IDLE_AVAILABLE);
	hv_row_native(HV_ROW_STIMERS, ms_hyperv.features & HV_MSR_SYNTIMER_AVAILABLE);
	hv_row_native(HV_ROW_CRASH, ms_hyperv.misc_features & HV_FEATURE_GUEST_CRASH_MSR_AVAILABLE);
}

static void __init init_platform(void)
{
	const char *unsupported;

	pv_info.name = "Hyper-V";
	read_features();
	say_who();
	unsupported = hv_unsupported_partition();
	if (unsupported) {
		pr_warn("this is %s, which hvnest's core does not support: nothing of Hyper-V is used\n",
			unsupported);
		memset(&ms_hyperv, 0, sizeof(ms_hyperv));
		return;
	}
	note_native();
	hv_platform_init();
	hv_vectors_init();
	hv_relaxed_timing_init();
	hv_frequency_init();
	hv_invariant_tsc_init();
	hv_clock_init();
	hv_shutdown_init();
	/* The rest needs memory, and comes before the other CPUs. */
	x86_platform.apic_post_init = hyperv_init;
}

static bool __init x2apic_available(void)
{
	return x2apic_supported();
}

/* I/O APIC and MSIs may name CPUs with APIC IDs of 15 bits: Linux's hyperv-tlfs.h. */
static bool __init msi_ext_dest_id(void)
{
	return cpuid_eax(HYPERV_CPUID_VIRT_STACK_INTERFACE) == HYPERV_VS_INTERFACE_EAX_SIGNATURE &&
	       cpuid_eax(HYPERV_CPUID_VIRT_STACK_PROPERTIES) &
	       HYPERV_VS_PROPERTIES_EAX_EXTENDED_IOAPIC_RTE;
}

const __initconst struct hypervisor_x86 x86_hyper_ms_hyperv = {
	.name = "Microsoft Hyper-V",
	.type = X86_HYPER_MS_HYPERV,
	.detect = detect,
	.init.init_platform = init_platform,
	.init.guest_late_init = ms_hyperv_late_init,
	.init.x2apic_available = x2apic_available,
	.init.msi_ext_dest_id = msi_ext_dest_id,
};
