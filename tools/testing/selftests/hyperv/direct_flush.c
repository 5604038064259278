// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct_flush: L2 flushes the TLB of its virtual processors by hypercall, and L0 serves it.
 *
 *	direct_flush CASE...	see the table; default: all
 *
 * vCPU 0 maps a page anew and flushes VP 1, whose vCPU reads that page on another CPU
 * (lib/hv_guest.h). KVM must not see the hypercall, L0 must find the one processor that
 * it is for, and the page must be the new one. Where an emulated TLB forgives, L0's
 * counts tell; without the rig's L0 only the rest is checked.
 *
 * Proved: L0 serves each form of flush hypercall, for the right processor, from the first
 * entry on or from when the VMM asks for it; it serves nothing before L2 has enabled
 * hypercalls, nor after it has disabled them, nor when the VMM resets them; an L2 that
 * knows KVM, or was not told of flush hypercalls, or whose VMM did not ask, has its
 * hypercalls served by KVM; and no hypercall of KVM's is taken for a flush, whatever is
 * in its registers.
 *
 * Broken by: a VpId that is written after the first entry or stays clean; the bit for direct
 * flush that L0 is not told of; a rule that is not looked at when one of its facts
 * changes; a vCPU that runs on by the old decision.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <x86intrin.h>

#include "lib/hv_guest.h"
#include "lib/ktap.h"
#include "lib/l0.h"
#include "lib/nested.h"
#include "lib/stats.h"

#define ROUNDS		4	/* remaps of a case that a second vCPU watches */
#define CALLS		100	/* in a row, to count exits */
#define MANY_CALLS	400	/* that take longer than to turn them off */
#define NONE_YET	0xffff
#define HANG_SECONDS	60

/* Where the first vCPU's turn ends while it asks, in ticks after it has begun to. */
#define RACE_STEP	60
#define RACE_TICKS	2400
#define NOT_ONE_LOOP	20000	/* ticks between two readings of the TSC */

/* KVM's hypercalls (Documentation/virt/kvm/x86/hypercalls.rst) */
static const uint64_t kvm_calls[] = { 1, 5, 9, 10, 11, 12 };

static const uint16_t flush_codes[] = {
	HV_FLUSH_SPACE, HV_FLUSH_LIST, HV_FLUSH_SPACE_EX, HV_FLUSH_LIST_EX,
};

/* Above the call code: nothing, fast, repeats, a set, an address, all ones. */
static const uint64_t above_codes[] = {
	0, HV_FAST, HV_REPEAT(1), HV_VARIABLE(1), 0xffff888000000000, 0xffffffffffff0000,
};

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static bool has_l0;	/* and it counts */

/* What a step has made L0 and KVM do. */
struct count {
	struct l0_direct_flush l0;
	uint64_t hypercalls, exits;
};

static struct count count_now(struct hv_guest *guest)
{
	struct count now = { .hypercalls = stats_hypercalls(&guest->vcpu[0]),
			     .exits = stats_exits(&guest->vcpu[0]) };

	if (has_l0)
		l0_direct_flush_read(&now.l0);
	return now;
}

static struct count count_since(struct hv_guest *guest, const struct count *then)
{
	struct count now = count_now(guest);

	now.l0.served -= then->l0.served;
	now.l0.named -= then->l0.named;
	now.l0.matched -= then->l0.matched;
	now.l0.missed -= then->l0.missed;
	now.l0.pointers -= then->l0.pointers;
	now.l0.split -= then->l0.split;
	now.hypercalls -= then->hypercalls;
	now.exits -= then->exits;
	return now;
}

static bool call_succeeded(struct hv_guest *guest)
{
	uint64_t result = hv_guest_order(&guest->vcpu[0])->result;

	if (!HV_STATUS(result))
		return true;
	ktap_diag("the hypercall's result is %#llx", (unsigned long long)result);
	return false;
}

/*
 * L0 served @flushes, each of which found its one processor, and KVM none of them; or, with
 * @direct false, the other way round.
 */
