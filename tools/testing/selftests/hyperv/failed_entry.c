// SPDX-License-Identifier: GPL-2.0-only
/*
 * failed_entry: VM entries that fail, and the good ones after them.
 *
 * The VMM gives L2 a new state and spoils one field of it in a way that KVM's
 * ioctls let through and the processor's checks on VM entry do not. Then it
 * repairs that field alone, changes some others, and L2 reports its state.
 *
 * Proved, for each kind of failure and for all kinds in turns: the entry fails
 * with the right reason and L2 executes nothing; afterwards L2 has every value
 * that was set before the failure and every one that was set after it, on the
 * first good entry and on the next.
 *
 * Broken by: clean fields that say L0 holds the page's values after an entry that
 * failed half-way, or failed before L0 read any; a repaired field whose store is
 * skipped or not announced; an event that is lost or repeated.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "lib/ktap.h"
#include "lib/state.h"

#define ROUNDS			8
#define MIXED_ROUNDS		20

/* SDM vol. 3, appendix C: exit reason 33 with the bit of a failed entry. */
#define INVALID_GUEST_STATE	0x80000021ull
/* SDM vol. 3, "VM Instruction Error Numbers": invalid control fields. */
#define INVALID_CONTROL_FIELD	7ull

#define NON_CANONICAL		0x800000000000ull
#define RFLAGS_RESERVED		(1ull << 15)
#define TYPE_DATA		3
#define TYPE_BUSY_TSS		11

static struct vm vm;
static struct vcpu vcpu;

/* The kinds: each spoils the state, or repairs it. */
static void fs_base(bool spoil)
{
	struct kvm_sregs sregs;

	vm_ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);
	sregs.fs.base ^= NON_CANONICAL;
	vm_ioctl(vcpu.fd, KVM_SET_SREGS, &sregs);
	(void)spoil;
}

static void tr_type(bool spoil)
{
	struct kvm_sregs sregs;

	vm_ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);
	sregs.tr.type = spoil ? TYPE_DATA : TYPE_BUSY_TSS;
	vm_ioctl(vcpu.fd, KVM_SET_SREGS, &sregs);
}

static void rflags(bool spoil)
{
	struct kvm_regs regs;

	vm_ioctl(vcpu.fd, KVM_GET_REGS, &regs);
	regs.rflags &= ~RFLAGS_RESERVED;
	regs.rflags |= spoil ? RFLAGS_RESERVED : 0;
	vm_ioctl(vcpu.fd, KVM_SET_REGS, &regs);
}

/* KVM steps over L2's last OUT now, and not on the next entry. */
static void finish_io(void)
{
	vcpu.run->immediate_exit = 1;
	if (ioctl(vcpu.fd, KVM_RUN, 0) >= 0 || errno != EINTR)
		ktap_bail("KVM_RUN with immediate_exit did not return at once");
	vcpu.run->immediate_exit = 0;
}

/* Blocking by STI, with interrupts off. Stepping over an instruction ends blocking. */
static void blocking(bool spoil)
{
	struct kvm_vcpu_events events;
	struct kvm_regs regs;

	if (spoil)
		finish_io();
	vm_ioctl(vcpu.fd, KVM_GET_REGS, &regs);
	regs.rflags ^= VM_RFLAGS & ~2;
	vm_ioctl(vcpu.fd, KVM_SET_REGS, &regs);
	vm_ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events);
	events.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.shadow = spoil ? KVM_X86_SHADOW_INT_STI : 0;
	vm_ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events);
}

/* #UD has no error code. The repair leaves it to KVM that #UD is still pending. */
static void error_code(bool spoil)
{
	struct kvm_vcpu_events events;

	if (spoil) {
		state_inject(&vcpu, STATE_UD, true, 0x18);
		return;
	}
	vm_ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events);
	events.exception.has_error_code = 0;
	events.exception.error_code = 0;
	vm_ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events);
}

static const struct kind {
	const char *name;
	void (*set)(bool spoil);
	uint64_t reason;
	unsigned int ud;	/* how many #UD the repaired entry brings */
} kinds[] = {
	{ "an FS base that is not canonical", fs_base, INVALID_GUEST_STATE, 0 },
	{ "TR of a wrong type", tr_type, INVALID_GUEST_STATE, 0 },
	{ "a reserved bit in RFLAGS", rflags, INVALID_GUEST_STATE, 0 },
	{ "blocking by STI with interrupts off", blocking, INVALID_GUEST_STATE, 0 },
	{ "an error code with #UD: VMfail", error_code, INVALID_CONTROL_FIELD, 1 },
};

