// SPDX-License-Identifier: GPL-2.0-only
/*
 * two_vms: one thread on one CPU enters two VMs in turns.
 *
 * Each L2 reports the part of its state that only its VMCS holds (lib/state.h),
 * and moves its own FS base. Nothing is VMCLEARed between the entries: the CPU
 * just changes from one VMCS to the other.
 *
 * Proved: each L2 has its own state, events and MSR intercepts, those included
 * that the VMM changes while the other VM was the last to run; a VM that is
 * destroyed takes nothing of the other's with it, and a VM that is made in its
 * place, likely from the same memory, has nothing of the old one.
 *
 * Broken by: a store or a clean field that goes to the CPU's current eVMCS but was
 * meant for another vCPU's; an eVMCS that is entered without being named to L0
 * again; a page that is used for a new VM while L0 still believes its old content.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "lib/ktap.h"
#include "lib/state.h"

#define ROUNDS		14
#define NEW_VMS		3
#define MSR_GS_BASE	0xc0000101
#define VMM_VALUE	0x5500000000aaull	/* what the VMM answers to a read */

struct guest {
	struct vm vm;
	struct vcpu vcpu;
	struct state expected;
	unsigned int reads;	/* of an MSR, that reached the VMM in the last run */
};

static void start(struct guest *guest, unsigned int seed)
{
	struct kvm_enable_cap to_vmm = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args[0] = KVM_MSR_EXIT_REASON_FILTER,
	};

	memset(guest, 0, sizeof(*guest));
	state_create(&guest->vm, &guest->vcpu);
	vm_ioctl(guest->vm.fd, KVM_ENABLE_CAP, &to_vmm);
	guest->expected = state_of(seed);
	state_set(&guest->vcpu, &guest->expected);
}

static void end(struct guest *guest)
{
	vcpu_destroy(&guest->vcpu);
	vm_destroy(&guest->vm);
}

/* Runs L2 to its next report, and answers its reads of a denied MSR. */
static void run(struct guest *guest)
{
	struct vcpu *vcpu = &guest->vcpu;

	for (guest->reads = 0; vcpu_run(vcpu) == KVM_EXIT_X86_RDMSR; guest->reads++) {
		vcpu->run->msr.data = VMM_VALUE;
		vcpu->run->msr.error = 0;
	}
	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != PORT_STEP)
		vcpu_bad_exit(vcpu);
}

static bool run_and_check(struct guest *guest)
{
	run(guest);
	return state_is(&guest->vcpu, &guest->expected);
}

static void check_own_state(struct guest *a, struct guest *b)
{
	bool ok = true;

	for (unsigned int i = 0; i < ROUNDS && ok; i++)
		ok = run_and_check(a) && run_and_check(b);
	ktap_ok(ok, "each VM has its own state");
}

/* The VM that gets a new state is not the one that ran last. */
static void check_changes(struct guest *a, struct guest *b)
{
	bool ok = true;

	for (unsigned int i = 0; i < ROUNDS && ok; i++) {
		a->expected = state_of(2 * i);
		state_set(&a->vcpu, &a->expected);
		ok = run_and_check(i & 2 ? b : a) && run_and_check(i & 2 ? a : b);
		if (!ok)
			break;
		b->expected = state_of(2 * i + 1);
		state_set(&b->vcpu, &b->expected);
		ok = run_and_check(a) && run_and_check(b);
	}
	ktap_ok(ok, "a new state reaches its VM only");
}

static void deny_reads(struct guest *guest, bool denied)
{
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	uint8_t none_allowed = 0;

	if (denied) {
		filter.ranges[0].flags = KVM_MSR_FILTER_READ;
		filter.ranges[0].base = MSR_GS_BASE;
		filter.ranges[0].nmsrs = 1;
		filter.ranges[0].bitmap = &none_allowed;
	}
	vm_ioctl(guest->vm.fd, KVM_X86_SET_MSR_FILTER, &filter);
}

static bool reads_are_seen(struct guest *guest, bool denied)
{
	struct state expected = guest->expected;
	bool ok;

	run(guest);
	if (denied)
		expected.field[STATE_GS_BASE] = VMM_VALUE;
	ok = state_is(&guest->vcpu, &expected) && guest->reads == denied;
	if (guest->reads != denied)
		ktap_diag("%u reads of the MSR reached the VMM, expected %d", guest->reads, denied);
	guest->expected.field[STATE_FS_BASE] = expected.field[STATE_FS_BASE];
	return ok;
}

static void check_intercepts(struct guest *a, struct guest *b)
{
	bool ok = true;

	for (unsigned int i = 0; i < ROUNDS && ok; i++) {
		bool deny_a = i & 1, deny_b = i & 2;

		deny_reads(a, deny_a);
		deny_reads(b, deny_b);
		ok = reads_are_seen(a, deny_a) && reads_are_seen(b, deny_b) &&
		     reads_are_seen(a, deny_a);
	}
	deny_reads(a, false);
	deny_reads(b, false);
	ktap_ok(ok, "each VM has its own MSR intercepts");
}

static bool events_are(struct guest *guest, uint64_t ud, uint64_t gp, uint64_t error_codes)
{
	struct state_report *report = state_report(&guest->vcpu);

	if (report->ud == ud && report->gp == gp && report->error_codes == error_codes)
		return true;
	ktap_diag("%llu #UD, %llu #GP, error codes %#llx; expected %llu, %llu, %#llx",
		  (unsigned long long)report->ud, (unsigned long long)report->gp,
		  (unsigned long long)report->error_codes, (unsigned long long)ud,
		  (unsigned long long)gp, (unsigned long long)error_codes);
	return false;
}

/* #UD for one VM, #GP for the other, and an entry of each without an event. */
static void check_events(struct guest *a, struct guest *b)
{
	uint64_t error_codes = 0;
	bool ok = true;

	for (unsigned int i = 0; i < ROUNDS && ok; i++) {
		error_codes += 8 * i;
		state_inject(&a->vcpu, STATE_UD, false, 0);
		state_inject(&b->vcpu, STATE_GP, true, 8 * i);
		for (unsigned int entry = 0; entry < 2 && ok; entry++)
			ok = run_and_check(a) && run_and_check(b) &&
			     events_are(a, i + 1, 0, 0) && events_are(b, 0, i + 1, error_codes);
	}
	ktap_ok(ok, "each VM has its own exceptions");
}

static void check_survivor(struct guest *a, struct guest *b)
{
	bool ok = true;

	end(b);
	for (unsigned int i = 0; i < ROUNDS && ok; i++)
		ok = run_and_check(a);
	ktap_ok(ok, "one VM goes on after the other was destroyed");
}

static void check_new_vms(struct guest *a)
{
	struct guest fresh;
	bool ok = true;

	for (unsigned int i = 0; i < NEW_VMS && ok; i++) {
		start(&fresh, 30 + i);
		for (unsigned int entry = 0; entry < 3 && ok; entry++)
			ok = run_and_check(&fresh) && run_and_check(a);
		end(&fresh);
	}
	ktap_ok(ok, "a new VM in the place of the destroyed one");
}

int main(void)
{
	struct guest a, b;
	cpu_set_t first;

	ktap_plan(6);
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (sched_setaffinity(0, sizeof(first), &first))
		ktap_bail("sched_setaffinity to CPU 0: %s", strerror(errno));
	start(&a, 1);
	start(&b, 2);
	check_own_state(&a, &b);
	check_changes(&a, &b);
	check_intercepts(&a, &b);
	check_events(&a, &b);
	check_survivor(&a, &b);
	check_new_vms(&a);
	end(&a);
	return ktap_exit();
}
