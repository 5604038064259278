// SPDX-License-Identifier: GPL-2.0-only
/* print_text.c: see print.h. One line a row, whatever its length. */
#include <stdio.h>
#include <string.h>

#include "print.h"

static const char *const vendors[] = {
	[VENDOR_OTHER] = "", [VENDOR_INTEL] = ", Intel", [VENDOR_AMD] = ", AMD",
};

static const char *const isolations[] = {
	[ISOLATION_NONE] = "", [ISOLATION_VBS] = ", isolated (VBS)",
	[ISOLATION_SNP] = ", confidential (SEV-SNP)", [ISOLATION_TDX] = ", confidential (TDX)",
	[ISOLATION_OTHER] = ", isolated",
};

static const char *const groups[NR_GROUPS] = {
	[GROUP_NESTED] = "For KVM", [GROUP_COST] = "L0 exits", [GROUP_CORE] = "For any Linux",
};

static const struct {
	const char *kind;
	const char *text;
} kinds[] = {
	{ "bare-metal", "bare metal: no hypervisor below, KVM's guests are one level deep" },
	{ "not-hyper-v", "a VM, of another hypervisor than Hyper-V" },
	{ "kvm-as-hyper-v", "a VM of a KVM that poses as Hyper-V" },
	{ "root-partition", "Hyper-V's root partition" },
	{ "l1vh", "L1VH partition of Hyper-V: its guests run beside it" },
	{ "wsl2", "L1 of Hyper-V: WSL2" },
	{ "azure", "L1 of Hyper-V: Azure VM" },
	{ "hyper-v-vm", "L1 of Hyper-V: Hyper-V VM" },
	{ "unknown", "not known" },
};

static const struct {
	const char *modules;
	const char *text;
} modules[] = {
	{ "hvnest", "hvnest's modules" }, { "kernel", "the kernel's own" },
	{ "none", "neither kvm_intel nor kvm_amd is loaded" }, { "unknown", "not known" },
};

static void line(const char *name, const char *text)
{
	printf("%-10s  %s\n", name, text);
}

static void print_machine(const struct verdict *verdict)
{
	const struct host *host = &verdict->host;
	const char *kind = "", *text = "";

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kinds[i].kind, verdict->kind))
			kind = kinds[i].text;
	}
	printf("%-10s  %s%s%s\n", "Machine", kind, isolations[host->isolation], vendors[host->vendor]);
	if (host->kernel_text[0])
		line("Kernel", host->kernel_text);
	if (host->hyperv)
		line("Host build", host->version[0] ? host->version : "not known");
	else if (host->signature[0])
		line("Hypervisor", host->signature);
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		if (!strcmp(modules[i].modules, verdict->modules))
			text = modules[i].text;
	}
	line("KVM", text);
}

static void print_guests(const struct verdict *verdict)
{
	static const char *const can[] = { "cannot run", "can run" };
	const char *nested = "";

	if (verdict->guests == TELL_YES && verdict->nested != TELL_UNKNOWN)
		nested = verdict->nested ? "; with guests of their own (nested=Y)" :
					   "; without guests of their own (nested=N)";
	printf("%-10s  %s%s%s%s\n", verdict->host.hypervisor == TELL_YES ? "L2" : "Guests",
	       verdict->guests == TELL_UNKNOWN ? "not known" : can[verdict->guests],
	       verdict->guests_reason[0] ? ": " : "", verdict->guests_reason, nested);
}

static void print_clock(const struct verdict *verdict)
{
	printf("%-10s  %s%s%s", "Clock", verdict->clock, verdict->clock[0] ? ", " : "",
	       verdict->clock_state);
	if (verdict->clock_reason[0])
		printf(" (%s)", verdict->clock_reason);
	putchar('\n');
}

static void print_rows(const struct verdict *verdict, enum group group)
{
	static const char *const offered[] = { "no", "yes" };
	bool first = true;

	for (unsigned int i = 0; i < verdict->nr_rows; i++) {
		const struct row *row = &verdict->rows[i];
		int width = row->reason[0] ? 8 : 0;

		if (row->group != group)
			continue;
		if (first && group == GROUP_COST)
			printf("\n%s\n", groups[group]);
		else if (first)
			printf("\n%-22s  offered  state\n", groups[group]);
		first = false;
		if (group == GROUP_COST)
			printf("  %-20s  %-7s", row->name, "");
		else
			printf("  %-20s  %-7s", row->name,
			       row->offered == TELL_UNKNOWN ? "-" : offered[row->offered]);
		printf("  %-*s%s%s\n", width, row->state, width ? "  " : "", row->reason);
	}
}

void print_text(const struct verdict *verdict)
{
	print_machine(verdict);
	print_guests(verdict);
	print_clock(verdict);
	for (enum group group = 0; group < NR_GROUPS; group++)
		print_rows(verdict, group);
	if (verdict->host.hypervisor == TELL_YES && !verdict->host.hyperv && !verdict->nr_rows)
		printf("\nThe hypervisor below is not Hyper-V: it has no enlightenments to use.\n");
	if (verdict->nr_unseen)
		printf("\nNot seen\n");
	for (unsigned int i = 0; i < verdict->nr_unseen; i++)
		printf("  %s\n", verdict->unseen[i]);
	if (verdict->nr_todo)
		printf("\nWhat to do\n");
	for (unsigned int i = 0; i < verdict->nr_todo; i++)
		printf("  %u. %s\n", i + 1, verdict->todo[i]);
}
