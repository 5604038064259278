// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct_flush_rule: when L0 may serve the flushes of L2, and when no longer.
 *
 *	direct_flush_rule [CASE...]	transitions, running, shown, xen, kvm-calls; default: all
 *
 * Proved: L0 serves nothing before L2 has enabled hypercalls, nor after it has disabled them,
 * nor when the VMM resets them, and a vCPU that is in L2 meanwhile does not go on; an L2 that
 * knows KVM, or was not told of flush hypercalls, or whose VMM did not ask, has its
 * hypercalls served by KVM, likewise one whose Xen hypercalls KVM handles; and no hypercall
 * of KVM's is taken for a flush, whatever is in its registers.
 *
 * Broken by: a rule that is not looked at when one of its facts changes; a vCPU that runs on
 * by the old decision.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/hv_flush.h"
#include "lib/ktap.h"
#include "lib/nested.h"
#include "lib/stats.h"

#define MANY_CALLS	400	/* that take longer than to turn them off */
#define NONE_YET	0xffff

/* KVM's hypercalls (Documentation/virt/kvm/x86/hypercalls.rst) */
static const uint64_t kvm_calls[] = { 1, 5, 9, 10, 11, 12 };

static const uint16_t flush_codes[] = {
	HV_FLUSH_SPACE, HV_FLUSH_LIST, HV_FLUSH_SPACE_EX, HV_FLUSH_LIST_EX,
};

/* Above the call code: nothing, fast, repeats, a set, an address, all ones. */
static const uint64_t above_codes[] = {
	0, HV_FAST, HV_REPEAT(1), HV_VARIABLE(1), 0xffff888000000000, 0xffffffffffff0000,
};

/* L2 and the VMM turn hypercalls on and off, while both vCPUs have run. */
static void test_transitions(void)
{
	struct hv_guest guest;
	struct vcpu *vcpu = &guest.vcpu[0], *other = &guest.vcpu[1];
	bool ok;

	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	hv_flush_ask(&guest);
	hv_flush_place_vcpu_1(&guest);
	hv_guest_enable_hypercalls(vcpu);
	ok = hv_flush(&guest, 2, true);
	ktap_ok(ok, "L0 serves flushes once L2 has enabled hypercalls");

	/* KVM itself goes by the OS id alone, so it still takes this for a flush. */
	hv_guest_disable_hypercalls(vcpu);
	ok = hv_flush(&guest, 2, false);
	hv_guest_wrmsr(vcpu, HV_MSR_HYPERCALL, HV_GUEST_CALL_PAGE | 1);
	ok &= hv_flush(&guest, 2, true);
	ktap_ok(ok, "KVM serves them while L2 has hypercalls disabled");

	/* The other vCPU turns off what this one uses. */
	hv_guest_wrmsr(other, HV_MSR_HYPERCALL, 0);
	ok = hv_flush(&guest, 2, false);
	hv_guest_wrmsr(other, HV_MSR_HYPERCALL, HV_GUEST_CALL_PAGE | 1);
	hv_flush_place_vcpu_1(&guest);
	ok &= hv_flush(&guest, 2, true);
	ktap_ok(ok, "likewise if another vCPU has disabled them");

	/* As a VMM does at a reset. */
	nested_set_msr(vcpu, HV_MSR_HYPERCALL, 0);
	ok = hv_flush(&guest, 2, false);
	nested_set_msr(vcpu, HV_MSR_HYPERCALL, HV_GUEST_CALL_PAGE | 1);
	ok &= hv_flush(&guest, 2, true);
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
	struct hv_flush_count begin, off, since;
	uint64_t seen_by_kvm;
	pthread_t thread;
	bool ok = true;

	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	hv_flush_ask(&guest);
	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	seen_by_kvm = stats_hypercalls(&guest.vcpu[1]);
	order = hv_guest_order(&guest.vcpu[1]);
	order->result = NONE_YET;
	begin = hv_flush_now(&guest);
	thread = hv_guest_thread(call_on_and_on, &guest.vcpu[1]);
	while (order->result == NONE_YET)
		sched_yield();
	hv_guest_disable_hypercalls(&guest.vcpu[0]);
	off = hv_flush_now(&guest);
	pthread_join(thread, NULL);
	since = hv_flush_since(&guest, &off);
	seen_by_kvm = stats_hypercalls(&guest.vcpu[1]) - seen_by_kvm;
	if (!seen_by_kvm)
		ktap_bail("vCPU 1 had made its %u hypercalls before they were turned off", MANY_CALLS);
	if (hv_flush_l0 && off.l0.served == begin.l0.served) {
		ktap_diag("L0 served none of vCPU 1's flushes");
		ok = false;
	}
	if (hv_flush_l0 && since.l0.served) {
		ktap_diag("L0 served %llu flushes of a vCPU after another one had turned them off",
			  (unsigned long long)since.l0.served);
		ok = false;
	}
	hv_guest_destroy(&guest);
	ktap_ok(ok, "a vCPU that is in L2 meanwhile does not run on by the old decision");
}

