// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VMX controls eVMCS version 1 can express.
 *
 * L0 derives what it tells L1 about VMX from the processor, so a control may be
 * allowed by the capability MSRs while the structure has no place for the
 * fields that go with it. Turning such a control on would be lost or worse. So:
 * for each control that KVM knows, the VMCS fields that it needs (SDM vol. 3,
 * "Virtual Machine Control Structures"); a control stays if the structure has
 * all of them. A control that is not in the table at all is new to us and goes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>

#include "../capabilities.h"
#include "../vmx.h"

#include "access.h"
#include "activate.h"
#include "status.h"

enum control_word {
	PIN, PROC, PROC2, PROC3, EXIT, ENTRY,
	NR_CONTROL_WORDS,
};

struct control {
	enum control_word word;
	u64 bits;
	const char *name;	/* for the log */
	u16 needs[2];		/* encodings; 0: no more (VPID, which it is, exists) */
	bool perf_global_ctrl;	/* needs CPUID 0x4000000A EBX bit 0 as well */
};

static const struct control controls[] = {
	{ PIN, PIN_BASED_ALWAYSON_WITHOUT_TRUE_MSR | PIN_BASED_EXT_INTR_MASK |
	       PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS },
	{ PIN, PIN_BASED_VMX_PREEMPTION_TIMER, "preemption timer",
	       { VMX_PREEMPTION_TIMER_VALUE } },
	{ PIN, PIN_BASED_POSTED_INTR, "posted interrupts",
	       { POSTED_INTR_NV, POSTED_INTR_DESC_ADDR } },

	/* The third word's only use in KVM is IPI virtualization. */
	{ PROC, CPU_BASED_ACTIVATE_TERTIARY_CONTROLS, "tertiary controls",
		{ PID_POINTER_TABLE, LAST_PID_POINTER_INDEX } },
	{ PROC, CPU_BASED_TPR_SHADOW, "TPR shadow",
		{ VIRTUAL_APIC_PAGE_ADDR, TPR_THRESHOLD } },
	{ PROC, CPU_BASED_USE_IO_BITMAPS, "I/O bitmaps",
		{ IO_BITMAP_A, IO_BITMAP_B } },
	{ PROC, CPU_BASED_USE_MSR_BITMAPS, "MSR bitmaps", { MSR_BITMAP } },
	{ PROC, CPU_BASED_USE_TSC_OFFSETTING, "TSC offsetting", { TSC_OFFSET } },
	{ PROC, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS, "secondary controls",
		{ SECONDARY_VM_EXEC_CONTROL } },
	{ PROC, CPU_BASED_ALWAYSON_WITHOUT_TRUE_MSR | CPU_BASED_HLT_EXITING |
		CPU_BASED_INVLPG_EXITING | CPU_BASED_MWAIT_EXITING |
		CPU_BASED_RDPMC_EXITING | CPU_BASED_RDTSC_EXITING |
		CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING |
		CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING |
		CPU_BASED_MOV_DR_EXITING | CPU_BASED_UNCOND_IO_EXITING |
		CPU_BASED_MONITOR_EXITING | CPU_BASED_PAUSE_EXITING |
		CPU_BASED_MONITOR_TRAP_FLAG | CPU_BASED_INTR_WINDOW_EXITING |
		CPU_BASED_NMI_WINDOW_EXITING },

	{ PROC2, SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES, "APIC accesses",
		 { APIC_ACCESS_ADDR } },
	/* KVM uses the two only together. */
	{ PROC2, SECONDARY_EXEC_APIC_REGISTER_VIRT, "APIC-register virtualization",
		 { GUEST_INTR_STATUS, EOI_EXIT_BITMAP0 } },
	{ PROC2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY, "virtual-interrupt delivery",
		 { GUEST_INTR_STATUS, EOI_EXIT_BITMAP0 } },
	{ PROC2, SECONDARY_EXEC_ENABLE_EPT, "EPT", { EPT_POINTER } },
	{ PROC2, SECONDARY_EXEC_PAUSE_LOOP_EXITING, "PAUSE-loop exiting",
		 { PLE_GAP, PLE_WINDOW } },
	{ PROC2, SECONDARY_EXEC_SHADOW_VMCS, "VMCS shadowing",
		 { VMREAD_BITMAP, VMWRITE_BITMAP } },
	{ PROC2, SECONDARY_EXEC_ENABLE_PML, "page-modification logging",
		 { PML_ADDRESS, GUEST_PML_INDEX } },
	{ PROC2, SECONDARY_EXEC_ENABLE_VMFUNC, "VM functions",
		 { VM_FUNCTION_CONTROL } },
	{ PROC2, SECONDARY_EXEC_EPT_VIOLATION_VE, "EPT-violation #VE",
		 { VE_INFORMATION_ADDRESS } },
	{ PROC2, SECONDARY_EXEC_ENABLE_XSAVES, "XSAVES", { XSS_EXIT_BITMAP } },
	{ PROC2, SECONDARY_EXEC_ENCLS_EXITING, "ENCLS exiting",
		 { ENCLS_EXITING_BITMAP } },
	{ PROC2, SECONDARY_EXEC_TSC_SCALING, "TSC scaling", { TSC_MULTIPLIER } },
	{ PROC2, SECONDARY_EXEC_NOTIFY_VM_EXITING, "notify VM exits",
		 { NOTIFY_WINDOW } },
	{ PROC2, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |
		 SECONDARY_EXEC_WBINVD_EXITING | SECONDARY_EXEC_ENABLE_VPID |
		 SECONDARY_EXEC_UNRESTRICTED_GUEST | SECONDARY_EXEC_DESC |
		 SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID |
		 SECONDARY_EXEC_RDSEED_EXITING | SECONDARY_EXEC_RDRAND_EXITING |
		 SECONDARY_EXEC_ENABLE_USR_WAIT_PAUSE |
		 SECONDARY_EXEC_PT_USE_GPA | SECONDARY_EXEC_PT_CONCEAL_VMX |
		 SECONDARY_EXEC_BUS_LOCK_DETECTION },

	{ EXIT, VM_EXIT_SAVE_VMX_PREEMPTION_TIMER, "preemption timer",
		{ VMX_PREEMPTION_TIMER_VALUE } },
	{ EXIT, VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL, "IA32_PERF_GLOBAL_CTRL",
		{ HOST_IA32_PERF_GLOBAL_CTRL }, true },
	{ EXIT, VM_EXIT_SAVE_IA32_PAT, "saving IA32_PAT", { GUEST_IA32_PAT } },
	{ EXIT, VM_EXIT_LOAD_IA32_PAT, "loading IA32_PAT", { HOST_IA32_PAT } },
	{ EXIT, VM_EXIT_SAVE_IA32_EFER, "saving IA32_EFER", { GUEST_IA32_EFER } },
	{ EXIT, VM_EXIT_LOAD_IA32_EFER, "loading IA32_EFER", { HOST_IA32_EFER } },
	{ EXIT, VM_EXIT_CLEAR_BNDCFGS, "IA32_BNDCFGS", { GUEST_BNDCFGS } },
	{ EXIT, VM_EXIT_CLEAR_IA32_RTIT_CTL, "IA32_RTIT_CTL",
		{ GUEST_IA32_RTIT_CTL } },
	{ EXIT, VM_EXIT_ALWAYSON_WITHOUT_TRUE_MSR | VM_EXIT_SAVE_DEBUG_CONTROLS |
		VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_ACK_INTR_ON_EXIT |
		VM_EXIT_PT_CONCEAL_PIP },

	{ ENTRY, VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL, "IA32_PERF_GLOBAL_CTRL",
		 { GUEST_IA32_PERF_GLOBAL_CTRL }, true },
	{ ENTRY, VM_ENTRY_LOAD_IA32_PAT, "loading IA32_PAT", { GUEST_IA32_PAT } },
	{ ENTRY, VM_ENTRY_LOAD_IA32_EFER, "loading IA32_EFER", { GUEST_IA32_EFER } },
	{ ENTRY, VM_ENTRY_LOAD_BNDCFGS, "IA32_BNDCFGS", { GUEST_BNDCFGS } },
	{ ENTRY, VM_ENTRY_LOAD_IA32_RTIT_CTL, "IA32_RTIT_CTL",
		 { GUEST_IA32_RTIT_CTL } },
	{ ENTRY, VM_ENTRY_ALWAYSON_WITHOUT_TRUE_MSR |
		 VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_IA32E_MODE |
		 VM_ENTRY_PT_CONCEAL_PIP },
};

