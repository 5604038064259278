// SPDX-License-Identifier: GPL-2.0-only
/*
 * One table of all that Hyper-V offers and what became of it. Whoever sets an
 * enlightenment up says here how it went; the log, the file status in debugfs and the
 * boot parameter hyperv_off= go by this table.
 *
 *	hyperv_off=NAME[,NAME]...	do without these, as if Hyper-V did not offer them
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/seq_buf.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "core.h"

#define MAX_REASON 96

static const char * const names[HV_ROWS] = {
	[HV_ROW_HYPERCALL_PAGE]	   = "hypercall-page",
	[HV_ROW_VP_INDEX]	   = "vp-index",
	[HV_ROW_VP_RUNTIME]	   = "vp-runtime",
	[HV_ROW_FREQUENCIES]	   = "frequencies",
	[HV_ROW_INVARIANT_TSC]	   = "invariant-tsc",
	[HV_ROW_REFERENCE_COUNTER] = "reference-counter",
	[HV_ROW_REFERENCE_TSC]	   = "reference-tsc",
	[HV_ROW_REENLIGHTENMENT]   = "reenlightenment",
	[HV_ROW_RELAXED_TIMING]	   = "relaxed-timing",
	[HV_ROW_VP_ASSIST_PAGE]	   = "vp-assist-page",
	[HV_ROW_EOI]		   = "eoi",
	[HV_ROW_GPA_FLUSH]	   = "gpa-flush",
	[HV_ROW_TLB_FLUSH]	   = "tlb-flush",
	[HV_ROW_IPI]		   = "ipi",
	[HV_ROW_SPINLOCKS]	   = "spinlocks",
	[HV_ROW_STIMERS]	   = "stimers",
	[HV_ROW_CRASH]		   = "crash-msrs",
};

static const char * const state_names[] = {
	[HV_ABSENT]  = "absent",
	[HV_OFF]     = "off",
	[HV_REFUSED] = "refused",
	[HV_NATIVE]  = "native",
	[HV_UNUSED]  = "unused",
	[HV_IN_USE]  = "in-use",
};

static struct {
	enum hv_state state;
	char reason[MAX_REASON];
} rows[HV_ROWS];

/* The core has been set up. */
static bool is_guest __initdata;

/* Rows that hyperv_off= names */
static unsigned long off_rows __initdata;

static int __init parse_off(char *list)
{
	char *name;
	int row;

	while ((name = strsep(&list, ","))) {
		row = match_string(names, HV_ROWS, name);
		if (row >= 0)
			off_rows |= BIT(row);
		else
			pr_warn("hyperv_off= knows no '%s'\n", name);
	}
	return 0;
}
early_param("hyperv_off", parse_off);

/**
 * hv_row_wanted() - is there an enlightenment to set up?
 * @row:     which
 * @offered: Hyper-V offers all that it takes
 *
 * Context: while the kernel boots, before the row has another state.
 */
bool __init hv_row_wanted(enum hv_row row, bool offered)
{
	if (!offered)
		return false;
	if (off_rows & BIT(row)) {
		rows[row].state = HV_OFF;
		strscpy(rows[row].reason, "hyperv_off");
		return false;
	}
	return true;
}

/**
 * hv_row_native() - note an enlightenment that the core does not know how to use
 * @row:     which
 * @offered: Hyper-V offers it
 *
 * Context: while the kernel boots.
 */
void __init hv_row_native(enum hv_row row, bool offered)
{
	if (!offered)
		return;
	rows[row].state = HV_NATIVE;
	strscpy(rows[row].reason, "not implemented");
}

/**
 * hv_row_in_use() - note that an enlightenment is used
 * @row: which
 *
 * One that was refused, on any CPU, stays so.
 *
 * Context: any.
 */
void hv_row_in_use(enum hv_row row)
{
	if (rows[row].state == HV_REFUSED)
		return;
	rows[row].state = HV_IN_USE;
	rows[row].reason[0] = '\0';
}

/**
 * hv_row_unused() - note that nobody has asked for an enlightenment
 * @row: which
 * @why: what it would take
 *
 * Context: any; see hv_row_in_use().
 */
void hv_row_unused(enum hv_row row, const char *why)
{
	if (rows[row].state == HV_REFUSED)
		return;
	rows[row].state = HV_UNUSED;
	strscpy(rows[row].reason, why);
}

/**
 * hv_row_refused() - note that an enlightenment cannot be used, and why
 * @row: which
 * @why: format; the log has it once, by the first call for this row
 *
 * Context: any; the calls for one row do not race.
 */
void hv_row_refused(enum hv_row row, const char *why, ...)
{
	va_list args;

	if (rows[row].state == HV_REFUSED)
		return;
	va_start(args, why);
	vsnprintf(rows[row].reason, MAX_REASON, why, args);
	va_end(args);
	rows[row].state = HV_REFUSED;
	pr_warn("doing without %s: %s\n", names[row], rows[row].reason);
}

/**
 * hv_row_state() - what became of an enlightenment
 * @row: which
 *
 * Context: any.
 */
enum hv_state hv_row_state(enum hv_row row)
{
	return rows[row].state;
}

static void __init say_all_in(enum hv_state state, const char *what)
{
	char line[192];
	struct seq_buf text;
	int row;

	seq_buf_init(&text, line, sizeof(line));
	for (row = 0; row < HV_ROWS; row++) {
		if (rows[row].state == state)
			seq_buf_printf(&text, " %s", names[row]);
	}
	if (seq_buf_used(&text))
		pr_info("%s:%s\n", what, seq_buf_str(&text));
}

/**
 * hv_rows_say() - tell the log what is used and what is not
 *
 * Context: once, when the boot CPU is set up.
 */
void __init hv_rows_say(void)
{
	is_guest = true;
	say_all_in(HV_IN_USE, "hvnest's core uses");
	say_all_in(HV_NATIVE, "it leaves to Linux's native ways");
	say_all_in(HV_OFF, "switched off by hyperv_off=");
}

static int status_show(struct seq_file *m, void *unused)
{
	int row;

	for (row = 0; row < HV_ROWS; row++)
		seq_printf(m, "%s\t%s\t%s\n", names[row], state_names[rows[row].state],
			   rows[row].reason[0] ? rows[row].reason : "-");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(status);

static int __init create_file(void)
{
	struct dentry *directory;

	/* Apart from hvnest/, which comes and goes with KVM's modules */
	if (!is_guest)
		return 0;
	directory = debugfs_create_dir("hvnest-core", NULL);
	debugfs_create_file("status", 0444, directory, NULL, &status_fops);
	hv_vp_runtime_create_file(directory);
	return 0;
}
late_initcall(create_file);