/* With what L2 sees, and whether the VMM asks, does L0 serve a flush? */
static void test_shown(void)
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
			hv_flush_ask(&guest);
		hv_guest_enable_hypercalls(&guest.vcpu[0]);
		hv_flush_place_vcpu_1(&guest);
		ok = hv_flush(&guest, 2, false);
		hv_guest_destroy(&guest);
		ktap_ok(ok, "KVM serves flushes: %s", cases[i].name);
	}
}

/* One flush of all processors; EAX has the bit that keeps it from being a Xen hypercall. */
static bool flush_all(struct hv_guest *guest, bool direct)
{
	struct hv_flush_count before = hv_flush_now(guest), since;

	hv_guest_order_flush(&guest->vcpu[0], HV_GUEST_CALL, HV_GUEST_FORM_ALL, 1);
	hv_guest_order(&guest->vcpu[0])->rax = 0x80000000;
	hv_guest_run(&guest->vcpu[0]);
	since = hv_flush_since(guest, &before);
	return hv_flush_succeeded(guest) && hv_flush_served(&since, 1, direct);
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
	hv_flush_ask(&guest);
	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	ok = flush_all(&guest, true);
	if (ioctl(guest.vm.fd, KVM_XEN_HVM_CONFIG, &xen)) {
		ktap_skip(name, "KVM_XEN_HVM_CONFIG: %s; KVM is built without Xen", strerror(errno));
	} else {
		ok &= flush_all(&guest, false);
		vm_ioctl(guest.vm.fd, KVM_XEN_HVM_CONFIG, &no_xen);
		ok &= flush_all(&guest, true);
		ktap_ok(ok, "%s", name);
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
		struct hv_flush_count before, since;
		struct hv_guest guest;
		bool ok;

		/* The second vCPU is there so that the first one's VMCS is loaded anew. */
		hv_guest_create(&guest, 2, cases[i].cpuid);
		hv_flush_ask(&guest);
		before = hv_flush_now(&guest);
		ok = kvm_answers(&guest);
		since = hv_flush_since(&guest, &before);
		ok &= since.hypercalls == 2 * KVM_CALLS && !since.l0.served;
		ktap_diag("KVM saw %llu of %zu hypercalls, L0 served %llu",
			  (unsigned long long)since.hypercalls, 2 * KVM_CALLS,
			  (unsigned long long)since.l0.served);
		hv_guest_destroy(&guest);
		ktap_ok(ok, "KVM's hypercalls are KVM's: %s", cases[i].name);
	}
}

static const struct hv_flush_test tests[] = {
	{ "transitions", 2, 4, test_transitions, false },
	{ "running", 2, 1, test_running, false },
	{ "shown", 2, 3, test_shown, false },
	{ "xen", 1, 1, test_xen, false },
	{ "kvm-calls", 1, 3, test_kvm_calls, false },
};

int main(int argc, char **argv)
{
	return hv_flush_main(tests, ARRAY_SIZE(tests), argc, argv);
}