static bool expressible(const struct control *control)
{
	int i;

	if (control->perf_global_ctrl && !evmcs_has_perf_global_ctrl())
		return false;
	for (i = 0; i < ARRAY_SIZE(control->needs) && control->needs[i]; i++)
		if (!evmcs_has_field(control->needs[i]))
			return false;
	return true;
}

/* What eVMCS lets through of @wanted; names of what it does not go to @log. */
static u64 filter(enum control_word word, u64 wanted, char *log, size_t size)
{
	u64 known = 0, kept = 0;
	size_t len = strlen(log);
	int i;

	for (i = 0; i < ARRAY_SIZE(controls); i++) {
		const struct control *control = &controls[i];

		if (control->word != word)
			continue;
		known |= control->bits;
		if (expressible(control))
			kept |= control->bits;
		else if ((wanted & control->bits) && !strstr(log, control->name))
			len += scnprintf(log + len, size - len, "%s%s",
					 len ? ", " : "", control->name);
	}

	if (wanted & ~known)
		scnprintf(log + len, size - len, "%scontrol word %d bits 0x%llx",
			  len ? ", " : "", word, wanted & ~known);
	return wanted & kept;
}

/* CPUID promises a field; whether there is a control for it is another matter. */
static void check_perf_global_ctrl(const struct vmcs_config *conf)
{
	if (!evmcs_has_perf_global_ctrl() ||
	    (conf->vmexit_ctrl & VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL &&
	     conf->vmentry_ctrl & VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL))
		return;

	evmcs_status_set(EVMCS_FEATURE_PERF_GLOBAL_CTRL, EVMCS_REFUSED,
			 "Hyper-V offers it, but not the VMX controls for it");
	pr_info("Enlightened VMCS without IA32_PERF_GLOBAL_CTRL: Hyper-V offers it, but not the VMX controls for it\n");
}