static bool served(const struct count *count, unsigned int flushes, bool direct)
{
	unsigned int by_l0 = direct ? flushes : 0;

	if (count->hypercalls == flushes - by_l0 &&
	    (!has_l0 || (count->l0.served == by_l0 && count->l0.matched == count->l0.named &&
			 count->l0.named >= by_l0 && !count->l0.missed)))
		return true;
	ktap_diag("%u flushes: KVM saw %llu; L0 served %llu, for %llu processors, found %llu, missed %llu",
		  flushes, (unsigned long long)count->hypercalls,
		  (unsigned long long)count->l0.served, (unsigned long long)count->l0.named,
		  (unsigned long long)count->l0.matched, (unsigned long long)count->l0.missed);
	return false;
}

static void ask(struct hv_guest *guest)
{
	for (unsigned int i = 0; i < guest->vcpus; i++) {
		int error = hv_guest_ask(&guest->vcpu[i]);

		if (error)
			ktap_bail("KVM_CAP_HYPERV_DIRECT_TLBFLUSH: %s", strerror(error));
	}
}

/* vCPU 0 maps the page anew and flushes VP 1, which watches. */
static bool flush_watched(struct hv_guest *guest, unsigned int form, unsigned int rounds, bool direct)
{
	struct count before = count_now(guest), since;

	hv_guest_order_flush(&guest->vcpu[0], HV_GUEST_REMAP, form, rounds);
	hv_guest_run(&guest->vcpu[0]);
	since = count_since(guest, &before);
	if (call_succeeded(guest) & served(&since, rounds, direct))
		return true;
	ktap_diag("form: %s", hv_guest_forms[form]);
	return false;
}

/* The same of VP 1 that does not run. */
static bool flush(struct hv_guest *guest, unsigned int calls, bool direct)
{
	struct count before = count_now(guest), since;

	hv_guest_order_flush(&guest->vcpu[0], HV_GUEST_CALL, 0, calls);
	hv_guest_run(&guest->vcpu[0]);
	since = count_since(guest, &before);
	return call_succeeded(guest) & served(&since, calls, direct);
}

/* To L0 it is on this CPU from then on. */
static void *run_once(void *vcpu)
{
	hv_guest_order(vcpu)->op = HV_GUEST_NOTHING;
	hv_guest_run(vcpu);
	return NULL;
}

static void place_vcpu_1(struct hv_guest *guest)
{
	pthread_join(hv_guest_thread(run_once, &guest->vcpu[1]), NULL);
}

/* vCPU 1 enters L2 for the first time and stays there. */
static void test_first_entry(void)
{
	struct hv_guest guest;
	bool ok = true;

	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	ask(&guest);
	hv_guest_watch(&guest);
	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	for (unsigned int form = 0; form < HV_GUEST_FORMS; form++)
		ok &= flush_watched(&guest, form, ROUNDS, true);
	ok &= hv_guest_watched(&guest);
	hv_guest_destroy(&guest);
	ktap_ok(ok, "L0 serves each form of flush, for the processor that it names");
}

/* The VMM asks when both vCPUs have run for a while. */
static void test_late(void)
{
	struct hv_guest guest;
	bool ok;

	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	place_vcpu_1(&guest);
	ok = flush(&guest, 1, false);
	ask(&guest);
	place_vcpu_1(&guest);
	ok &= flush(&guest, 1, true);
	hv_guest_destroy(&guest);
	ktap_ok(ok, "L0 serves flushes as soon as the VMM asks for it");
}

/* What L0 is told of a VM. */
static void test_identity(void)
{
	struct count before, since;
	struct hv_guest guest;
	bool ok;

	if (!has_l0) {
		ktap_skip("VmId tells L0 no address of the kernel", "only the rig's L0 tells");
		return;
	}
	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	ask(&guest);
	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	place_vcpu_1(&guest);
	before = count_now(&guest);
	ok = flush(&guest, 1, true);
	hv_guest_wrmsr(&guest.vcpu[0], HV_MSR_GUEST_OS_ID, HV_GUEST_OS);
	ok &= flush(&guest, 1, true);
	since = count_since(&guest, &before);
	if (since.l0.pointers)
		ktap_diag("%llu entries have an address of the kernel as VmId",
			  (unsigned long long)since.l0.pointers);
	hv_guest_destroy(&guest);
	ktap_ok(ok && !since.l0.pointers, "VmId tells L0 no address of the kernel");
}

