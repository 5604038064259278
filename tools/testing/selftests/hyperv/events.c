// SPDX-License-Identifier: GPL-2.0-only
/*
 * events: the same event is delivered to L2 on one VM entry after the other.
 *
 * L2 stands in a loop that exits to the VMM; before each entry the VMM makes one
 * event pending, and L2's handlers count what arrives.
 *
 * Proved: every event arrives exactly once, on the entry for which it was made
 * pending, with its own error code; equal events in a row are as good as
 * different ones, and an entry that failed neither delivers nor loses one. In the
 * last two cases the delivery faults in EPT, so that KVM makes
 * the same event pending again on the very next entry; for INT and INT3 also the
 * address must be right to which the handler returns.
 *
 * Broken by: a store to the entry interruption information (or its error code, or
 * the instruction length) that is skipped, or not announced to L0, because the
 * field's last value was the same: the processor consumed that value with the
 * entry (event lost). Or by an event left valid after an entry (event repeated).
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/ktap.h"
#include "lib/vm.h"

#define ENTRIES		20

#define VECTOR_NMI	2
#define VECTOR_BP	3
#define VECTOR_UD	6
#define VECTOR_GP	13
#define VECTOR_MSI	0x60
#define VECTOR_INT	0x40

/* What L2 counts, in its vCPU's page of data. */
struct counts {
	uint64_t hits[256];
	uint64_t error_codes;	/* sum of all that #GP brought */
	uint64_t returns;	/* sum of the addresses to which INT and INT3 return */
};

static_assert(offsetof(struct counts, error_codes) == 2048, "the guest code stores there");

#define COUNT(vector) "	incq	8 * " VM_STRING(vector) "(%rdi)\n"

/*
 * L2 switches its APIC on (SVR, MSR 0x80f), then stands in the first loop. The VMM
 * moves it to the second one, at events_int, for INT and INT3. A wrong instruction
 * length makes them return one byte off, which is harmless here: a NOP is left out, or
 * INT's operand 0x40 runs as a prefix.
 */
GUEST_CODE(events_guest,
	"	mov	$0x80f, %ecx\n"
	"	mov	$0x1ff, %eax\n"
	"	xor	%edx, %edx\n"
	"	wrmsr\n"
	"1:	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n"
	"events_int:\n"
	"	int	$" VM_STRING(VECTOR_INT) "\n"
	"events_after_int:\n"
	"	nop\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	int3\n"
	"events_after_int3:\n"
	"	nop\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	events_int\n"
	"events_ud:\n"
	COUNT(VECTOR_UD)
	"	iretq\n"
	"events_nmi:\n"
	COUNT(VECTOR_NMI)
	"	iretq\n"
	"events_gp:\n"
	COUNT(VECTOR_GP)
	"	pop	%rax\n"
	"	add	%rax, 2048(%rdi)\n"
	"	iretq\n"
	"events_soft:\n"
	COUNT(VECTOR_INT)
	"	mov	(%rsp), %rax\n"
	"	add	%rax, 2056(%rdi)\n"
	"	iretq\n"
	"events_bp:\n"
	COUNT(VECTOR_BP)
	"	mov	(%rsp), %rax\n"
	"	add	%rax, 2056(%rdi)\n"
	"	iretq\n"
	"events_msi:\n"
	COUNT(VECTOR_MSI)
	"	mov	$0x80b, %ecx\n"		/* end of interrupt */
	"	xor	%eax, %eax\n"
	"	xor	%edx, %edx\n"
	"	wrmsr\n"
	"	iretq\n");

extern const uint8_t events_int[], events_after_int[], events_after_int3[], events_ud[],
		     events_nmi[], events_gp[], events_soft[], events_bp[], events_msi[];

static struct vm vm;
static struct vcpu vcpu;
static struct counts *counts;

static uint64_t gpa_of(const uint8_t *label)
{
	return VM_CODE + (label - events_guest);
}

static void inject_exception(uint8_t vector, bool has_error_code, uint32_t error_code)
{
	struct kvm_vcpu_events events;

	vm_ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events);
	events.exception.injected = 1;
	events.exception.nr = vector;
	events.exception.has_error_code = has_error_code;
	events.exception.error_code = error_code;
	vm_ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events);
}

/*
 * The kinds of event: each makes its event pending for entry number i and returns
 * the error code that comes with it.
 */
static uint32_t pend_msi(unsigned int i)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR_MSI };

	(void)i;
	if (vm_ioctl(vm.fd, KVM_SIGNAL_MSI, &msi) != 1)
		ktap_diag("the APIC did not take the MSI");
	return 0;
}

static uint32_t pend_nmi(unsigned int i)
{
	(void)i;
	vm_ioctl(vcpu.fd, KVM_NMI, 0);
	return 0;
}

static uint32_t pend_ud(unsigned int i)
{
	(void)i;
	inject_exception(VECTOR_UD, false, 0);
	return 0;
}

static uint32_t pend_gp(unsigned int i)
{
	(void)i;
	inject_exception(VECTOR_GP, true, 0x18);
	return 0x18;
}

static uint32_t pend_gp_other_code(unsigned int i)
{
	inject_exception(VECTOR_GP, true, 0x18 + i * 8);
	return 0x18 + i * 8;
}

/* Two #UD, two #GP, and so on: each is once like and once unlike the last one. */
static uint32_t pend_pairs(unsigned int i)
{
	return i & 2 ? pend_gp(i) : pend_ud(i);
}

