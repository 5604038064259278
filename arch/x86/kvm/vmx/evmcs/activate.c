// SPDX-License-Identifier: GPL-2.0-only
/*
 * Discovery, the VP assist pages and the teardown.
 *
 * A host can offer something that then does not work, so each step is checked
 * where it is taken: CPUID up to its maximum leaf, the VP assist page of each CPU
 * by reading its MSR back (the kernel sets its own pointer to the page even when
 * the write to the MSR faulted), and the entry itself by trying one (probe.c).
 * Whatever fails: one line that says so, and KVM runs on plain VMCSs, or without
 * the enlightenment that failed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/mm.h>

#include <asm/hypervisor.h>

#include "../vmx.h"

#include "access.h"
#include "activate.h"
#include "costs.h"
#include "probe.h"
#include "status.h"
#include "trace.h"

DEFINE_STATIC_KEY_FALSE(__kvm_is_using_evmcs);

/* Bits of EnlightenmentsControl */
#define CONTROL_DIRECT_FLUSH	BIT(0)
#define CONTROL_MSR_BITMAP	BIT(1)

/* What CPUID said, read once while the module loads. */
static struct evmcs_host host __ro_after_init;

/* Enlightenments that are offered and that L0 refused to enter with. */
static u32 refused_controls __ro_after_init;

static void __init read_host(void)
{
	host.hyperv = hypervisor_is_type(X86_HYPER_MS_HYPERV);
	if (!host.hyperv)
		return;

	host.max_leaf = cpuid_eax(EVMCS_LEAF_MAX);
	if (host.max_leaf >= EVMCS_LEAF_HINTS)
		host.hints = cpuid_eax(EVMCS_LEAF_HINTS);
	if (host.max_leaf >= EVMCS_LEAF_NESTED) {
		host.nested_eax = cpuid_eax(EVMCS_LEAF_NESTED);
		host.nested_ebx = cpuid_ebx(EVMCS_LEAF_NESTED);
	}
}

static bool offers(u32 nested_eax)
{
	return evmcs_nested_eax(&host) & nested_eax;
}

/**
 * evmcs_has_msr_bitmap() - can the enlightened MSR bitmap be used?
 *
 * Context: any, once the module has loaded.
 */
bool evmcs_has_msr_bitmap(void)
{
	return offers(EVMCS_NESTED_MSR_BITMAP) &&
	       !(refused_controls & CONTROL_MSR_BITMAP);
}

/**
 * evmcs_has_direct_flush() - can L0 serve the flush hypercalls of L2?
 *
 * Only with enlightened VMCSs: a plain one has no place for what L0 must know.
 *
 * Context: any, once evmcs_setup() is through.
 */
bool evmcs_has_direct_flush(void)
{
	return kvm_is_using_evmcs() && offers(EVMCS_NESTED_DIRECT_FLUSH) &&
	       !(refused_controls & CONTROL_DIRECT_FLUSH);
}

/**
 * evmcs_has_perf_global_ctrl() - has L0's eVMCS IA32_PERF_GLOBAL_CTRL?
 *
 * Context: any, once the module has loaded.
 */
bool evmcs_has_perf_global_ctrl(void)
{
	return evmcs_nested_ebx(&host) & EVMCS_NESTED_PERF_GLOBAL_CTRL;
}

static u64 page_pfn(void *page)
{
	return is_vmalloc_addr(page) ? vmalloc_to_pfn(page) : PHYS_PFN(__pa(page));
}

/*
 * Why @cpu cannot use an enlightened VMCS, or NULL when it can.
 * @error and @value: what came of reading HV_X64_MSR_VP_ASSIST_PAGE on @cpu.
 */
static const char *assist_page_problem(int cpu, int error, u64 value)
{
	union hv_vp_assist_msr_contents msr = { .as_uint64 = value };
	struct hv_vp_assist_page *page = hv_get_vp_assist_page(cpu);

	if (!page)
		return "has no VP assist page";
	if (error)
		return "cannot read its VP assist page MSR";
	if (!msr.enable)
		return "has its VP assist page disabled";
	if (msr.pfn != page_pfn(page))
		return "has another VP assist page than the kernel's";
	return NULL;
}

