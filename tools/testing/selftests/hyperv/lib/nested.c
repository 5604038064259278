// SPDX-License-Identifier: GPL-2.0-only
/* nested.c: see nested.h. */
#include "nested.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ktap.h"

#define MSR_FEATURE_CONTROL	0x3a
#define FEATURE_CONTROL_VMXON	0x5	/* locked, VMX outside of SMX */
#define MSR_VMX_BASIC		0x480
#define MSR_VMX_TRUE_PIN	0x48d
#define MSR_VMX_TRUE_PROC	0x48e
#define MSR_VMX_TRUE_EXIT	0x48f
#define MSR_VMX_TRUE_ENTRY	0x490

#define EXIT_HOST_64_BIT	(1u << 9)
#define ENTRY_GUEST_64_BIT	(1u << 9)

#define CPUID_1_ECX_VMX		(1u << 5)
#define CR4_VMXE		0x2000

static_assert(offsetof(struct nested, fields) == 16, "the guest code knows the layout");
static_assert(offsetof(struct nested, field) == 24, "the guest code knows the layout");
static_assert(offsetof(struct nested, exits) == NESTED_EXITS, "the guest code knows the layout");
static_assert(offsetof(struct nested, error) == NESTED_ERROR, "the guest code knows the layout");
static_assert(sizeof(struct nested) == NESTED_OWN, "the guest code knows the layout");

bool nested_offered(void)
{
	return vm_supported_cpuid(1).ecx & CPUID_1_ECX_VMX;
}

/* Room for one MSR; to be freed. */
static struct kvm_msrs *one_msr(uint32_t index)
{
	struct kvm_msrs *one = calloc(1, sizeof(*one) + sizeof(one->entries[0]));

	if (!one)
		ktap_bail("no memory for an MSR");
	one->nmsrs = 1;
	one->entries[0].index = index;
	return one;
}

void nested_set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct kvm_msrs *one = one_msr(index);

	one->entries[0].data = value;
	if (vm_ioctl(vcpu->fd, KVM_SET_MSRS, one) != 1)
		ktap_bail("KVM_SET_MSRS: KVM refuses %#llx for MSR %#x",
			  (unsigned long long)value, index);
	free(one);
}

uint64_t nested_get_msr(struct vcpu *vcpu, uint32_t index)
{
	struct kvm_msrs *one = one_msr(index);
	uint64_t value;

	if (vm_ioctl(vcpu->fd, KVM_GET_MSRS, one) != 1)
		ktap_bail("KVM_GET_MSRS: KVM does not know MSR %#x", index);
	value = one->entries[0].data;
	free(one);
	return value;
}

static struct nested *table(struct vcpu *vcpu)
{
	return vm_at(vcpu->vm, VM_DATA(0));
}

void nested_field(struct vcpu *vcpu, uint32_t encoding, uint64_t value)
{
	struct nested *nested = table(vcpu);

	if (nested->fields == NESTED_FIELDS)
		ktap_bail("too many VMCS fields for L2's table");
	nested->field[nested->fields].encoding = encoding;
	nested->field[nested->fields++].value = value;
}

bool nested_has(struct vcpu *vcpu, uint32_t controls)
{
	return !(controls & ~(nested_get_msr(vcpu, MSR_VMX_TRUE_PROC) >> 32));
}

/* The low half of the MSR has the bits that must be set, the high one those that may. */
static uint64_t controls(struct vcpu *vcpu, uint32_t msr, uint32_t wanted)
{
	uint64_t allowed = nested_get_msr(vcpu, msr);

	if (wanted & ~(allowed >> 32))
		ktap_bail("L2 lacks VMX controls: wants %#x, MSR %#x is %#llx", wanted, msr,
			  (unsigned long long)allowed);
	return (uint32_t)allowed | wanted;
}