struct both {
	struct hv_guest guest;
	volatile bool first_asks, second_waits;
};

static void ask_one(struct vcpu *vcpu)
{
	int error = hv_guest_ask(vcpu);

	if (error)
		ktap_bail("KVM_CAP_HYPERV_DIRECT_TLBFLUSH: %s", strerror(error));
}

static void *ask_second(void *arg)
{
	struct both *both = arg;
	struct vcpu *vcpu = &both->guest.vcpu[1];

	/* So that its VMCS is here already, and need not be fetched from the other CPU. */
	run_once(vcpu);
	both->second_waits = true;
	while (!both->first_asks)
		;
	ask_one(vcpu);
	return run_once(vcpu);
}

/* Returns when this CPU has just got its turn: the time, and in @length how long one is. */
static uint64_t own_turn(uint64_t *length)
{
	uint64_t begin = 0, last = __rdtsc(), now;

	for (;;) {
		now = __rdtsc();
		if (now - last > NOT_ONE_LOOP) {
			if (begin) {
				*length = last - begin;
				return now;
			}
			begin = now;
		}
		last = now;
	}
}

/*
 * Two vCPUs ask at once. Where two CPUs of L1 take turns on one of L0's, the first one asks
 * @before_end ticks before its turn ends, so that the second finds it half-way.
 */
static void ask_at_once(uint64_t before_end, bool turns)
{
	struct both both = { .first_asks = false };
	uint64_t begin, length;
	pthread_t thread;

	hv_guest_create(&both.guest, 2, HV_GUEST_AWARE);
	hv_guest_enable_hypercalls(&both.guest.vcpu[0]);
	thread = hv_guest_thread(ask_second, &both);
	while (!both.second_waits)
		sched_yield();
	if (turns) {
		begin = own_turn(&length);
		while (__rdtsc() - begin + before_end < length)
			;
	}
	both.first_asks = true;
	ask_one(&both.guest.vcpu[0]);
	pthread_join(thread, NULL);
	/* L0 sees the page of each vCPU at its entry, on a CPU of its own. */
	run_once(&both.guest.vcpu[0]);
	hv_guest_destroy(&both.guest);
}

static void test_race(void)
{
	struct l0_direct_flush before, after;
	uint64_t before_end = 0;

	if (!has_l0) {
		ktap_skip("vCPUs that ask at once share a partition assist page",
			  "only the rig's L0 tells");
		return;
	}
	l0_direct_flush_read(&before);
	do {
		before_end += RACE_STEP;
		ask_at_once(before_end, true);
		l0_direct_flush_read(&after);
	} while (before_end < RACE_TICKS && after.split == before.split);
	if (after.split != before.split)
		ktap_diag("two pages, when the first asked %llu ticks before the end of its turn",
			  (unsigned long long)before_end);
	ktap_ok(after.split == before.split, "vCPUs that ask at once share a partition assist page");
}

/* L2 and the VMM turn hypercalls on and off, while both vCPUs have run. */
static void test_transitions(void)
{
	struct hv_guest guest;
	struct vcpu *vcpu = &guest.vcpu[0], *other = &guest.vcpu[1];
	bool ok;

	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	ask(&guest);
	place_vcpu_1(&guest);
	hv_guest_enable_hypercalls(vcpu);
	ok = flush(&guest, 2, true);
	ktap_ok(ok, "L0 serves flushes once L2 has enabled hypercalls");

	/* KVM itself goes by the OS id alone, so it still takes this for a flush. */
	hv_guest_disable_hypercalls(vcpu);
	ok = flush(&guest, 2, false);
	hv_guest_wrmsr(vcpu, HV_MSR_HYPERCALL, HV_GUEST_CALL_PAGE | 1);
	ok &= flush(&guest, 2, true);
	ktap_ok(ok, "KVM serves them while L2 has hypercalls disabled");

	/* The other vCPU turns off what this one uses. */
	hv_guest_wrmsr(other, HV_MSR_HYPERCALL, 0);
	ok = flush(&guest, 2, false);
	hv_guest_wrmsr(other, HV_MSR_HYPERCALL, HV_GUEST_CALL_PAGE | 1);
	place_vcpu_1(&guest);
	ok &= flush(&guest, 2, true);
	ktap_ok(ok, "likewise if another vCPU has disabled them");

	/* As a VMM does at a reset. */
	nested_set_msr(vcpu, HV_MSR_HYPERCALL, 0);
	ok = flush(&guest, 2, false);
	nested_set_msr(vcpu, HV_MSR_HYPERCALL, HV_GUEST_CALL_PAGE | 1);
	ok &= flush(&guest, 2, true);
	ktap_ok(ok, "likewise if the VMM has");
	hv_guest_destroy(&guest);
}