/**
 * evmcs_sanitize_exec_ctrls() - take out the controls that eVMCS lacks
 * @vmcs_conf: the controls that KVM is about to use, as the capability MSRs
 *             allow them
 *
 * Called for KVM's own configuration while the module loads, which is when the
 * log gets its line, and again for each CPU that is checked against it.
 *
 * Context: any.
 */
void evmcs_sanitize_exec_ctrls(struct vmcs_config *vmcs_conf)
{
	char log[256] = "";

	vmcs_conf->pin_based_exec_ctrl =
		filter(PIN, vmcs_conf->pin_based_exec_ctrl, log, sizeof(log));
	vmcs_conf->cpu_based_exec_ctrl =
		filter(PROC, vmcs_conf->cpu_based_exec_ctrl, log, sizeof(log));
	vmcs_conf->cpu_based_2nd_exec_ctrl =
		filter(PROC2, vmcs_conf->cpu_based_2nd_exec_ctrl, log, sizeof(log));
	vmcs_conf->cpu_based_3rd_exec_ctrl =
		filter(PROC3, vmcs_conf->cpu_based_3rd_exec_ctrl, log, sizeof(log));
	vmcs_conf->vmexit_ctrl =
		filter(EXIT, vmcs_conf->vmexit_ctrl, log, sizeof(log));
	vmcs_conf->vmentry_ctrl =
		filter(ENTRY, vmcs_conf->vmentry_ctrl, log, sizeof(log));

	if (vmcs_conf != &vmcs_config)
		return;
	if (log[0])
		pr_info("Enlightened VMCS lacks, and KVM does without: %s\n", log);
	check_perf_global_ctrl(vmcs_conf);
}