/* Takes the page of the interrupt table out of EPT; its content stays. */
static void unmap_idt(void)
{
	if (madvise(vm_at(&vm, VM_IDT), 0x1000, MADV_DONTNEED))
		ktap_bail("madvise(MADV_DONTNEED): %s", strerror(errno));
}

/* An interrupt, an exception, and so on: one group of fields, all of it different. */
static uint32_t pend_msi_or_gp(unsigned int i)
{
	return i & 1 ? pend_gp_other_code(i) : pend_msi(i);
}

/*
 * #UD with an error code, which the processor refuses to enter with (VMfail);
 * then #UD as it should be, or another event in its place.
 */
static uint32_t pend_after_failed_entry(unsigned int i)
{
	inject_exception(VECTOR_UD, true, 0x18);
	if (vcpu_run(&vcpu) != KVM_EXIT_FAIL_ENTRY)
		ktap_diag("#UD with an error code: the entry did not fail");
	return i & 1 ? pend_gp(i) : pend_ud(i);
}

static uint32_t pend_msi_that_faults(unsigned int i)
{
	unmap_idt();
	return pend_msi(i);
}

static uint64_t all_hits(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < 256; i++)
		sum += counts->hits[i];
	return sum;
}

/* One event an entry; the first entry that brings another number is reported. */
static void check_entries(uint32_t (*pend)(unsigned int i), const char *name)
{
	uint64_t error_codes = 0;
	bool ok = true;

	memset(counts, 0, sizeof(*counts));
	for (unsigned int i = 0; i < ENTRIES && ok; i++) {
		error_codes += pend(i);
		vcpu_run_to_port(&vcpu, PORT_STEP);
		ok = all_hits() == i + 1 && counts->error_codes == error_codes;
		if (!ok)
			ktap_diag("entry %u: %llu events, error codes %#llx, expected %u and %#llx",
				  i + 1, (unsigned long long)all_hits(),
				  (unsigned long long)counts->error_codes, i + 1,
				  (unsigned long long)error_codes);
	}
	/* Entries without an event bring none. */
	for (unsigned int i = 0; i < ENTRIES && ok; i++) {
		vcpu_run_to_port(&vcpu, PORT_STEP);
		ok = all_hits() == ENTRIES;
		if (!ok)
			ktap_diag("an event arrived again on an entry without one");
	}
	ktap_ok(ok, "%s", name);
}

/*
 * INT and INT3 in turns. They are L2's own, and L2 would only repeat one that KVM
 * lost; but their instruction length is KVM's to pass on.
 */
static void check_int(const char *name)
{
	uint64_t returns = 0;
	struct kvm_regs regs;
	bool ok = true;

	memset(counts, 0, sizeof(*counts));
	vm_ioctl(vcpu.fd, KVM_GET_REGS, &regs);
	regs.rip = gpa_of(events_int);
	vm_ioctl(vcpu.fd, KVM_SET_REGS, &regs);
	for (unsigned int i = 0; i < ENTRIES && ok; i++) {
		unmap_idt();
		vcpu_run_to_port(&vcpu, PORT_STEP);
		returns += gpa_of(i & 1 ? events_after_int3 : events_after_int);
		ok = all_hits() == i + 1 && counts->returns == returns;
		if (!ok)
			ktap_diag("number %u: %llu handled, return addresses %#llx, expected %#llx",
				  i + 1, (unsigned long long)all_hits(),
				  (unsigned long long)counts->returns,
				  (unsigned long long)returns);
	}
	ktap_ok(ok, "%s", name);
}

static void use_x2apic(void)
{
	struct kvm_sregs sregs;

	vm_ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);
	sregs.apic_base |= 1 << 10;
	vm_ioctl(vcpu.fd, KVM_SET_SREGS, &sregs);
}

int main(void)
{
	ktap_plan(10);
	vm_create(&vm, events_guest, events_guest_end);
	vm_set_gate(&vm, VECTOR_UD, gpa_of(events_ud));
	vm_set_gate(&vm, VECTOR_NMI, gpa_of(events_nmi));
	vm_set_gate(&vm, VECTOR_GP, gpa_of(events_gp));
	vm_set_gate(&vm, VECTOR_INT, gpa_of(events_soft));
	vm_set_gate(&vm, VECTOR_BP, gpa_of(events_bp));
	vm_set_gate(&vm, VECTOR_MSI, gpa_of(events_msi));
	vcpu_create(&vcpu, &vm, 0);
	use_x2apic();
	counts = vm_at(&vm, VM_DATA(0));
	vcpu_run_to_port(&vcpu, PORT_STEP);

	check_entries(pend_msi, "the same external interrupt on each entry");
	check_entries(pend_nmi, "an NMI on each entry");
	check_entries(pend_ud, "the same exception on each entry");
	check_entries(pend_gp, "the same exception and error code on each entry");
	check_entries(pend_gp_other_code, "the same exception, another error code");
	check_entries(pend_pairs, "two exceptions in turns, each twice");
	check_entries(pend_msi_or_gp, "an external interrupt and an exception in turns");
	check_entries(pend_after_failed_entry, "an exception after an entry that failed");
	check_entries(pend_msi_that_faults, "an external interrupt whose delivery faults in EPT");
	check_int("INT and INT3 whose delivery faults in EPT");
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	return ktap_exit();
}