/* vCPU 1 is in L2 and stays there, when vCPU 0 turns hypercalls off. */
static void *call_on_and_on(void *vcpu)
{
	hv_guest_order_flush(vcpu, HV_GUEST_CALL, 0, MANY_CALLS);
	hv_guest_order(vcpu)->result = NONE_YET;
	hv_guest_run(vcpu);
	return NULL;
}

static void test_running(void)
{
	volatile struct hv_guest_order *order;
	struct hv_guest guest;
	struct count begin, off, since;
	uint64_t seen_by_kvm;
	pthread_t thread;
	bool ok = true;

	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	ask(&guest);
	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	seen_by_kvm = stats_hypercalls(&guest.vcpu[1]);
	order = hv_guest_order(&guest.vcpu[1]);
	order->result = NONE_YET;
	begin = count_now(&guest);
	thread = hv_guest_thread(call_on_and_on, &guest.vcpu[1]);
	while (order->result == NONE_YET)
		sched_yield();
	hv_guest_disable_hypercalls(&guest.vcpu[0]);
	off = count_now(&guest);
	pthread_join(thread, NULL);
	since = count_since(&guest, &off);
	seen_by_kvm = stats_hypercalls(&guest.vcpu[1]) - seen_by_kvm;
	if (!seen_by_kvm)
		ktap_bail("vCPU 1 had made its %u hypercalls before they were turned off", MANY_CALLS);
	if (has_l0 && off.l0.served == begin.l0.served) {
		ktap_diag("L0 served none of vCPU 1's flushes");
		ok = false;
	}
	if (has_l0 && since.l0.served) {
		ktap_diag("L0 served %llu flushes of a vCPU after another one had turned them off",
			  (unsigned long long)since.l0.served);
		ok = false;
	}
	hv_guest_destroy(&guest);
	ktap_ok(ok, "a vCPU that is in L2 meanwhile does not run on by the old decision");
}

/* With what L2 sees, and whether the VMM asks, does L0 serve a flush? */
static void test_rule(void)
{
	static const struct {
		const char *name;
		unsigned int cpuid;
		bool asks;
	} cases[] = {
		{ "the VMM does not ask", HV_GUEST_AWARE, false },
		{ "L2 sees KVM beside Hyper-V", HV_GUEST_AWARE | HV_GUEST_KVM, true },
		{ "L2 is not told of flush hypercalls", HV_GUEST_HYPERV, true },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct hv_guest guest;
		bool ok;

		hv_guest_create(&guest, 2, cases[i].cpuid);
		if (cases[i].asks)
			ask(&guest);
		hv_guest_enable_hypercalls(&guest.vcpu[0]);
		place_vcpu_1(&guest);
		ok = flush(&guest, 2, false);
		hv_guest_destroy(&guest);
		ktap_ok(ok, "KVM serves flushes: %s", cases[i].name);
	}
}

/* One flush of all processors; EAX has the bit that keeps it from being a Xen hypercall. */
static bool flush_all(struct hv_guest *guest, bool direct)
{
	struct count before = count_now(guest), since;

	hv_guest_order_flush(&guest->vcpu[0], HV_GUEST_CALL, HV_GUEST_FORM_ALL, 1);
	hv_guest_order(&guest->vcpu[0])->rax = 0x80000000;
	hv_guest_run(&guest->vcpu[0]);
	since = count_since(guest, &before);
	return call_succeeded(guest) & served(&since, 1, direct);
}

