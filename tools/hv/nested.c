// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested.c: the enlightenments for KVM. Our modules say of each how it is; of the
 * kernel's own KVM it follows from what is offered, a parameter, and the log.
 */
#include <string.h>

#include "judge.h"

/* 0x40000004 EAX and 0x4000000A EAX, EBX */
#define HINT_EVMCS		14
#define NESTED_DIRECT_FLUSH	17
#define NESTED_GPA_FLUSH	18
#define NESTED_MSR_BITMAP	19
#define NESTED_NPT_TLB_FLUSH	22
#define NESTED_EBX_PERF_GLOBAL_CTRL	0

#define NOT_OFFERED	"the hypervisor does not offer it"
#define NOT_TOLD	"the report does not tell"
#define ROOT_SEES	"our modules' table tells, and only root can read it"

static bool evmcs_version_1(const struct host *host)
{
	uint32_t lowest = host->nested.bits & 0xff, highest = host->nested.bits >> 8 & 0xff;

	return lowest <= 1 && highest >= 1;
}

static enum tell offered(const struct host *host, const char *name)
{
	static const struct {
		const char *name;
		unsigned int bit;
	} bits[] = {
		{ "direct-flush", NESTED_DIRECT_FLUSH }, { "gpa-flush", NESTED_GPA_FLUSH },
		{ "msr-bitmap", NESTED_MSR_BITMAP }, { "npt-tlb-flush", NESTED_NPT_TLB_FLUSH },
	};

	if (!host->hyperv)
		return TELL_NO;
	if (!strcmp(name, "evmcs"))
		return host_bit(&host->hints, HINT_EVMCS);
	if (!strcmp(name, "perf-global-ctrl"))
		return host_bit(&host->nested_ebx, NESTED_EBX_PERF_GLOBAL_CTRL);
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		if (!strcmp(name, bits[i].name))
			return host_bit(&host->nested, bits[i].bit);
	}
	return TELL_UNKNOWN;
}

static struct row *row(struct verdict *verdict, const char *name, const char *state,
		       const char *reason)
{
	return verdict_row(verdict, GROUP_NESTED, name, offered(&verdict->host, name), state, "%s", reason);
}

/* -- our modules' own table ------------------------------------------------- */

static void advise(struct verdict *verdict, const struct row *row)
{
	const char *change = strstr(row->reason, ": ");

	/* Of what another row is the cause, that row says it. */
	if (!strncmp(row->reason, "needs ", 6))
		return;
	if (!strcmp(row->state, STATE_REFUSED))
		verdict_todo(verdict, "%s is offered and does not work (%s): KVM does without; please report it, with what hvnest collect prints",
			     row->name, row->reason);
	else if (!strcmp(row->state, STATE_PAID) && change)
		verdict_todo(verdict, "To avoid %s: %s", row->name, change + 2);
	else if (!strcmp(row->state, STATE_OFF) && strchr(row->reason, '='))
		verdict_todo(verdict, "%s is off by %s: change that and load kvm_intel anew", row->name,
			     row->reason);
}

/* Exits to L0 that L1 need not cause, which are no enlightenments. */
static bool is_cost(const char *name, const char *state)
{
	static const char *const costs[] = { "debugctl-read", "xcr0-switch", "xss-switch" };

	for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
		if (!strcmp(name, costs[i]))
			return true;
	}
	return !strcmp(state, STATE_AVOIDED) || !strcmp(state, STATE_PAID);
}

/* NAME, STATE and REASON ("-" for none) with tabs between them. */
static bool judge_table_row(struct verdict *verdict, const char *line)
{
	char name[32], state[24], reason[REASON];
	enum group group = GROUP_NESTED;
	struct row *row;
	enum tell offer;

	if (sscanf(line, "%31[^\t]\t%23[^\t]\t%255[^\t]", name, state, reason) != 3)
		return false;
	offer = offered(&verdict->host, name);
	if (is_cost(name, state))
		group = GROUP_COST;
	else if (!strcmp(state, STATE_ABSENT))
		offer = TELL_NO;
	else if (offer == TELL_UNKNOWN && (!strcmp(state, STATE_IN_USE) || !strcmp(state, STATE_REFUSED)))
		offer = TELL_YES;
	row = verdict_row(verdict, group, name, offer, state, "%s", strcmp(reason, "-") ? reason : "");
	advise(verdict, row);
	return true;
}