static const char * __init all_assist_pages_problem(int *culprit)
{
	const char *problem = NULL;
	u64 value;
	int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		int error = rdmsrl_safe_on_cpu(cpu, HV_X64_MSR_VP_ASSIST_PAGE,
					       &value);

		problem = assist_page_problem(cpu, error, value);
		if (problem) {
			*culprit = cpu;
			break;
		}
	}
	cpus_read_unlock();
	return problem;
}

/* Each option is tried by itself, so that one does not cost L1 the other. */
static void __init probe_option(const char *name, u32 offer, u32 control)
{
	int cpu;

	if (!offers(offer) || evmcs_probe(control, &cpu))
		return;
	refused_controls |= control;
	pr_info("Enlightened VMCS without %s: Hyper-V offers it, but refuses to enter with it on CPU %d\n",
		name, cpu);
}

static const char * __init not_offered(void)
{
	return host.hyperv ? "Hyper-V does not offer it" : "not a Hyper-V guest";
}

/**
 * evmcs_gpa_flush_absent() - does Hyper-V flush guest-physical mappings for us?
 *
 * Context: while the module loads, after evmcs_setup().
 * Return: NULL if it offers to, or else why not.
 */
const char * __init evmcs_gpa_flush_absent(void)
{
	return offers(EVMCS_NESTED_GPA_FLUSH) ? NULL : not_offered();
}

/* The enlightenments that live and die with eVMCS. */
static void __init set_dependents(enum evmcs_state evmcs, const char *why_not)
{
	const struct {
		enum evmcs_feature feature;
		bool offered;
		u32 control;
	} dependents[] = {
		{ EVMCS_FEATURE_MSR_BITMAP, offers(EVMCS_NESTED_MSR_BITMAP),
		  CONTROL_MSR_BITMAP },
		{ EVMCS_FEATURE_PERF_GLOBAL_CTRL, evmcs_has_perf_global_ctrl(), 0 },
		{ EVMCS_FEATURE_DIRECT_FLUSH, offers(EVMCS_NESTED_DIRECT_FLUSH),
		  CONTROL_DIRECT_FLUSH },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(dependents); i++) {
		enum evmcs_feature feature = dependents[i].feature;

		if (!dependents[i].offered)
			evmcs_status_set(feature, EVMCS_ABSENT, "%s", not_offered());
		else if (refused_controls & dependents[i].control)
			evmcs_status_set(feature, EVMCS_REFUSED,
					 "Hyper-V refuses to enter with it");
		else if (evmcs == EVMCS_IN_USE)
			evmcs_status_set(feature, EVMCS_IN_USE, NULL);
		else
			evmcs_status_set(feature, evmcs, "needs evmcs: %s", why_not);
	}
}

/**
 * evmcs_setup() - decide whether KVM uses enlightened VMCSs
 * @wanted: the parameter enlightened_vmcs
 *
 * Context: may sleep; while the module loads, before any VMCS exists and before
 * KVM reads the VMX capabilities. Nothing to undo when loading fails later.
 * Return: the parameter's new value: what is in fact in use.
 */
