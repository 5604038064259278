// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct_flush_states: L2 flushes a virtual processor that is not simply running.
 *
 *	direct_flush_states [CASE...]	elsewhere, smm, l3, asked-in-l3, in-l3, trapped;
 *					default: all but trapped
 *
 * The processor to be flushed is not loaded on any CPU, since another VM has its place,
 * or it is in SMM, or runs a guest of its own (L3). Or the one that makes the hypercall is
 * L3, whose calls are L2's to serve. "trapped" is for an L0 that ends each flush with an exit
 * for L1, as it does while the TLB is locked (TLFS: TlbLockCount).
 *
 * Proved: L0 serves a flush whatever state its target is in, and the target sees the new
 * page afterwards; each hypercall of L3 reaches L2, also when the VMM asks for direct flush
 * while L3 runs; L2's own are L0's, between two runs of L3; after the exit L2 goes on
 * behind its hypercall, with its result.
 *
 * Broken by: a bit for direct flush that gets into the VMCS of L3, or stays in the VP assist
 * page while L3 runs; a VMCS of L3 without VmId; an exit that KVM takes for another one.
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "lib/hv_flush.h"
#include "lib/ktap.h"
#include "lib/nested.h"

#define ROUNDS		2
#define CALLS		20

static void create(struct hv_guest *guest)
{
	hv_guest_create(guest, 2, HV_GUEST_AWARE);
	hv_flush_ask(guest);
	hv_guest_enable_hypercalls(&guest->vcpu[0]);
}

static void flush_once(struct hv_guest *guest)
{
	hv_guest_order_flush(&guest->vcpu[0], HV_GUEST_CALL, 0, 1);
	hv_guest_run(&guest->vcpu[0]);
}

/* vCPU 1 was on CPU 1, and now the vCPU of another VM is. */
static void test_elsewhere(void)
{
	struct hv_guest guest, other;
	struct hv_flush_count before, since;
	bool ok;

	create(&guest);
	hv_guest_create(&other, 1, HV_GUEST_AWARE);
	hv_flush_place_vcpu_1(&guest);
	pthread_join(hv_guest_thread(hv_flush_run_once, &other.vcpu[0]), NULL);
	before = hv_flush_now(&guest);
	flush_once(&guest);
	since = hv_flush_since(&guest, &before);
	ok = hv_flush_succeeded(&guest) && hv_flush_found(&since, 1, 0);
	hv_guest_watch(&guest);
	ok &= hv_flush_watched(&guest, 0, ROUNDS, true);
	ok &= hv_guest_watched(&guest);
	hv_guest_destroy(&other);
	hv_guest_destroy(&guest);
	ktap_ok(ok, "a processor that is not loaded anywhere");
}

/*
 * SMRAM is in L2's memory: SMI begins at SMBASE + 0x8000, in real mode, and saves L2's state
 * below SMBASE + 0x10000, here where vCPU 1's stack ends, which has nothing on it.
 */
#define MSR_SMBASE	0x9e
#define SMBASE		0x6000
#define SMI_HANDLER	0xe000
#define SMM_SLOT	(1 << 16)	/* slot 0 of the address space that SMM has */

static const uint8_t smi_handler[] = {
	0xe6, PORT_DONE,	/* out %al, $PORT_DONE */
	0x0f, 0xaa,		/* rsm */
};

static_assert(SMBASE + 0x8000 == SMI_HANDLER, "where an SMI begins");
static_assert(SMBASE + 0xfe00 == VM_STACK(1) + 0xe00, "where it saves L2's state");

struct in_smm {
	struct hv_guest guest;
	volatile bool entered, leave;
};

static void *enter_smm(void *arg)
{
	struct in_smm *smm = arg;
	struct vcpu *vcpu = &smm->guest.vcpu[1];

	hv_flush_run_once(vcpu);
	vm_ioctl(vcpu->fd, KVM_SMI, 0);
	vcpu_run_to_port(vcpu, PORT_DONE);
	smm->entered = true;
	while (!smm->leave)
		sched_yield();
	return hv_flush_run_once(vcpu);
}