/* Encodings: SDM vol. 3, appendix B. L3 has L2's page tables and segments. */
static void fill(struct vcpu *vcpu, uint64_t exit_handler, uint64_t l3, uint32_t wanted)
{
	struct kvm_sregs sregs;

	vm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
	nested_field(vcpu, 0x4000, controls(vcpu, MSR_VMX_TRUE_PIN, 0));
	nested_field(vcpu, 0x4002, controls(vcpu, MSR_VMX_TRUE_PROC, wanted));
	nested_field(vcpu, 0x400c, controls(vcpu, MSR_VMX_TRUE_EXIT, EXIT_HOST_64_BIT));
	nested_field(vcpu, 0x4012, controls(vcpu, MSR_VMX_TRUE_ENTRY, ENTRY_GUEST_64_BIT));
	nested_field(vcpu, 0x2004, NESTED_MSR_BITMAP);
	nested_field(vcpu, 0x2800, ~0ull);				/* VMCS link pointer */
	for (uint32_t zero = 0x4004; zero <= 0x400a; zero += 2)
		nested_field(vcpu, zero, 0);		/* exceptions, page faults, CR3 targets */
	nested_field(vcpu, 0x400e, 0);				/* MSRs to store at exit */
	nested_field(vcpu, 0x4010, 0);				/* MSRs to load at exit */
	nested_field(vcpu, 0x4014, 0);				/* MSRs to load at entry */
	nested_field(vcpu, 0x4016, 0);				/* event */
	for (uint32_t zero = 0x6000; zero <= 0x6006; zero += 2)
		nested_field(vcpu, zero, 0);				/* CR0's and CR4's masks and shadows */

	for (uint32_t i = 0; i < 6; i++) {		/* ES, CS, SS, DS, FS, GS */
		const struct kvm_segment *s = i == 1 ? &sregs.cs : &sregs.ds;

		nested_field(vcpu, 0x0800 + 2 * i, s->selector);
		nested_field(vcpu, 0x4800 + 2 * i, s->limit);
		nested_field(vcpu, 0x4814 + 2 * i, i == 1 ? 0xa09b : 0xc093);
		nested_field(vcpu, 0x6806 + 2 * i, 0);
		nested_field(vcpu, 0x0c00 + 2 * i, s->selector);	/* the same for L2 */
	}
	nested_field(vcpu, 0x080c, 0);				/* LDTR */
	nested_field(vcpu, 0x4820, 0x10000);
	nested_field(vcpu, 0x080e, 0);				/* TR */
	nested_field(vcpu, 0x480e, 0x67);
	nested_field(vcpu, 0x4822, 0x8b);
	nested_field(vcpu, 0x6814, 0);
	nested_field(vcpu, 0x0c0c, sregs.ds.selector);		/* L2's TR: any but 0 */
	nested_field(vcpu, 0x4810, sregs.gdt.limit);
	nested_field(vcpu, 0x4812, sregs.idt.limit);
	nested_field(vcpu, 0x4824, 0);				/* interruptibility */
	nested_field(vcpu, 0x4826, 0);				/* activity */
	nested_field(vcpu, 0x6800, sregs.cr0);
	nested_field(vcpu, 0x6802, sregs.cr3);
	nested_field(vcpu, 0x6804, sregs.cr4);
	nested_field(vcpu, 0x6816, sregs.gdt.base);
	nested_field(vcpu, 0x6818, sregs.idt.base);
	nested_field(vcpu, 0x681a, 0x400);				/* DR7 */
	nested_field(vcpu, 0x681c, NESTED_L3_STACK_TOP);
	nested_field(vcpu, 0x681e, l3);
	nested_field(vcpu, 0x6820, VM_RFLAGS);
	nested_field(vcpu, 0x6822, 0);				/* pending debug exceptions */

	nested_field(vcpu, 0x6c00, sregs.cr0);
	nested_field(vcpu, 0x6c02, sregs.cr3);
	nested_field(vcpu, 0x6c04, sregs.cr4);
	nested_field(vcpu, 0x6c06, 0);			/* FS base */
	nested_field(vcpu, 0x6c08, 0);				/* GS base */
	nested_field(vcpu, 0x6c0a, 0);				/* TR base */
	nested_field(vcpu, 0x6c0c, sregs.gdt.base);
	nested_field(vcpu, 0x6c0e, sregs.idt.base);
	nested_field(vcpu, 0x6c14, VM_STACK(0) + 0x1000);
	nested_field(vcpu, 0x6c16, exit_handler);
}

void nested_set_up(struct vcpu *vcpu, uint64_t exit_handler, uint64_t l3, uint32_t wanted)
{
	struct nested *nested = table(vcpu);
	struct kvm_sregs sregs;
	uint32_t revision;

	nested_set_msr(vcpu, MSR_FEATURE_CONTROL, FEATURE_CONTROL_VMXON);
	vm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
	sregs.cr4 |= CR4_VMXE;
	vm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);

	nested->vmxon_region = NESTED_VMXON_REGION;
	nested->vmcs_region = NESTED_VMCS_REGION;
	revision = nested_get_msr(vcpu, MSR_VMX_BASIC);
	memcpy(vm_at(vcpu->vm, NESTED_VMXON_REGION), &revision, sizeof(revision));
	memcpy(vm_at(vcpu->vm, NESTED_VMCS_REGION), &revision, sizeof(revision));
	fill(vcpu, exit_handler, l3, wanted);
}

unsigned int nested_run(struct vcpu *vcpu)
{
	unsigned int exit = vcpu_run(vcpu);

	if (exit == KVM_EXIT_IO && vcpu->run->io.port == PORT_DONE)
		ktap_bail("L2 gave up: VM instruction error or exit reason %#llx",
			  (unsigned long long)table(vcpu)->error - 1);
	return exit;
}