bool __init evmcs_setup(bool wanted)
{
	const char *reason = "";
	enum evmcs_state state;
	int cpu = -1;

	read_host();
	state = evmcs_offered(&host, &reason);

	if (state == EVMCS_IN_USE && !wanted) {
		state = EVMCS_OFF;
		reason = "enlightened_vmcs=0";
	}
	if (state == EVMCS_IN_USE) {
		const char *problem = all_assist_pages_problem(&cpu);

		if (problem) {
			state = EVMCS_REFUSED;
			reason = problem;
		} else if (!evmcs_probe(0, &cpu)) {
			state = EVMCS_REFUSED;
			reason = "cannot enter one, although Hyper-V offers it";
		}
	}
	if (state == EVMCS_IN_USE) {
		probe_option("MSR bitmap", EVMCS_NESTED_MSR_BITMAP, CONTROL_MSR_BITMAP);
		probe_option("direct flush", EVMCS_NESTED_DIRECT_FLUSH, CONTROL_DIRECT_FLUSH);
	}

	if (cpu >= 0)
		evmcs_status_set(EVMCS_FEATURE_EVMCS, state, "CPU %d %s", cpu, reason);
	else
		evmcs_status_set(EVMCS_FEATURE_EVMCS, state, "%s", reason);
	set_dependents(state, reason);
	evmcs_costs_setup(host.hyperv);

	if (state != EVMCS_IN_USE) {
		/* On bare metal there is nothing to miss and nothing to say. */
		if (host.hyperv && state != EVMCS_OFF) {
			if (cpu >= 0)
				pr_info("Not using Hyper-V Enlightened VMCS: CPU %d %s\n",
					cpu, reason);
			else
				pr_info("Not using Hyper-V Enlightened VMCS: %s\n",
					reason);
		}
		return false;
	}

	static_branch_enable(&__kvm_is_using_evmcs);
	pr_info("Using Hyper-V Enlightened VMCS\n");
	return true;
}

/**
 * evmcs_cpu_usable() - may KVM enable virtualization on this CPU?
 * @cpu: the current CPU
 *
 * A CPU that came up after the module was loaded may lack its VP assist page.
 * By then VMs exist whose VMCSs are enlightened, so there is no falling back:
 * the CPU stays out.
 *
 * Context: on @cpu, which cannot change: CPU hotplug, or resume with interrupts
 * off.
 */
bool evmcs_cpu_usable(int cpu)
{
	const char *problem;
	u64 value = 0;
	int error;

	error = rdmsrl_safe(HV_X64_MSR_VP_ASSIST_PAGE, &value);
	problem = assist_page_problem(cpu, error, value);
	if (problem)
		pr_err("CPU %d %s: KVM uses Enlightened VMCS and cannot run on it\n",
		       cpu, problem);
	trace_hvnest_activation(cpu, "evmcs", problem ? "refused" : "in-use",
				problem ?: "");
	return !problem;
}

/**
 * evmcs_cpu_restore() - tell L0 again where this CPU's VP assist page is
 *
 * For when L0 no longer seems to know it; it may be all it takes, and does no harm.
 *
 * Context: preemption off, on a CPU that evmcs_cpu_usable() passed.
 */
void evmcs_cpu_restore(void)
{
	struct hv_vp_assist_page *page = hv_get_vp_assist_page(smp_processor_id());
	union hv_vp_assist_msr_contents msr = { .as_uint64 = 0 };

	rdmsrl_safe(HV_X64_MSR_VP_ASSIST_PAGE, &msr.as_uint64);
	if (!page || (msr.enable && msr.pfn == page_pfn(page)))
		return;
	msr.enable = 1;
	msr.pfn = page_pfn(page);
	wrmsrl_safe(HV_X64_MSR_VP_ASSIST_PAGE, msr.as_uint64);
	trace_hvnest_activation(smp_processor_id(), "evmcs", "in-use",
				"Hyper-V had lost its VP assist page");
}

/**
 * evmcs_cpu_release() - leave this CPU as we found it
 *
 * So that the next user of VMX on it, e.g. this module loaded again with
 * enlightened_vmcs=0, gets plain VMCSs: L0 goes by the VP assist page.
 *
 * Context: preemption off; after VMXOFF, all VMCSs of the CPU are cleared.
 */
void evmcs_cpu_release(void)
{
	struct hv_vp_assist_page *assist;

	if (!kvm_is_using_evmcs())
		return;

	assist = hv_get_vp_assist_page(smp_processor_id());
	if (!assist)
		return;

	assist->enlighten_vmentry = 0;
	assist->current_nested_vmcs = 0;
	assist->nested_control.features.directhypercall = 0;
}
