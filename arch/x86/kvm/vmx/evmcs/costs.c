// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits to L0 that an exit of L2 costs beyond its own two, and whether this L1 and
 * its L2s have to pay for them:
 *
 *  - the RDMSR of IA32_DEBUGCTL before each entry, unless nothing can have set it;
 *  - XSETBV twice, around each stay in an L2 whose XCR0 differs from L1's;
 *  - WRMSR of IA32_XSS twice, likewise.
 *
 * The last two cannot be avoided here: the registers have to be switched before
 * code runs that uses them. But whoever sets up L2 can, so status says what to change.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/smp.h>

#include <asm/perf_event.h>

#include "../../x86.h"
#include "../../cpuid.h"

#include "costs.h"
#include "debugctl.h"
#include "status.h"

#define SAME_FEATURES	"give both the same XSAVE features (QEMU: -cpu host)"

/* Nothing in this kernel sets DEBUGCTL at run time, block stepping aside. */
static bool debugctl_has_no_user __ro_after_init;

/*
 * Who sets bits of DEBUGCTL while the kernel runs, as far as a module can tell:
 *
 *  - perf: LBR, BTS and, in an interrupt that sysfs sends, FREEZE_IN_SMM. All of it
 *    needs the architectural PMU, and where L1 has one, any of it can come at any time;
 *  - block stepping, which is known per thread.
 *
 * What is set once, while a CPU starts (bus lock detection), is seen by reading the
 * register then: evmcs_costs_cpu_on(). Root may write any MSR through the msr
 * driver, behind the kernel's back; that is no policy and not looked for.
 */
static const char * __init debugctl_user(void)
{
	if (boot_cpu_has(X86_FEATURE_ARCH_PERFMON))
		return "L1 has a PMU, and perf sets DEBUGCTL: give this VM no PMU";
	return NULL;
}

/**
 * evmcs_costs_setup() - find out what can be avoided for all L2s
 * @hyperv: this is an L1 of Hyper-V; elsewhere nothing is avoided
 *
 * Context: while the module loads, before any CPU enables virtualization.
 */
void __init evmcs_costs_setup(bool hyperv)
{
	static const enum evmcs_feature rows[] = {
		EVMCS_COST_DEBUGCTL, EVMCS_COST_XCR0, EVMCS_COST_XSS,
	};
	const char *user = debugctl_user();
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		evmcs_status_set(rows[i], hyperv ? EVMCS_AVOIDED : EVMCS_ABSENT, "%s",
				 hyperv ? "" : "not a Hyper-V guest");
	if (!hyperv)
		return;

	debugctl_has_no_user = !user;
	if (user)
		evmcs_status_set(EVMCS_COST_DEBUGCTL, EVMCS_PAID, "%s", user);
}

/**
 * evmcs_costs_cpu_on() - virtualization is being enabled on this CPU
 *
 * Context: on the CPU, which cannot change; before a vCPU is loaded on it.
 */
void evmcs_costs_cpu_on(void)
{
	u64 value;

	if (!debugctl_has_no_user)
		return;

	value = get_debugctlmsr();
	/* Block stepping of the thread that happens to be here is no matter. */
	value &= ~(u64)DEBUGCTLMSR_BTF;
	if (value)
		evmcs_status_set(EVMCS_COST_DEBUGCTL, EVMCS_PAID,
				 "CPU %d has DEBUGCTL 0x%llx%s", smp_processor_id(), value,
				 value & DEBUGCTLMSR_BUS_LOCK_DETECT ?
				 ": boot L1 with split_lock_detect=off" : "");
	this_cpu_write(evmcs_debugctl_unused, !value);
}

/**
 * evmcs_costs_cpu_off() - virtualization is being disabled on this CPU
 *
 * Context: on the CPU, preemption off; no vCPU is loaded on it.
 */
void evmcs_costs_cpu_off(void)
{
	this_cpu_write(evmcs_debugctl_unused, false);
}

void __evmcs_costs_vcpu_load(struct kvm_vcpu *vcpu)
{
	static bool xcr0_seen, xss_seen;

	/* Until L2 has turned XSAVE on KVM switches neither. */
	if (!kvm_is_cr4_bit_set(vcpu, X86_CR4_OSXSAVE))
		return;

	/* Once is enough; that two CPUs may say it at once does no harm. */
	if (vcpu->arch.xcr0 != kvm_host.xcr0 && !xcr0_seen) {
		xcr0_seen = true;
		evmcs_status_set(EVMCS_COST_XCR0, EVMCS_PAID,
				 "an L2 has XCR0 0x%llx, L1 0x%llx: " SAME_FEATURES,
				 vcpu->arch.xcr0, kvm_host.xcr0);
	}
	if (vcpu->arch.ia32_xss != kvm_host.xss && !xss_seen &&
	    guest_cpuid_has(vcpu, X86_FEATURE_XSAVES)) {
		xss_seen = true;
		evmcs_status_set(EVMCS_COST_XSS, EVMCS_PAID,
				 "an L2 has IA32_XSS 0x%llx, L1 0x%llx: " SAME_FEATURES,
				 vcpu->arch.ia32_xss, kvm_host.xss);
	}
}