/* The VMM has KVM handle Xen hypercalls, and no longer. */
static void test_xen(void)
{
	struct kvm_xen_hvm_config xen = { .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
					  .msr = 0x40000200 };
	struct kvm_xen_hvm_config no_xen = { .flags = 0 };
	const char *name = "KVM serves flushes while it handles Xen hypercalls";
	struct hv_guest guest;
	bool ok;

	hv_guest_create(&guest, 1, HV_GUEST_AWARE);
	ask(&guest);
	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	ok = flush_all(&guest, true);
	if (ioctl(guest.vm.fd, KVM_XEN_HVM_CONFIG, &xen)) {
		ktap_skip(name, "KVM_XEN_HVM_CONFIG: %s; KVM is built without Xen", strerror(errno));
	} else {
		ok &= flush_all(&guest, false);
		vm_ioctl(guest.vm.fd, KVM_XEN_HVM_CONFIG, &no_xen);
		ok &= flush_all(&guest, true);
		ktap_ok(ok, name);
	}
	hv_guest_destroy(&guest);
}

#define KVM_CALLS	(ARRAY_SIZE(kvm_calls) * ARRAY_SIZE(flush_codes) * ARRAY_SIZE(above_codes))

/*
 * L2 makes every hypercall of KVM's with everything in RCX that Hyper-V's convention reads
 * as a flush, each bit of @and_set set as well.
 */
static void make_kvm_calls(struct hv_guest *guest, uint64_t and_set, uint64_t *results)
{
	struct hv_guest_order *order = hv_guest_order(&guest->vcpu[0]);
	struct hv_guest_call *calls = vm_at(&guest->vm, HV_GUEST_LIST);
	unsigned int n = 0;

	for (unsigned int call = 0; call < ARRAY_SIZE(kvm_calls); call++) {
		for (unsigned int code = 0; code < ARRAY_SIZE(flush_codes); code++) {
			for (unsigned int above = 0; above < ARRAY_SIZE(above_codes); above++, n++) {
				calls[n].rax = kvm_calls[call];
				calls[n].rcx = flush_codes[code] | above_codes[above] | and_set;
			}
		}
	}
	order->op = HV_GUEST_CALLS;
	order->count = n;
	hv_guest_run(&guest->vcpu[0]);
	while (n--)
		results[n] = calls[n].result;
}

/*
 * KVM answers them. What it answers does not matter, but L2 gets the same as with a call
 * code that L0 does not know.
 */
static bool kvm_answers(struct hv_guest *guest)
{
	const struct hv_guest_call *calls = vm_at(&guest->vm, HV_GUEST_LIST);
	uint64_t expected[KVM_CALLS], found[KVM_CALLS];
	bool ok = true;

	make_kvm_calls(guest, 0x8000, expected);
	make_kvm_calls(guest, 0, found);
	for (unsigned int i = 0; i < KVM_CALLS && ok; i++) {
		ok = found[i] == expected[i];
		if (!ok)
			ktap_diag("KVM's hypercall %llu with RCX %#llx: result %#llx, not %#llx",
				  (unsigned long long)calls[i].rax, (unsigned long long)calls[i].rcx,
				  (unsigned long long)found[i], (unsigned long long)expected[i]);
	}
	return ok;
}

static void test_kvm_calls(void)
{
	static const struct {
		const char *name;
		unsigned int cpuid;
	} cases[] = {
		{ "L2 sees KVM", HV_GUEST_KVM },
		{ "L2 sees KVM beside Hyper-V", HV_GUEST_AWARE | HV_GUEST_KVM },
		{ "L2 sees Hyper-V and has not enabled its hypercalls", HV_GUEST_AWARE },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct count before, since;
		struct hv_guest guest;
		bool ok;

		/* The second vCPU is there so that the first one's VMCS is loaded anew. */
		hv_guest_create(&guest, 2, cases[i].cpuid);
		ask(&guest);
		before = count_now(&guest);
		ok = kvm_answers(&guest);
		since = count_since(&guest, &before);
		ok &= since.hypercalls == 2 * KVM_CALLS && !since.l0.served;
		ktap_diag("KVM saw %llu of %zu hypercalls, L0 served %llu",
			  (unsigned long long)since.hypercalls, 2 * KVM_CALLS,
			  (unsigned long long)since.l0.served);
		hv_guest_destroy(&guest);
		ktap_ok(ok, "KVM's hypercalls are KVM's: %s", cases[i].name);
	}
}