static void test_smm(void)
{
	struct in_smm smm = { .entered = false };
	pthread_t thread;
	bool ok;

	create(&smm.guest);
	memcpy(vm_at(&smm.guest.vm, SMI_HANDLER), smi_handler, sizeof(smi_handler));
	vm_set_slot(&smm.guest.vm, SMM_SLOT, 0, 0, VM_MEM_SIZE, smm.guest.vm.mem);
	nested_set_msr(&smm.guest.vcpu[1], MSR_SMBASE, SMBASE);
	thread = hv_guest_thread(enter_smm, &smm);
	while (!smm.entered)
		sched_yield();
	ok = hv_flush(&smm.guest, 1, true);
	smm.leave = true;
	pthread_join(thread, NULL);
	hv_guest_watch(&smm.guest);
	ok &= hv_flush_watched(&smm.guest, 0, ROUNDS, true);
	ok &= hv_guest_watched(&smm.guest);
	hv_guest_destroy(&smm.guest);
	ktap_ok(ok, "a processor in SMM");
}

/* L2 and L3 flush the first processor, which is their own. */
struct shared {
	struct nested nested;
	uint64_t l2_result, l3_result;
};

static_assert(offsetof(struct shared, l2_result) == 2080, "the guest code knows the layout");

#define FLUSH_ALL							\
	"	mov	$0x10002, %ecx\n"	/* address space, fast */ \
	"	xor	%edx, %edx\n"					\
	"	mov	$3, %r8d\n"		/* of all processors */	\
	"	vmcall\n"

/* L3 writes to a port, which L2 lets pass to the VMM, and makes a hypercall. */
GUEST_CODE(l3_code,
	NESTED_LAUNCH
	"l3_exit:\n"
	NESTED_COUNT_EXIT
	NESTED_SKIP
	"	mov	$0, %eax\n"
	FLUSH_ALL
	"	mov	%rax, 2080(%rdi)\n"
	"	mov	$0x5a, %eax\n"		/* what L2 answers */
	"	vmresume\n"
	NESTED_GIVE_UP
	"l3_begin:\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	FLUSH_ALL
	"	mov	%rax, 2088(%rdi)\n"
	"	jmp	l3_begin\n"
	/* The other vCPU, which is no hypervisor. */
	"l3_flusher:\n"
	FLUSH_ALL
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	l3_flusher\n");

extern const uint8_t l3_exit[], l3_begin[], l3_flusher[];

static void run_l3(struct vcpu *vcpu)
{
	if (nested_run(vcpu) != KVM_EXIT_IO || vcpu->run->io.port != PORT_STEP)
		vcpu_bad_exit(vcpu);
}

/* L2's vCPU 0 is a hypervisor, vCPU 1 is not; both may make hypercalls. */
static void create_with_l3(struct hv_guest *guest)
{
	struct vcpu *vcpu = &guest->vcpu[0];
	struct kvm_regs regs;

	hv_guest_create_with(guest, 2, HV_GUEST_AWARE, l3_code, l3_code_end);
	nested_set_up(vcpu, VM_CODE + (l3_exit - l3_code), VM_CODE + (l3_begin - l3_code),
		      NESTED_HLT_EXITING | NESTED_MSR_BITMAPS);
	nested_set_msr(vcpu, HV_MSR_GUEST_OS_ID, HV_GUEST_OS);
	nested_set_msr(vcpu, HV_MSR_HYPERCALL, HV_GUEST_CALL_PAGE | 1);
	vm_ioctl(guest->vcpu[1].fd, KVM_GET_REGS, &regs);
	regs.rip = VM_CODE + (l3_flusher - l3_code);
	vm_ioctl(guest->vcpu[1].fd, KVM_SET_REGS, &regs);
}

/* The VMM asks before L2 has run, or @late when L3 has. */
static bool l3_calls_l2(bool late)
{
	struct hv_flush_count before, since;
	struct shared *shared;
	struct hv_guest guest;
	bool ok;

	create_with_l3(&guest);
	shared = vm_at(&guest.vm, VM_DATA(0));
	hv_flush_ask_for(&guest.vcpu[1]);
	if (!late)
		hv_flush_ask_for(&guest.vcpu[0]);
	run_l3(&guest.vcpu[0]);
	if (late)
		hv_flush_ask(&guest);
	before = hv_flush_now(&guest);
	for (unsigned int i = 0; i < CALLS; i++)
		run_l3(&guest.vcpu[0]);
	ok = shared->nested.exits[NESTED_EXIT_VMCALL] == CALLS && shared->l3_result == 0x5a &&
	     !HV_STATUS(shared->l2_result);
	if (!ok)
		ktap_diag("L2 saw %llu of %u hypercalls of L3; L3 got %#llx, L2 %#llx",
			  (unsigned long long)shared->nested.exits[NESTED_EXIT_VMCALL], CALLS,
			  (unsigned long long)shared->l3_result,
			  (unsigned long long)shared->l2_result);
	since = hv_flush_since(&guest, &before);
	/* KVM passes on to L2 what it sees of L3's. */
	since.hypercalls = 0;
	ok &= hv_flush_found(&since, CALLS, CALLS);
	hv_guest_destroy(&guest);
	return ok;
}

static void *flush_on_cpu_1(void *vcpu)
{
	hv_guest_run(vcpu);
	return NULL;
}

/* The processor to be flushed is in L3: it has translations of L2's as well. */
static bool target_in_l3(void)
{
	struct hv_flush_count before, since;
	struct hv_guest guest;
	bool ok;

	create_with_l3(&guest);
	hv_flush_ask(&guest);
	run_l3(&guest.vcpu[0]);
	before = hv_flush_now(&guest);
	pthread_join(hv_guest_thread(flush_on_cpu_1, &guest.vcpu[1]), NULL);
	since = hv_flush_since(&guest, &before);
	/* The one that flushes is one of them. */
	ok = hv_flush_found(&since, 1, 2);
	run_l3(&guest.vcpu[0]);
	hv_guest_destroy(&guest);
	return ok;
}

static void test_l3(void)
{
	if (!nested_offered())
		ktap_skip("L3's hypercalls are L2's, L2's own are L0's", "KVM offers no VMX to its guests");
	else
		ktap_ok(l3_calls_l2(false), "L3's hypercalls are L2's, L2's own are L0's");
}

static void test_asked_in_l3(void)
{
	if (!nested_offered())
		ktap_skip("likewise if the VMM asks while L3 runs", "KVM offers no VMX to its guests");
	else
		ktap_ok(l3_calls_l2(true), "likewise if the VMM asks while L3 runs");
}

/*
 * Before each flush L2 reads where it has no memory: an exit whose address KVM must not
 * take for that of the next one. Returns how many reads the VMM had to answer.
 */
static unsigned int read_and_flush(struct vcpu *vcpu, unsigned int calls)
{
	unsigned int reads = 0;

	hv_guest_order_flush(vcpu, HV_GUEST_READ_CALL, 0, calls);
	while (vcpu_run(vcpu) == KVM_EXIT_MMIO && !vcpu->run->mmio.is_write)
		reads++;
	if (vcpu->run->exit_reason == KVM_EXIT_MMIO)
		ktap_diag("L2 wrote to %#llx, where it has no memory",
			  (unsigned long long)vcpu->run->mmio.phys_addr);
	else if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != PORT_STEP)
		vcpu_bad_exit(vcpu);
	return vcpu->run->exit_reason == KVM_EXIT_IO ? reads : 0;
}

