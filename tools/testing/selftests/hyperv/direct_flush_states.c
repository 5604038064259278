// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct_flush_states: L2 flushes a virtual processor that is not simply running.
 *
 *	direct_flush_states CASE...	elsewhere, smm, l3, asked-in-l3, trapped; default: all
 *					but trapped
 *
 * The processor to be flushed is not loaded on any CPU, since another VM has its place,
 * or it is in SMM. Or the one that makes the hypercall is a guest of L2's (L3), whose calls
 * are L2's to serve. "trapped" is for an L0 that ends each flush with an exit for L1, as it
 * does while the TLB is locked (TLFS: TlbLockCount).
 *
 * Proved: L0 serves a flush whatever state its target is in, and the target sees the new
 * page afterwards; each hypercall of L3 reaches L2, also when the VMM asks for direct flush
 * while L3 runs; L2's own are L0's, between two runs of L3; after the exit L2 goes on
 * behind its hypercall, with its result.
 *
 * Broken by: a bit for direct flush that gets into the VMCS of L3, or stays in the VP assist
 * page while L3 runs; an exit that KVM takes for another one.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "lib/evmcs.h"
#include "lib/hv_guest.h"
#include "lib/ktap.h"
#include "lib/l0.h"
#include "lib/nested.h"
#include "lib/stats.h"

#define ROUNDS		2
#define CALLS		20
#define HANG_SECONDS	60

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static bool has_l0;	/* and it counts */

static struct l0_direct_flush l0_now(void)
{
	struct l0_direct_flush now = { 0 };

	if (has_l0)
		l0_direct_flush_read(&now);
	return now;
}

static bool l0_did(const struct l0_direct_flush *then, unsigned int served, unsigned int matched)
{
	struct l0_direct_flush now = l0_now();

	if (!has_l0 || (now.served - then->served == served &&
			now.matched - then->matched == matched && now.missed == then->missed))
		return true;
	ktap_diag("L0 served %llu, not %u, and found %llu processors, not %u; missed %llu",
		  (unsigned long long)(now.served - then->served), served,
		  (unsigned long long)(now.matched - then->matched), matched,
		  (unsigned long long)(now.missed - then->missed));
	return false;
}

static void ask(struct vcpu *vcpu)
{
	int error = hv_guest_ask(vcpu);

	if (error)
		ktap_bail("KVM_CAP_HYPERV_DIRECT_TLBFLUSH: %s", strerror(error));
}

static void create(struct hv_guest *guest)
{
	hv_guest_create(guest, 2, HV_GUEST_AWARE);
	ask(&guest->vcpu[0]);
	ask(&guest->vcpu[1]);
	hv_guest_enable_hypercalls(&guest->vcpu[0]);
}

/* vCPU 0 flushes VP 1. */
static bool flush(struct hv_guest *guest, unsigned int calls)
{
	struct vcpu *vcpu = &guest->vcpu[0];
	uint64_t seen_by_kvm = stats_hypercalls(vcpu);

	hv_guest_order_flush(vcpu, HV_GUEST_CALL, 0, calls);
	hv_guest_run(vcpu);
	seen_by_kvm = stats_hypercalls(vcpu) - seen_by_kvm;
	if (!HV_STATUS(hv_guest_order(vcpu)->result) && !seen_by_kvm)
		return true;
	ktap_diag("the hypercall's result is %#llx; KVM saw %llu",
		  (unsigned long long)hv_guest_order(vcpu)->result, (unsigned long long)seen_by_kvm);
	return false;
}

/* The same while vCPU 1 watches: it must see each new page. */
static bool remap(struct hv_guest *guest)
{
	struct l0_direct_flush then = l0_now();

	hv_guest_order_flush(&guest->vcpu[0], HV_GUEST_REMAP, 0, ROUNDS);
	hv_guest_run(&guest->vcpu[0]);
	return l0_did(&then, ROUNDS, ROUNDS);
}

static void *run_once(void *vcpu)
{
	hv_guest_order(vcpu)->op = HV_GUEST_NOTHING;
	hv_guest_run(vcpu);
	return NULL;
}

/* vCPU 1 was on CPU 1, and now the vCPU of another VM is. */
static void test_elsewhere(void)
{
	struct hv_guest guest, other;
	struct l0_direct_flush then;
	bool ok;

	create(&guest);
	hv_guest_create(&other, 1, HV_GUEST_AWARE);
	pthread_join(hv_guest_thread(run_once, &guest.vcpu[1]), NULL);
	pthread_join(hv_guest_thread(run_once, &other.vcpu[0]), NULL);
	then = l0_now();
	ok = flush(&guest, 1) & l0_did(&then, 1, 0);
	hv_guest_watch(&guest);
	ok &= remap(&guest);
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

	run_once(vcpu);
	vm_ioctl(vcpu->fd, KVM_SMI, 0);
	vcpu_run_to_port(vcpu, PORT_DONE);
	smm->entered = true;
	while (!smm->leave)
		sched_yield();
	return run_once(vcpu);
}

