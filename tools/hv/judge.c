// SPDX-License-Identifier: GPL-2.0-only
/* judge.c: see judge.h. */
#include "judge.h"

#include <stdarg.h>
#include <string.h>

void verdict_set(char text[REASON], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, REASON, format, args);
	va_end(args);
}

void verdict_todo(struct verdict *verdict, const char *advice, ...)
{
	char *text = verdict->todo[verdict->nr_todo];
	va_list args;

	if (verdict->nr_todo == MAX_TODO)
		return;
	va_start(args, advice);
	vsnprintf(text, REASON, advice, args);
	va_end(args);
	for (unsigned int i = 0; i < verdict->nr_todo; i++) {
		if (!strcmp(verdict->todo[i], text))
			return;
	}
	verdict->nr_todo++;
}

struct row *verdict_row(struct verdict *verdict, enum group group, const char *name,
			enum tell offered, const char *state, const char *reason, ...)
{
	/* More than there are enlightenments: the last ones share a row. */
	struct row *row = &verdict->rows[verdict->nr_rows < MAX_ROWS ? verdict->nr_rows++ : MAX_ROWS - 1];
	va_list args;

	*row = (struct row){ .group = group, .offered = offered };
	snprintf(row->name, sizeof(row->name), "%s", name);
	snprintf(row->state, sizeof(row->state), "%s", state);
	va_start(args, reason);
	vsnprintf(row->reason, sizeof(row->reason), reason, args);
	va_end(args);
	return row;
}

void verdict_unseen(struct verdict *verdict, const char *what, ...)
{
	va_list args;

	if (verdict->nr_unseen == MAX_UNSEEN)
		return;
	va_start(args, what);
	vsnprintf(verdict->unseen[verdict->nr_unseen++], REASON, what, args);
	va_end(args);
}

static void judge_machine(struct verdict *verdict)
{
	const struct host *host = &verdict->host;

	if (host->hypervisor == TELL_NO) {
		verdict->level = "bare-metal";
		verdict->kind = "bare-metal";
	} else if (host->hypervisor == TELL_UNKNOWN) {
		verdict->level = "unknown";
		verdict->kind = "unknown";
	} else if (!host->hyperv) {
		verdict->level = "other-hypervisor";
		verdict->kind = "not-hyper-v";
	} else {
		verdict->level = host->kvm_behind ? "other-hypervisor" : "hyper-v";
		verdict->kind = host->kvm_behind ? "kvm-as-hyper-v" :
				host->partition == PARTITION_ROOT ? "root-partition" :
				host->partition == PARTITION_L1VH ? "l1vh" :
				host->wsl ? "wsl2" : host->azure ? "azure" : "hyper-v-vm";
	}
}

static void judge_modules(struct verdict *verdict, const struct report *report)
{
	if (report_get(report, "hvnest") || report_get(report, "param kvm_intel.lazy_tpr_shadow"))
		verdict->modules = "hvnest";
	else if (report_get(report, "module kvm_intel") || report_get(report, "module kvm_amd"))
		verdict->modules = "kernel";
	else
		verdict->modules = report_get(report, "device kvm") ? "none" : "unknown";
}

static bool names_enlightened_vmcs(const struct fact *config)
{
	return strstr(config->value, "enlightened_vmcs") && config->value[0] != '#';
}

/* A parameter that people set where it does nothing. */
static void judge_config(struct verdict *verdict, const struct report *report)
{
	const struct fact *config = NULL;

	while ((config = report_next(report, "config ", config))) {
		const char *file = config->key + strlen("config ");

		if (!names_enlightened_vmcs(config))
			continue;
		if (!strncmp(config->value, "options enlightened_vmcs", 24)) {
			verdict_todo(verdict, "\"%s\" in %s names no module and has no effect; meant is \"options kvm_intel %s\"",
				     config->value, file, config->value + strlen("options "));
		} else if (verdict->host.hypervisor == TELL_NO) {
			verdict_todo(verdict, "enlightened_vmcs in %s has no effect on bare metal: it is for a KVM inside a Hyper-V VM; it may go",
				     file);
		} else if (verdict->host.vendor == VENDOR_AMD) {
			verdict_todo(verdict, "enlightened_vmcs in %s has no effect on AMD: it may go", file);
		} else if (verdict->host.hypervisor == TELL_YES && !verdict->host.hyperv) {
			verdict_todo(verdict, "enlightened_vmcs in %s has no effect here: the hypervisor below is not Hyper-V; it may go",
				     file);
		}
	}
}

/* What could not be read, where it would tell something, and what that is. */
static void judge_unread(struct verdict *verdict, const struct fact *unread)
{
	const char *what = unread->key + strlen("unread ");

	if (!strcmp(what, HVNEST_STATUS)) {
		if (!strcmp(verdict->modules, "hvnest"))
			verdict_unseen(verdict, "%s (%s): root would see what our modules use and what was refused",
				       what, unread->value);
	} else if (!strcmp(what, HVNEST_CORE_STATUS)) {
		/* Only root can tell that this kernel has our core. */
	} else if (!strcmp(what, "the kernel's log")) {
		if (verdict->host.hyperv || verdict->guests == TELL_NO)
			verdict_unseen(verdict, "%s (%s): root would see what the kernel has found, and sometimes why not",
				       what, unread->value);
	} else {
		verdict_unseen(verdict, "%s (%s)", what, unread->value);
	}
}

static void judge_unseen(struct verdict *verdict, const struct report *report)
{
	const struct fact *fact = NULL;

	while ((fact = report_next(report, "unread ", fact)))
		judge_unread(verdict, fact);
	if (!report->complete)
		verdict_unseen(verdict, "the end of the report: it is cut off");
	if (report->odd_lines)
		verdict_unseen(verdict, "%u %s of the report, which %s no sense; line %u is the first",
			       report->odd_lines, report->odd_lines == 1 ? "line" : "lines",
			       report->odd_lines == 1 ? "makes" : "make", report->first_odd_line);
}

static int code_of(const struct verdict *verdict, const struct report *report)
{
	bool lacks = verdict->guests == TELL_NO || !strcmp(verdict->clock_state, CLOCK_POOR);
	bool unsure = verdict->guests == TELL_UNKNOWN || !strcmp(verdict->clock_state, CLOCK_UNKNOWN);

	for (unsigned int i = 0; i < verdict->nr_rows; i++) {
		const struct row *row = &verdict->rows[i];

		lacks |= !strcmp(row->state, STATE_OFF) || !strcmp(row->state, STATE_REFUSED);
		unsure |= row->group == GROUP_NESTED && !strcmp(row->state, STATE_UNKNOWN);
	}
	/* Of a damaged report, what seems to lack may be what got lost. */
	if (!report->complete || report->odd_lines || !strcmp(verdict->level, "unknown"))
		return VERDICT_CANNOT_TELL;
	return lacks ? VERDICT_LACKS : unsure ? VERDICT_CANNOT_TELL : VERDICT_ALL;
}

void judge(struct verdict *verdict, const struct report *report)
{
	memset(verdict, 0, sizeof(*verdict));
	host_decode(&verdict->host, report);
	judge_machine(verdict);
	judge_modules(verdict, report);
	judge_guests(verdict, report);
	judge_clock(verdict, report);
	judge_nested(verdict, report);
	judge_core(verdict, report);
	judge_config(verdict, report);
	judge_unseen(verdict, report);
	verdict->code = code_of(verdict, report);
}
