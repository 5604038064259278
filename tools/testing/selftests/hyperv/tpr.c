// SPDX-License-Identifier: GPL-2.0-only
/*
 * tpr: L2's task priority, in CR8 and in its local APIC, holds interrupts back.
 *
 *	tpr [PART]	new-xapic, new-x2apic: vCPUs that have not used CR8; used-xapic,
 *			used-x2apic: one that has; mode: L2 changes it; pauses: L2 forgets CR8
 *			and uses it again; default: all
 *
 * KVM gives L2 a TPR shadow, in which CR8 needs no exit, or it does not and each access
 * exits; our modules change between both as L2 uses CR8 or not. L2 executes scripts
 * (lib/script.h), in xAPIC and in x2APIC mode: on new vCPUs, whose very first access
 * meets a pending interrupt, and on vCPUs that have used CR8 before.
 *
 * Proved: an interrupt is delivered if and only if its class is above that of TPR, at
 * the instruction that lets it through, the highest first; CR8, TPR, PPR and what the
 * VMM sees agree; invalid values fault and change nothing; all of this through pauses in
 * which L2 does not use CR8, the move to x2APIC mode, INIT, and to another VM.
 *
 * Broken by: a TPR threshold that is not written when the shadow goes on, or stale when
 * it goes off; an interrupt that is not looked at again when CR8 lets it through; a value
 * written to CR8 that KVM checks less well than the processor does.
 */
#include <string.h>
#include <unistd.h>

#include "lib/evmcs.h"
#include "lib/ktap.h"
#include "lib/script.h"
#include "lib/stats.h"

#define ALL_CLASSES	0xfffe

/* After so many accesses KVM holds CR8 for used, and after so long for forgotten. */
#define WARM		50
#define FORGOTTEN_US	2200000

static const char *mode;	/* of the APIC, for the names of cases */

static bool use_cr8(struct script *script)
{
	for (unsigned int i = 0; i < WARM; i++) {
		script_add(script, SCRIPT_SET_CR8, i % 16);
		script_add(script, SCRIPT_GET_CR8, 0);
	}
	script_add(script, SCRIPT_SET_CR8, 0);
	return script_run(script);
}

/* @warm: L2 has used CR8 before. */
static void create(struct script *script, bool warm)
{
	script_create(script, !strcmp(mode, "x2APIC"));
	if (warm && !use_cr8(script))
		ktap_diag("CR8 does not work at all");
}

/*
 * All classes are pending behind the VMM's TPR, of which L2 knows nothing: CPUID lets
 * through what is above. Then comes L2's very first access, and TPR goes down to 0.
 */
static bool first_access_is_right(const struct script_step *first, uint8_t tpr)
{
	struct script script;
	bool ok;

	create(&script, false);
	script_set_apic(&script, tpr, ALL_CLASSES);
	script_add(&script, SCRIPT_CPUID, 1);
	ok = script_run(&script);
	script_add(&script, first->what, first->value);
	script_add(&script, SCRIPT_CPUID, 1);
	script_add(&script, SCRIPT_GET_CR8, 0);
	for (int cr8 = 14; cr8 >= 0; cr8--)
		script_add(&script, SCRIPT_SET_CR8, cr8);
	ok &= script_run(&script);
	script_destroy(&script);
	if (!ok)
		ktap_diag("TPR %#x, first operation %d", tpr, (int)first->what);
	return ok;
}