/* Adds to a row for how many of the vCPUs that run now it is on, and why not for the first other. */
static void judge_vcpus(struct verdict *verdict, const struct report *report, struct row *row)
{
	unsigned int vcpus = 0, on = 0;
	char text[REASON], first_off[REASON] = "";
	const struct fact *fact = NULL;

	while ((fact = report_next(report, "vcpu ", fact))) {
		char name[24], state[24], reason[REASON];

		if (sscanf(fact->value, "%23[^\t]\t%23[^\t]\t%255[^\t]", name, state, reason) != 3) {
			verdict_unseen(verdict, "a vCPU's direct flush, which makes no sense: \"%s\"",
				       fact->value);
			continue;
		}
		vcpus++;
		on += !strcmp(state, STATE_IN_USE);
		if (strcmp(state, STATE_IN_USE) && !first_off[0])
			verdict_set(first_off, "; not for %s of %s: %s", name,
				    fact->key + strlen("vcpu "), reason);
	}
	if (!vcpus)
		return;
	verdict_set(text, "%s: %u of %u now%s", row->reason, on, vcpus, first_off);
	verdict_set(row->reason, "%s", text);
}

static void judge_table(struct verdict *verdict, const struct report *report)
{
	const struct fact *fact = NULL;

	while ((fact = report_next(report, "hvnest", fact))) {
		if (!judge_table_row(verdict, fact->value))
			verdict_unseen(verdict, "a row of our modules' table, which makes no sense: \"%s\"",
				       fact->value);
	}
	for (unsigned int i = 0; i < verdict->nr_rows; i++) {
		struct row *row = &verdict->rows[i];

		if (!strcmp(row->name, "direct-flush") && !strcmp(row->state, STATE_IN_USE))
			judge_vcpus(verdict, report, row);
	}
}

/* -- the kernel's own KVM ---------------------------------------------------- */

/* Why the kernel's KVM uses none of them, or NULL. */
static const char *idle(const struct verdict *verdict, const char *module)
{
	static char text[64];

	if (verdict->host.detected == TELL_NO)
		return "the kernel has recognised another hypervisor";
	if (strcmp(verdict->modules, "none"))
		return NULL;
	snprintf(text, sizeof(text), "%s is not loaded", module);
	return text;
}

static bool evmcs_is_off_by_config(const struct report *report, const char **file)
{
	const struct fact *config = NULL;

	while ((config = report_next(report, "config ", config))) {
		if (strstr(config->value, "enlightened_vmcs=0") || strstr(config->value, "enlightened_vmcs=N") ||
		    strstr(config->value, "enlightened_vmcs=n")) {
			*file = config->key + strlen("config ");
			return true;
		}
	}
	return false;
}

/* The parameter reads as N where KVM has found that it cannot, too. */
static void judge_evmcs_parameter(struct verdict *verdict, const struct report *report, bool on)
{
	const char *file;

	if (on) {
		row(verdict, "evmcs", STATE_IN_USE, "");
	} else if (evmcs_is_off_by_config(report, &file)) {
		row(verdict, "evmcs", STATE_OFF, "enlightened_vmcs=0");
		verdict_todo(verdict, "Take enlightened_vmcs=0 out of %s and load kvm_intel anew", file);
	} else if (!evmcs_version_1(&verdict->host) && verdict->host.nested.known) {
		row(verdict, "evmcs", STATE_REFUSED, "Hyper-V recommends it, but not in version 1");
	} else {
		row(verdict, "evmcs", STATE_REFUSED,
		    "enlightened_vmcs reads N: loaded so, or a CPU lacks its VP assist page");
		verdict_todo(verdict, "As root, with no guest running: modprobe -r kvm_intel; modprobe kvm_intel enlightened_vmcs=1");
	}
}

static void judge_evmcs(struct verdict *verdict, const struct report *report, const char *not_working)
{
	const char *parameter = report_get(report, "param kvm_intel.enlightened_vmcs");
	enum tell offer = offered(&verdict->host, "evmcs");

	if (offer == TELL_NO)
		row(verdict, "evmcs", STATE_ABSENT, NOT_OFFERED);
	else if (not_working)
		row(verdict, "evmcs", STATE_OFF, not_working);
	else if (parameter)
		judge_evmcs_parameter(verdict, report, parameter[0] == 'Y' || parameter[0] == '1');
	else if (host_log(report, "sing Hyper-V Enlightened VMCS") &&
		 !host_log(report, "Not using Hyper-V Enlightened VMCS"))
		row(verdict, "evmcs", STATE_IN_USE, "the kernel's log says so");
	else if (verdict->host.kernel && verdict->host.kernel < 417)
		row(verdict, "evmcs", STATE_OFF, "Linux has it from 4.17 on");
	else if (report_get(report, "module kvm_intel") && report_get(report, "device kvm"))
		row(verdict, "evmcs", STATE_OFF, "this kernel's KVM is built without it (CONFIG_HYPERV, CONFIG_KVM_HYPERV)");
	else
		row(verdict, "evmcs", STATE_UNKNOWN, NOT_TOLD);
}

