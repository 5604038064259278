// SPDX-License-Identifier: GPL-2.0-only
/* hv_flush.c: see hv_flush.h. */
#include "hv_flush.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"
#include "stats.h"

#define HANG_SECONDS	60

bool hv_flush_l0;

struct hv_flush_count hv_flush_now(struct hv_guest *guest)
{
	struct hv_flush_count now = {
		.hypercalls = stats_hypercalls(&guest->vcpu[0]),
		.exits = stats_exits(&guest->vcpu[0]),
	};

	if (hv_flush_l0)
		l0_direct_flush_read(&now.l0);
	return now;
}

struct hv_flush_count hv_flush_since(struct hv_guest *guest, const struct hv_flush_count *then)
{
	struct hv_flush_count now = hv_flush_now(guest);

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

static void say(const struct hv_flush_count *since, unsigned int flushes)
{
	ktap_diag("%u flushes: KVM saw %llu; L0 served %llu, for %llu processors, found %llu, missed %llu",
		  flushes, (unsigned long long)since->hypercalls,
		  (unsigned long long)since->l0.served, (unsigned long long)since->l0.named,
		  (unsigned long long)since->l0.matched, (unsigned long long)since->l0.missed);
}

bool hv_flush_found(const struct hv_flush_count *since, unsigned int served, unsigned int matched)
{
	if (!since->hypercalls &&
	    (!hv_flush_l0 || (since->l0.served == served && since->l0.matched == matched &&
			      !since->l0.missed)))
		return true;
	say(since, served);
	return false;
}

bool hv_flush_served(const struct hv_flush_count *since, unsigned int flushes, bool direct)
{
	unsigned int by_l0 = direct ? flushes : 0;

	if (since->hypercalls == flushes - by_l0 &&
	    (!hv_flush_l0 || (since->l0.served == by_l0 && since->l0.named >= by_l0 &&
			      since->l0.matched == since->l0.named && !since->l0.missed)))
		return true;
	say(since, flushes);
	return false;
}

bool hv_flush_succeeded(struct hv_guest *guest)
{
	uint64_t result = hv_guest_order(&guest->vcpu[0])->result;

	if (!HV_STATUS(result))
		return true;
	ktap_diag("the hypercall's result is %#llx", (unsigned long long)result);
	return false;
}

void hv_flush_ask_for(struct vcpu *vcpu)
{
	int error = hv_guest_ask(vcpu);

	if (error)
		ktap_bail("KVM_CAP_HYPERV_DIRECT_TLBFLUSH: %s", strerror(error));
}

void hv_flush_ask(struct hv_guest *guest)
{
	for (unsigned int i = 0; i < guest->vcpus; i++)
		hv_flush_ask_for(&guest->vcpu[i]);
}

static bool flush(struct hv_guest *guest, enum hv_guest_op op, unsigned int form,
		  unsigned int calls, bool direct)
{
	struct hv_flush_count before = hv_flush_now(guest), since;

	hv_guest_order_flush(&guest->vcpu[0], op, form, calls);
	hv_guest_run(&guest->vcpu[0]);
	since = hv_flush_since(guest, &before);
	if (hv_flush_succeeded(guest) && hv_flush_served(&since, calls, direct))
		return true;
	ktap_diag("form: %s", hv_guest_forms[form]);
	return false;
}

bool hv_flush(struct hv_guest *guest, unsigned int calls, bool direct)
{
	return flush(guest, HV_GUEST_CALL, 0, calls, direct);
}

bool hv_flush_watched(struct hv_guest *guest, unsigned int form, unsigned int rounds, bool direct)
{
	return flush(guest, HV_GUEST_REMAP, form, rounds, direct);
}

void *hv_flush_run_once(void *vcpu)
{
	hv_guest_order(vcpu)->op = HV_GUEST_NOTHING;
	hv_guest_run(vcpu);
	return NULL;
}

void hv_flush_place_vcpu_1(struct hv_guest *guest)
{
	pthread_join(hv_guest_thread(hv_flush_run_once, &guest->vcpu[1]), NULL);
}

static bool chosen(const struct hv_flush_test *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], test->key))
			return true;
	}
	return argc < 2 && !test->not_by_default;
}

static void usage(const struct hv_flush_test *tests, unsigned int count, const char *program)
{
	fprintf(stderr, "usage: %s [CASE...]; there are:", program);
	for (unsigned int i = 0; i < count; i++)
		fprintf(stderr, " %s", tests[i].key);
	fputc('\n', stderr);
}

int hv_flush_main(const struct hv_flush_test *tests, unsigned int count, int argc, char **argv)
{
	unsigned int cases = 0, named = 0, cpus = 1;
	struct l0_direct_flush counters;
	const char *why;

	for (unsigned int i = 0; i < count; i++) {
		if (!chosen(&tests[i], argc, argv))
			continue;
		named++;
		cases += tests[i].cases;
		if (tests[i].cpus > cpus)
			cpus = tests[i].cpus;
	}
	if (argc > 1 && named != (unsigned int)argc - 1) {
		usage(tests, count, argv[0]);
		return KTAP_EXIT_ERROR;
	}
	ktap_plan(cases);
	why = hv_guest_no_direct_flush(cpus);
	if (why) {
		ktap_skip_rest("%s", why);
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	hv_flush_l0 = l0_open(&why) && !l0_direct_flush_read(&counters);
	if (!hv_flush_l0)
		ktap_diag("L0's counts are not checked: L0 does not tell them");
	hv_guest_pin_to_cpu_0();
	for (unsigned int i = 0; i < count; i++) {
		if (chosen(&tests[i], argc, argv))
			tests[i].run();
	}
	return ktap_exit();
}