static void check_first_access(void)
{
	static const struct script_step first[] = {
		{ SCRIPT_GET_CR8, 0 }, { SCRIPT_SET_CR8, 0 }, { SCRIPT_SET_CR8, 15 },
		{ SCRIPT_GET_TPR, 0 }, { SCRIPT_SET_TPR, 0x13 }, { SCRIPT_SET_CR8, 6 },
	};
	bool ok = true;

	for (unsigned int i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		ok &= first_access_is_right(&first[i], 0xb5 - i * 0x15);
	ktap_ok(ok, "%s: interrupts are pending at the first access", mode);
}

/* Each class alone against each CR8. */
static void check_each_pair(struct script *script)
{
	bool ok = true;

	for (unsigned int cr8 = 0; cr8 < 16 && ok; cr8++) {
		for (unsigned int class = 1; class < 16; class++) {
			script_add(script, SCRIPT_SET_CR8, cr8);
			script_add(script, SCRIPT_IPI, script_vector(class, cr8));
			script_add(script, SCRIPT_GET_CR8, 0);
			script_add(script, SCRIPT_SET_CR8, class);
			script_add(script, SCRIPT_SET_CR8, class - 1);
			script_add(script, SCRIPT_GET_CR8, 0);
		}
		ok = script_run(script);
	}
	ktap_ok(ok, "%s: each class of interrupt against each CR8", mode);
}

/* All classes at once, sent in no order, behind CR8 15; handlers as @flags say. */
static void check_order(struct script *script, unsigned int flags, const char *name)
{
	bool ok = true;

	script_set_apic(script, 0, 0);
	script->flags = flags;
	for (unsigned int cr8 = 1; cr8 < 16 && ok; cr8 += 4) {
		script_add(script, SCRIPT_SET_CR8, 15);
		for (unsigned int i = 0; i < 15; i++)
			script_add(script, SCRIPT_IPI, script_vector(1 + i * 7 % 15, cr8));
		script_add(script, SCRIPT_SET_CR8, cr8);
		script_add(script, SCRIPT_GET_CR8, 0);
		script_add(script, SCRIPT_SET_CR8, cr8 / 2);
		script_add(script, SCRIPT_GET_CR8, 0);
		script_add(script, SCRIPT_SET_CR8, 0);
		ok = script_run(script);
	}
	script->flags = 0;
	ktap_ok(ok, "%s: %s", mode, name);
}

/* CR8 has no low half of TPR: it clears it, and does not show it. */
static void check_agree(struct script *script)
{
	bool ok = true;

	script_set_apic(script, 0, 0);
	for (unsigned int i = 0; i < 16 && ok; i++) {
		script_add(script, SCRIPT_SET_TPR, i * 0x4d % 256);
		script_add(script, SCRIPT_GET_CR8, 0);
		script_add(script, SCRIPT_GET_TPR, 0);
		script_add(script, SCRIPT_GET_PPR, 0);
		script_add(script, SCRIPT_IPI, script_vector(9, i));
		script_add(script, SCRIPT_SET_CR8, i);
		script_add(script, SCRIPT_GET_TPR, 0);
		script_add(script, SCRIPT_GET_PPR, 0);
		script_add(script, SCRIPT_GET_CR8, 0);
		ok = script_run(script);
	}
	ktap_ok(ok, "%s: CR8, TPR and PPR agree", mode);
}

/* Bad values change nothing: the interrupt of class 8 comes with CR8 7 and no sooner. */
static bool bad_value_faults(struct script *script, enum script_op op, uint64_t value)
{
	bool ok;

	script_set_apic(script, 0x85, 1 << 8);
	script_add(script, op, value);
	script_add(script, SCRIPT_CPUID, 1);
	script_add(script, SCRIPT_GET_TPR, 0);
	script_add(script, SCRIPT_GET_CR8, 0);
	script_add(script, op, value);
	script_add(script, SCRIPT_SET_CR8, 7);
	ok = script_run(script);
	if (!ok)
		ktap_diag("%s %#llx", op == SCRIPT_SET_CR8 ? "CR8" : "TPR",
			  (unsigned long long)value);
	return ok;
}

static void check_bad_values(struct script *warm)
{
	static const uint64_t bad[] = { 0x10, 0x80, 0x100, 0x8000000000000003, ~0ull };
	const char *by_msr = "a bad value for TPR's MSR faults";
	bool ok = true;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok &= bad_value_faults(warm, SCRIPT_SET_CR8, bad[i]);
	ktap_ok(ok, "%s: a bad value for CR8 faults", mode);
	if (!warm->model.x2apic)
		ktap_skip(by_msr, "TPR is no MSR in xAPIC mode");
	else
		ktap_ok(bad_value_faults(warm, SCRIPT_SET_TPR, 0x120), "%s", by_msr);
}

static void check_first_bad_value(enum script_op op, const char *name)
{
	static const uint64_t bad[] = { 0x101, 0x1000000000000000, 0x16 };
	bool ok = true;

	for (unsigned int i = 0; i < (op == SCRIPT_SET_CR8 ? 3 : 1); i++) {
		struct script script;

		create(&script, false);
		ok &= bad_value_faults(&script, op, bad[i]);
		script_destroy(&script);
	}
	ktap_ok(ok, "%s: %s, at the first access", mode, name);
}

/* The VMM's ways to L2's CR8. */
static void check_vmm(struct script *script)
{
	bool ok = true;

	script_set_apic(script, 0, 0);
	for (unsigned int i = 0; i < 16 && ok; i++) {
		struct kvm_sregs sregs;

		/* Up by sregs, with one pending below and one above. */
		vm_ioctl(script->vcpu.fd, KVM_GET_SREGS, &sregs);
		sregs.cr8 = i;
		vm_ioctl(script->vcpu.fd, KVM_SET_SREGS, &sregs);
		script->model.tpr = i << 4;
		script_send(script, script_vector(i ? i : 1, i));
		script_send(script, script_vector(i < 15 ? i + 1 : 15, i));
		script_add(script, SCRIPT_CPUID, 1);
		ok = script_run(script);
		/* And down by the APIC's state. */
		script_set_apic(script, 0, 1 << 4);
		ok &= script_run(script);
		if (i & 2)
			script_add(script, SCRIPT_GET_CR8, 0);
		if (i & 4)
			script_add(script, SCRIPT_SET_CR8, 14);
		ok &= script_run(script);
	}
	ktap_ok(ok, "%s: the VMM writes CR8 and the APIC", mode);
}

/* To another VM, with interrupts pending; CR8 was used before, or not. */
static void check_migration(bool warm)
{
	struct script script;
	bool ok;

	create(&script, warm);
	script_set_apic(&script, 0xb7, ALL_CLASSES);
	ok = script_run(&script);
	for (unsigned int cr8 = 10; cr8 > 8; cr8--) {
		script_migrate(&script);
		script_add(&script, SCRIPT_GET_TPR, 0);
		script_add(&script, SCRIPT_CPUID, 1);
		script_add(&script, SCRIPT_SET_CR8, cr8);
		script_add(&script, SCRIPT_GET_CR8, 0);
		ok &= script_run(&script);
	}
	ktap_ok(ok, "%s: to another VM, L2's use of CR8 %s", mode, warm ? "going on" : "beginning");
	script_destroy(&script);
}

static void check_init(struct script *script)
{
	bool ok = true;

	script_set_apic(script, 0, 0);
	for (unsigned int i = 0; i < 4 && ok; i++) {
		script_add(script, SCRIPT_SET_CR8, 10);
		script_add(script, SCRIPT_IPI, script_vector(9, i));
		ok = script_run(script);
		ok &= script_init(script);
		script_add(script, SCRIPT_IPI, script_vector(1, i));
		if (i & 1)
			script_add(script, SCRIPT_GET_CR8, 0);
		ok &= script_run(script);
	}
	ktap_ok(ok, "%s: INIT", mode);
}

/* L2 itself changes the mode, with interrupts pending; @warm: it has used CR8 before. */
static void check_mode_change(bool warm)
{
	bool ok = true;

	mode = "xAPIC";
	for (unsigned int tpr = 0xa1; tpr < 0xa3; tpr++) {
		struct script script;

		create(&script, warm);
		script_set_apic(&script, tpr, 0x0ff0);
		if (tpr & 1)
			script_add(&script, SCRIPT_SET_TPR, 0xa7);
		script_add(&script, SCRIPT_X2APIC, 0);
		if (tpr & 2)
			script_add(&script, SCRIPT_GET_TPR, 0);
		script_add(&script, SCRIPT_SET_CR8, 8);
		script_add(&script, SCRIPT_SET_TPR, 0x72);
		script_add(&script, SCRIPT_GET_CR8, 0);
		script_add(&script, SCRIPT_GET_PPR, 0);
		script_add(&script, SCRIPT_SET_CR8, 5);
		ok &= script_run(&script);
		script_add(&script, SCRIPT_SET_TPR, 0);
		ok &= script_run(&script);
		script_destroy(&script);
	}
	ktap_ok(ok, "L2 goes to x2APIC mode, its use of CR8 %s", warm ? "going on" : "beginning");
}

/* L2 reads CR8 @n times; returns the exits that makes. */
static int64_t exits_of(struct script *script, unsigned int n)
{
	uint64_t exits = stats_exits(&script->vcpu);

	for (unsigned int i = 0; i < n; i++)
		script_add(script, SCRIPT_GET_CR8, 0);
	script_run(script);
	/* The end of the script is one, too. */
	return stats_exits(&script->vcpu) - exits - 1;
}

/*
 * L2 gets interrupts without a look at CR8, then uses it again, where one is left that
 * the TPR of its last use holds back.
 */
static bool used_again(struct script *script)
{
	bool ok;

	for (unsigned int n = 0; n < 20; n++) {
		script_add(script, SCRIPT_IPI, script_vector(6 + n % 10, n));
		script_add(script, SCRIPT_CPUID, 1);
	}
	ok = script_run(script);
	script_send(script, script_vector(3, 0));
	ok &= script_run(script);
	for (unsigned int cr8 = 5; cr8 > 1; cr8--)
		script_add(script, SCRIPT_SET_CR8, cr8 - 1);
	ok &= script_run(script);
	script_add(script, SCRIPT_SET_CR8, 0);
	ok &= script_run(script);
	return ok && use_cr8(script);
}

/*
 * The APIC goes off by software, so that no event is looked at any more, and what the
 * last use of CR8 left behind stays. CR8 works all the time.
 */
static bool works_without_apic(struct script *script)
{
	bool ok;

	script_send(script, script_vector(9, 0));
	ok = script_run(script);
	script_set_apic(script, 0, 0);
	script_add(script, SCRIPT_APIC_OFF, 0);
	script_add(script, SCRIPT_GET_CR8, 0);
	script_add(script, SCRIPT_SET_CR8, 3);
	script_add(script, SCRIPT_CPUID, 1);
	script_add(script, SCRIPT_SET_CR8, 0);
	script_add(script, SCRIPT_GET_CR8, 0);
	ok &= script_run(script);
	script_set_apic(script, 0, 0);
	return ok && use_cr8(script);
}

/*
 * VMs that use CR8, forget it, and use it again. They wait together, to save time.
 * The number of exits tells if the other cases have seen what they are for.
 */
static void check_pauses(void)
{
	const char *exits = "CR8 exits at the first access and after a pause";
	struct script xapic, x2apic, counted, without;
	int64_t first, second, again, last;
	char state[32];
	bool ok, x2ok;

	mode = "xAPIC";
	create(&xapic, true);
	script_set_apic(&xapic, 0x50, 1 << 5 | 1 << 4);
	ok = script_run(&xapic);
	create(&without, true);
	script_set_apic(&without, 0x80, 1 << 5);
	ok &= script_run(&without);
	create(&counted, false);
	/* L2 touches all pages once, since that exits too. */
	script_send(&counted, script_vector(5, 0));
	script_run(&counted);
	first = exits_of(&counted, 1);
	second = exits_of(&counted, 100);
	mode = "x2APIC";
	create(&x2apic, true);
	script_set_apic(&x2apic, 0x50, 1 << 5 | 1 << 4);
	x2ok = script_run(&x2apic);

	usleep(FORGOTTEN_US);
	ktap_ok(used_again(&xapic) && ok, "xAPIC: CR8 is used, forgotten, and used again");
	ktap_ok(used_again(&x2apic) && x2ok, "x2APIC: CR8 is used, forgotten, and used again");
	script_send(&counted, script_vector(5, 0));
	script_run(&counted);
	again = exits_of(&counted, 1);
	last = exits_of(&counted, 100);
	ktap_diag("first access: %lld exits, then 100: %lld, after a pause: %lld, then 100: %lld",
		  (long long)first, (long long)second, (long long)again, (long long)last);
	if (!evmcs_status_row("tpr-shadow-on-demand", state, sizeof(state)) ||
	    strcmp(state, "in-use"))
		ktap_skip(exits, "the TPR shadow is always on");
	else
		ktap_ok(first && again, "%s", exits);
	/* L1's own interrupts make one or the other. */
	ktap_ok(second < 5 && last < 5, "CR8 in use does not exit");
	/* The last: an entry that fails ends the test. */
	ktap_ok(works_without_apic(&without), "CR8 works while the APIC is off by software");
	script_destroy(&xapic);
	script_destroy(&x2apic);
	script_destroy(&counted);
	script_destroy(&without);
}

static void check_new(const char *apic_mode)
{
	mode = apic_mode;
	check_first_access();
	check_first_bad_value(SCRIPT_SET_CR8, "a bad value for CR8 faults");
	check_migration(false);
	check_migration(true);
}

static void check_used(const char *apic_mode)
{
	struct script warm;

	mode = apic_mode;
	create(&warm, true);
	check_each_pair(&warm);
	check_order(&warm, 0, "the highest first");
	check_order(&warm, SCRIPT_READ_PPR, "the highest first, and PPR in the handler");
	check_order(&warm, SCRIPT_RAISE | SCRIPT_READ_PPR, "handlers raise CR8");
	check_agree(&warm);
	check_bad_values(&warm);
	check_vmm(&warm);
	check_init(&warm);
	script_destroy(&warm);
}

static void check_new_xapic(void)
{
	check_new("xAPIC");
}

static void check_used_xapic(void)
{
	check_used("xAPIC");
}

static void check_new_x2apic(void)
{
	check_new("x2APIC");
	check_first_bad_value(SCRIPT_SET_TPR, "a bad value for TPR's MSR faults");
}

static void check_used_x2apic(void)
{
	check_used("x2APIC");
}

static void check_mode_changes(void)
{
	check_mode_change(false);
	check_mode_change(true);
}

static const struct part {
	const char *key;
	unsigned int cases;
	void (*check)(void);
} parts[] = {
	{ "new-xapic", 4, check_new_xapic },
	{ "used-xapic", 9, check_used_xapic },
	{ "new-x2apic", 5, check_new_x2apic },
	{ "used-x2apic", 9, check_used_x2apic },
	{ "mode", 2, check_mode_changes },
	{ "pauses", 5, check_pauses },
};

#define PARTS	(sizeof(parts) / sizeof(parts[0]))

static bool chosen(const struct part *part, const char *key)
{
	return !key || !strcmp(part->key, key);
}

int main(int argc, char **argv)
{
	const char *key = argc > 1 ? argv[1] : NULL;
	unsigned int planned = 0;

	for (unsigned int i = 0; i < PARTS; i++)
		if (chosen(&parts[i], key))
			planned += parts[i].cases;
	if (!planned)
		ktap_bail("usage: %s [new-xapic|used-xapic|new-x2apic|used-x2apic|mode|pauses]", argv[0]);
	ktap_plan(planned);
	for (unsigned int i = 0; i < PARTS; i++)
		if (chosen(&parts[i], key))
			parts[i].check();
	return ktap_exit();
}