/* One that is of use with eVMCS only. @since: the first Linux that has it. */
static void judge_dependent(struct verdict *verdict, const char *name, unsigned int since, const char *note)
{
	enum tell offer = offered(&verdict->host, name);
	const char *evmcs = verdict->rows[0].state;

	if (offer != TELL_YES)
		row(verdict, name, offer == TELL_NO ? STATE_ABSENT : STATE_UNKNOWN,
		    offer == TELL_NO ? NOT_OFFERED : NOT_TOLD);
	else if (!strcmp(verdict->modules, "hvnest"))
		row(verdict, name, STATE_UNKNOWN, ROOT_SEES);
	else if (!strcmp(evmcs, STATE_UNKNOWN))
		row(verdict, name, STATE_UNKNOWN, "goes with evmcs");
	else if (strcmp(evmcs, STATE_IN_USE))
		row(verdict, name, strcmp(evmcs, STATE_ABSENT) ? STATE_OFF : STATE_ABSENT, "needs evmcs");
	else if (verdict->host.kernel && verdict->host.kernel < since)
		verdict_row(verdict, GROUP_NESTED, name, offer, STATE_OFF, "Linux has it from %u.%u on",
			    since / 100, since % 100);
	else
		row(verdict, name, STATE_IN_USE, note);
}

static void judge_gpa_flush(struct verdict *verdict, const char *not_working)
{
	enum tell offer = offered(&verdict->host, "gpa-flush");

	if (offer != TELL_YES)
		row(verdict, "gpa-flush", offer == TELL_NO ? STATE_ABSENT : STATE_UNKNOWN,
		    offer == TELL_NO ? NOT_OFFERED : NOT_TOLD);
	else if (not_working)
		row(verdict, "gpa-flush", STATE_OFF, not_working);
	else if (!strcmp(verdict->modules, "unknown"))
		row(verdict, "gpa-flush", STATE_UNKNOWN, NOT_TOLD);
	else
		row(verdict, "gpa-flush", STATE_IN_USE, "the kernel's KVM does not tell if Hyper-V refuses");
}

static void judge_intel(struct verdict *verdict, const struct report *report)
{
	const char *not_working = idle(verdict, "kvm_intel");

	judge_evmcs(verdict, report, not_working);
	judge_dependent(verdict, "msr-bitmap", 418, "");
	judge_dependent(verdict, "perf-global-ctrl", 601, "");
	judge_dependent(verdict, "direct-flush", 504, "for each vCPU whose VMM asks for it");
	judge_gpa_flush(verdict, not_working);
}

static void judge_amd_row(struct verdict *verdict, const struct report *report, const char *name,
			  const char *log_words, const char *not_working)
{
	enum tell offer = offered(&verdict->host, name);

	if (offer != TELL_YES)
		row(verdict, name, offer == TELL_NO ? STATE_ABSENT : STATE_UNKNOWN,
		    offer == TELL_NO ? NOT_OFFERED : NOT_TOLD);
	else if (log_words && host_log(report, log_words))
		row(verdict, name, STATE_IN_USE, "the kernel's log says so");
	else if (not_working)
		row(verdict, name, STATE_OFF, not_working);
	else if (verdict->host.kernel && verdict->host.kernel < 514)
		row(verdict, name, STATE_OFF, "Linux has it from 5.14 on");
	else if (!strcmp(verdict->modules, "unknown"))
		row(verdict, name, STATE_UNKNOWN, NOT_TOLD);
	else
		row(verdict, name, STATE_IN_USE, "the kernel's KVM uses it where it is offered");
}

static void judge_amd(struct verdict *verdict, const struct report *report)
{
	const char *npt = report_get(report, "param kvm_amd.npt");
	const char *not_working = idle(verdict, "kvm_amd");

	if (!not_working && npt && (npt[0] == 'N' || npt[0] == '0'))
		not_working = "kvm_amd.npt=0";
	row(verdict, "evmcs", STATE_ABSENT, "Intel's alone; on AMD the rows below take its place, and our modules change nothing");
	judge_amd_row(verdict, report, "npt-tlb-flush", "NPT TLB flush enabled", not_working);
	judge_amd_row(verdict, report, "msr-bitmap", NULL, not_working);
	judge_amd_row(verdict, report, "direct-flush", "Direct TLB Flush enabled", not_working);
}

void judge_nested(struct verdict *verdict, const struct report *report)
{
	const struct host *host = &verdict->host;

	if (report_get(report, "hvnest"))
		judge_table(verdict, report);
	else if (!host->hyperv || host->partition != PARTITION_GUEST)
		return;
	else if (host->vendor == VENDOR_AMD)
		judge_amd(verdict, report);
	else
		judge_intel(verdict, report);
	if (host->hyperv && host->detected == TELL_NO)
		verdict_todo(verdict, "Hide KVM from this VM (QEMU: -cpu ...,kvm=off; libvirt: <kvm><hidden state='on'/></kvm>), so that the kernel sees Hyper-V");
}