static void test_smm(void)
{
	struct in_smm smm = { .entered = false };
	struct l0_direct_flush then;
	pthread_t thread;
	bool ok;

	create(&smm.guest);
	memcpy(vm_at(&smm.guest.vm, SMI_HANDLER), smi_handler, sizeof(smi_handler));
	vm_set_slot(&smm.guest.vm, SMM_SLOT, 0, 0, VM_MEM_SIZE, smm.guest.vm.mem);
	nested_set_msr(&smm.guest.vcpu[1], MSR_SMBASE, SMBASE);
	thread = hv_guest_thread(enter_smm, &smm);
	while (!smm.entered)
		sched_yield();
	then = l0_now();
	ok = flush(&smm.guest, 1) & l0_did(&then, 1, 1);
	smm.leave = true;
	pthread_join(thread, NULL);
	hv_guest_watch(&smm.guest);
	ok &= remap(&smm.guest);
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
	"	jmp	l3_begin\n");

extern const uint8_t l3_exit[], l3_begin[];

static void run_l3(struct vcpu *vcpu)
{
	if (nested_run(vcpu) != KVM_EXIT_IO || vcpu->run->io.port != PORT_STEP)
		vcpu_bad_exit(vcpu);
}

/* The VMM asks before L2 has run, or @late when L3 has. */
static bool l3_calls_l2(bool late)
{
	struct l0_direct_flush then;
	struct shared *shared;
	struct hv_guest guest;
	struct vcpu *vcpu = &guest.vcpu[0];
	bool ok;

	/* A second vCPU, so that KVM loads the first one's VMCS more than once. */
	hv_guest_create_with(&guest, 2, HV_GUEST_AWARE, l3_code, l3_code_end);
	nested_set_up(vcpu, VM_CODE + (l3_exit - l3_code), VM_CODE + (l3_begin - l3_code),
		      NESTED_HLT_EXITING | NESTED_MSR_BITMAPS);
	shared = vm_at(&guest.vm, VM_DATA(0));
	nested_set_msr(vcpu, HV_MSR_GUEST_OS_ID, HV_GUEST_OS);
	nested_set_msr(vcpu, HV_MSR_HYPERCALL, HV_GUEST_CALL_PAGE | 1);
	ask(&guest.vcpu[1]);
	if (!late)
		ask(vcpu);
	run_l3(vcpu);
	if (late) {
		ask(vcpu);
		ask(&guest.vcpu[1]);
	}
	then = l0_now();
	for (unsigned int i = 0; i < CALLS; i++)
		run_l3(vcpu);
	ok = shared->nested.exits[NESTED_EXIT_VMCALL] == CALLS && shared->l3_result == 0x5a &&
	     !HV_STATUS(shared->l2_result);
	if (!ok)
		ktap_diag("L2 saw %llu of %u hypercalls of L3; L3 got %#llx, L2 %#llx",
			  (unsigned long long)shared->nested.exits[NESTED_EXIT_VMCALL], CALLS,
			  (unsigned long long)shared->l3_result,
			  (unsigned long long)shared->l2_result);
	ok &= l0_did(&then, CALLS, CALLS);
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

static void test_trapped(void)
{
	struct hv_guest guest;
	struct l0_direct_flush then;
	uint64_t exits;
	bool ok;

	create(&guest);
	pthread_join(hv_guest_thread(run_once, &guest.vcpu[1]), NULL);
	then = l0_now();
	exits = stats_exits(&guest.vcpu[0]);
	ok = read_and_flush(&guest.vcpu[0], CALLS) == CALLS && l0_did(&then, CALLS, CALLS) &&
	     !HV_STATUS(hv_guest_order(&guest.vcpu[0])->result);
	exits = stats_exits(&guest.vcpu[0]) - exits;
	/* One for the read, one for the flush. */
	if (exits < 2 * CALLS)
		ktap_diag("%llu exits for %u flushes: L0 does not trap them", (unsigned long long)exits,
			  CALLS);
	hv_guest_destroy(&guest);
	ktap_ok(ok && exits >= 2 * CALLS, "L2 goes on after L0 has trapped its flush");
}

static const struct test {
	const char *key;
	void (*run)(void);
	bool by_default;
} tests[] = {
	{ "elsewhere", test_elsewhere, true },
	{ "smm", test_smm, true },
	{ "l3", test_l3, true },
	{ "asked-in-l3", test_asked_in_l3, true },
	{ "trapped", test_trapped, false },
};

static bool chosen(const struct test *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], test->key))
			return true;
	}
	return argc < 2 && test->by_default;
}

int main(int argc, char **argv)
{
	struct l0_direct_flush counters;
	unsigned int planned = 0;
	const char *why, *skip;

	for (unsigned int i = 0; i < ARRAY_SIZE(tests); i++)
		planned += chosen(&tests[i], argc, argv);
	if (!planned || (argc > 1 && planned != (unsigned int)argc - 1))
		ktap_bail("usage: %s [elsewhere|smm|l3|asked-in-l3|trapped]...", argv[0]);
	ktap_plan(planned);
	skip = hv_guest_no_direct_flush(2);
	if (skip) {
		ktap_skip_rest("%s", skip);
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	has_l0 = l0_open(&why) && !l0_direct_flush_read(&counters);
	hv_guest_pin_to_cpu_0();
	for (unsigned int i = 0; i < ARRAY_SIZE(tests); i++) {
		if (chosen(&tests[i], argc, argv))
			tests[i].run();
	}
	return ktap_exit();
}
