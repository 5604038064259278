// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TSC of one of L1's processors, as its VMCS has it: trapped while L0 emulates it, and
 * at another rate after that. See clock.c, which decides.
 */
#include "../vmx/nested.h"
#include "../vmx/vmx.h"
#include "../vmx/x86_ops.h"

#include "clock.h"
#include "rdtsc.h"

#define MAX_CPUS	64

/**
 * struct processor - one of L1's, which alone uses it
 * @taken: the change of the TSC that it has taken
 * @left:  when it left L2 for the last time, by L0's TSC; 0: has not been there
 * @late:  it has not run L2 since it took that change
 */
static struct processor {
	u32 taken;
	u64 left;
	bool late;
} processors[MAX_CPUS];

static struct processor *processor_of(const struct kvm_vcpu *vcpu)
{
	return &processors[vcpu->vcpu_id % MAX_CPUS];
}

/* The VMCS of L1 or of L2 that is loaded gets what L1's TSC is by now. */
static void take(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_arch *arch = &vcpu->arch;

	arch->tsc_offset = arch->l1_tsc_offset;
	arch->tsc_scaling_ratio = arch->l1_tsc_scaling_ratio;
	if (is_guest_mode(vcpu)) {
		u64 multiplier = vmx_get_l2_tsc_multiplier(vcpu);

		arch->tsc_offset = kvm_calc_nested_tsc_offset(arch->l1_tsc_offset,
							      vmx_get_l2_tsc_offset(vcpu),
							      multiplier);
		arch->tsc_scaling_ratio = kvm_calc_nested_tsc_multiplier(arch->l1_tsc_scaling_ratio,
									 multiplier);
	}
	vmx_write_tsc_offset(vcpu);
	if (kvm_caps.has_tsc_control)
		vmx_write_tsc_multiplier(vcpu);
}

/**
 * l0_rdtsc_enter() - before an entry
 * @vcpu: L1's CPU, in L1 or L2
 *
 * Context: interrupts off, the VMCS is loaded.
 */
void l0_rdtsc_enter(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct processor *mine = processor_of(vcpu);
	u32 generation = l0_clock_generation();
	bool exits = l0_clock_emulates() ||
		     (is_guest_mode(vcpu) &&
		      nested_cpu_has(get_vmcs12(vcpu), CPU_BASED_RDTSC_EXITING));

	if (mine->taken != generation) {
		mine->taken = generation;
		mine->late = mine->left;
		take(vcpu);
	}
	if (mine->late && is_guest_mode(vcpu)) {
		mine->late = false;
		l0_clock_stopped(rdtsc() - mine->left);
	}
	if (exits)
		exec_controls_setbit(vmx, CPU_BASED_RDTSC_EXITING);
	else
		exec_controls_clearbit(vmx, CPU_BASED_RDTSC_EXITING);
}

/**
 * l0_rdtsc_leave() - after an exit
 * @vcpu: L1's CPU, in L1 or L2
 *
 * Context: interrupts off.
 */
void l0_rdtsc_leave(struct kvm_vcpu *vcpu)
{
	if (is_guest_mode(vcpu))
		processor_of(vcpu)->left = rdtsc();
}

static int handle_rdtsc(struct kvm_vcpu *vcpu)
{
	u64 tsc = l0_clock_rdtsc(vcpu);

	kvm_rax_write(vcpu, (u32)tsc);
	kvm_rdx_write(vcpu, tsc >> 32);
	return kvm_skip_emulated_instruction(vcpu);
}

static int handle_rdtscp(struct kvm_vcpu *vcpu)
{
	struct msr_data aux = { .index = MSR_TSC_AUX, .host_initiated = true };

	if (vmx_get_msr(vcpu, &aux))
		aux.data = 0;
	kvm_rcx_write(vcpu, (u32)aux.data);
	return handle_rdtsc(vcpu);
}

/**
 * l0_rdtsc_setup() - KVM itself never traps RDTSC
 * @exit_handlers: by exit reason
 *
 * Context: while the module loads.
 */
void __init l0_rdtsc_setup(int (*exit_handlers[])(struct kvm_vcpu *vcpu))
{
	exit_handlers[EXIT_REASON_RDTSC] = handle_rdtsc;
	exit_handlers[EXIT_REASON_RDTSCP] = handle_rdtscp;
}