static void test_in_l3(void)
{
	if (!nested_offered())
		ktap_skip("a processor that runs L3", "KVM offers no VMX to its guests");
	else
		ktap_ok(target_in_l3(), "a processor that runs L3");
}

static void test_trapped(void)
{
	struct hv_guest guest;
	struct hv_flush_count before, since;
	bool ok;

	create(&guest);
	hv_flush_place_vcpu_1(&guest);
	before = hv_flush_now(&guest);
	ok = read_and_flush(&guest.vcpu[0], CALLS) == CALLS && hv_flush_succeeded(&guest);
	since = hv_flush_since(&guest, &before);
	ok &= hv_flush_found(&since, CALLS, CALLS);
	/* One for the read, one for the flush. */
	if (since.exits < 2 * CALLS)
		ktap_diag("%llu exits for %u flushes: L0 does not trap them",
			  (unsigned long long)since.exits, CALLS);
	hv_guest_destroy(&guest);
	ktap_ok(ok && since.exits >= 2 * CALLS, "L2 goes on after L0 has trapped its flush");
}

static const struct hv_flush_test tests[] = {
	{ "elsewhere", 2, 1, test_elsewhere, false },
	{ "smm", 2, 1, test_smm, false },
	{ "l3", 2, 1, test_l3, false },
	{ "asked-in-l3", 2, 1, test_asked_in_l3, false },
	{ "in-l3", 2, 1, test_in_l3, false },
	{ "trapped", 2, 1, test_trapped, true },
};

int main(int argc, char **argv)
{
	return hv_flush_main(tests, ARRAY_SIZE(tests), argc, argv);
}