/* A record for the bench, and the check that L1 is not woken. */
static void test_exits(void)
{
	for (unsigned int direct = 0; direct < 2; direct++) {
		struct l0_counts by_reason = { 0 };
		struct count before, since;
		struct hv_guest guest;
		uint64_t ticks;
		bool ok;

		hv_guest_create(&guest, 2, HV_GUEST_AWARE);
		if (direct)
			ask(&guest);
		hv_guest_enable_hypercalls(&guest.vcpu[0]);
		place_vcpu_1(&guest);
		flush(&guest, 1, direct);
		hv_guest_order_flush(&guest.vcpu[0], HV_GUEST_CALL, 0, CALLS);
		before = count_now(&guest);
		if (has_l0)
			l0_count_start();
		ticks = __rdtsc();
		hv_guest_run(&guest.vcpu[0]);
		ticks = __rdtsc() - ticks;
		if (has_l0)
			l0_count_stop(direct ? "direct" : "off", &by_reason);
		since = count_since(&guest, &before);
		/* The last exit of L1 is L2's word that it is done. */
		ktap_diag("direct-flush %s flushes %u l1_exits %llu hypercalls %llu ticks %llu vmcall %llu vmresume %llu",
			  direct ? "on" : "off", CALLS, (unsigned long long)since.exits - 1,
			  (unsigned long long)since.hypercalls, (unsigned long long)ticks,
			  (unsigned long long)by_reason.hits[L0_VMCALL],
			  (unsigned long long)by_reason.hits[L0_VMRESUME]);
		ok = call_succeeded(&guest) & served(&since, CALLS, direct);
		hv_guest_destroy(&guest);
		ktap_ok(ok, direct ? "no flush wakes L1" : "each flush wakes L1 where the VMM does not ask");
	}
}

static const struct test {
	const char *key;
	unsigned int cpus, cases;
	void (*run)(void);
} tests[] = {
	{ "first-entry", 2, 1, test_first_entry },
	{ "late", 2, 1, test_late },
	{ "identity", 2, 1, test_identity },
	{ "race", 2, 1, test_race },
	{ "transitions", 2, 4, test_transitions },
	{ "running", 2, 1, test_running },
	{ "rule", 2, 3, test_rule },
	{ "xen", 1, 1, test_xen },
	{ "kvm-calls", 1, 3, test_kvm_calls },
	{ "exits", 2, 2, test_exits },
};

static bool chosen(const struct test *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], test->key))
			return true;
	}
	return argc < 2;
}

int main(int argc, char **argv)
{
	unsigned int planned = 0, known = 0, cpus = 1;
	struct l0_direct_flush counters;
	const char *why, *skip;

	for (unsigned int i = 0; i < ARRAY_SIZE(tests); i++) {
		bool run = chosen(&tests[i], argc, argv);

		known += run;
		planned += run ? tests[i].cases : 0;
		if (run && tests[i].cpus > cpus)
			cpus = tests[i].cpus;
	}
	if (!known || (argc > 1 && known != (unsigned int)argc - 1))
		ktap_bail("usage: %s [first-entry|late|identity|race|transitions|running|rule|xen|kvm-calls|exits]...",
			  argv[0]);
	ktap_plan(planned);
	skip = hv_guest_no_direct_flush(cpus);
	if (skip) {
		ktap_skip_rest("%s", skip);
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	has_l0 = l0_open(&why) && !l0_direct_flush_read(&counters);
	if (!has_l0)
		ktap_diag("L0's counts are not checked: L0 does not tell them");
	hv_guest_pin_to_cpu_0();
	for (unsigned int i = 0; i < ARRAY_SIZE(tests); i++) {
		if (chosen(&tests[i], argc, argv))
			tests[i].run();
	}
	return ktap_exit();
}
