// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fault "keep": L0 holds to an entry of L1's EPT after an EPT violation.
 *
 * A processor drops what it holds of a page when that denies an access; after L1 has
 * given an entry more rights, the next try has them (SDM vol. 3, "Caching Translation
 * Information"). The TLFS does not say so of L0.
 */
#include "../vmx/nested.h"
#include "../vmx/vmx.h"

#include "ept.h"
#include "faults.h"

#define ACCESS	(EPT_VIOLATION_ACC_READ | EPT_VIOLATION_ACC_WRITE | EPT_VIOLATION_ACC_INSTR)

/**
 * l0_ept_keep() - hand L2's EPT violation to L1, as if its entry were as L0 holds it
 * @vcpu:          L1's CPU
 * @gpa:           where
 * @qualification: of the exit
 *
 * Context: may sleep.
 * Return: false if L0 is to handle it.
 */
bool l0_ept_keep(struct kvm_vcpu *vcpu, gpa_t gpa, u64 qualification)
{
	u64 held;

	if (!is_guest_mode(vcpu) || !nested_cpu_has_ept(get_vmcs12(vcpu)) ||
	    !l0_fault_keep(vcpu, gpa, qualification & ACCESS, &held))
		return false;
	qualification &= ~EPT_VIOLATION_RWX_MASK;
	qualification |= held << EPT_VIOLATION_RWX_SHIFT;
	nested_vmx_vmexit(vcpu, EXIT_REASON_EPT_VIOLATION, 0, qualification);
	get_vmcs12(vcpu)->guest_physical_address = gpa;
	return true;
}