#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

static bool entry_fails(const struct kind *kind)
{
	struct state_report *report = state_report(&vcpu);
	uint64_t reports = report->reports, ud = report->ud, found;

	if (vcpu_run(&vcpu) != KVM_EXIT_FAIL_ENTRY) {
		if (vcpu.run->exit_reason != KVM_EXIT_IO)
			vcpu_bad_exit(&vcpu);
		ktap_diag("%s: the entry did not fail", kind->name);
		return false;
	}
	found = vcpu.run->fail_entry.hardware_entry_failure_reason;
	if (found == kind->reason && report->reports == reports && report->ud == ud)
		return true;
	ktap_diag("%s: reason %#llx, expected %#llx; L2 made %llu reports, handled %llu #UD",
		  kind->name, (unsigned long long)found, (unsigned long long)kind->reason,
		  (unsigned long long)(report->reports - reports),
		  (unsigned long long)(report->ud - ud));
	return false;
}

static bool runs_with(struct state *expected, uint64_t ud)
{
	struct state_report *report = state_report(&vcpu);

	vcpu_run_to_port(&vcpu, PORT_STEP);
	if (!state_is(&vcpu, expected))
		return false;
	if (report->ud == ud)
		return true;
	ktap_diag("L2 handled %llu #UD, expected %llu", (unsigned long long)report->ud,
		  (unsigned long long)ud);
	return false;
}

/* Between failure and repair the fields of another state come in. */
static void change_some(struct state *state, unsigned int seed)
{
	struct state other = state_of(seed);
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	state->field[STATE_RSP] = other.field[STATE_RSP];
	state->field[STATE_CR3] = other.field[STATE_CR3];
	state->field[STATE_GS_BASE] = other.field[STATE_GS_BASE];
	state->field[STATE_GDT_LIMIT] = other.field[STATE_GDT_LIMIT];

	vm_ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);
	sregs.cr3 = state->field[STATE_CR3];
	sregs.gs.base = state->field[STATE_GS_BASE];
	sregs.gdt.limit = state->field[STATE_GDT_LIMIT];
	vm_ioctl(vcpu.fd, KVM_SET_SREGS, &sregs);
	vm_ioctl(vcpu.fd, KVM_GET_REGS, &regs);
	regs.rsp = state->field[STATE_RSP];
	vm_ioctl(vcpu.fd, KVM_SET_REGS, &regs);
}

/* @failures entries that fail, then two that do not. */
static bool fail_and_repair(const struct kind *kind, unsigned int seed, unsigned int failures)
{
	uint64_t ud = state_report(&vcpu)->ud + kind->ud;
	struct state expected = state_of(seed);
	bool ok = true;

	state_set(&vcpu, &expected);
	kind->set(true);
	for (unsigned int i = 0; i < failures && ok; i++)
		ok = entry_fails(kind);
	if (seed & 1)
		change_some(&expected, seed + 7);
	kind->set(false);
	return ok && runs_with(&expected, ud) && runs_with(&expected, ud);
}

int main(void)
{
	struct state expected = state_of(1);
	bool ok = true;

	ktap_plan(KINDS + 2);
	state_create(&vm, &vcpu);
	/* The very first launch fails. */
	state_set(&vcpu, &expected);
	tr_type(true);
	ok = entry_fails(&kinds[1]);
	tr_type(false);
	ktap_ok(ok && runs_with(&expected, 0), "the first entry of all fails");

	for (unsigned int kind = 0; kind < KINDS; kind++) {
		ok = true;
		for (unsigned int i = 0; i < ROUNDS && ok; i++)
			ok = fail_and_repair(&kinds[kind], i, 1);
		ktap_ok(ok, "%s", kinds[kind].name);
	}
	ok = true;
	for (unsigned int i = 0; i < MIXED_ROUNDS && ok; i++)
		ok = fail_and_repair(&kinds[i % KINDS], i, 1 + i % 2);
	ktap_ok(ok, "all kinds in turns");
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	return ktap_exit();
}
