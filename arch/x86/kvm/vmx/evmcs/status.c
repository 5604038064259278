// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of enlightenments in debugfs: hvnest/status, one line each, of
 * three columns that tabs separate: name, state, reason ("-" for none).
 *
 * Most rows are written while the module loads and stay; features_lock is for those
 * that change when L0 refuses something later.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>

#include "status.h"
#include "trace.h"

static const char * const feature_names[] = {
	[EVMCS_FEATURE_EVMCS]		= "evmcs",
	[EVMCS_FEATURE_MSR_BITMAP]	= "msr-bitmap",
	[EVMCS_FEATURE_PERF_GLOBAL_CTRL] = "perf-global-ctrl",
	[EVMCS_FEATURE_DIRECT_FLUSH]	= "direct-flush",
	[EVMCS_FEATURE_GPA_FLUSH]	= "gpa-flush",
	[EVMCS_FEATURE_TSC_PAGE]	= "tsc-page",
	[EVMCS_FEATURE_REENLIGHTENMENT]	= "guest-reenlightenment",
	[EVMCS_FEATURE_TPR_SHADOW]	= "tpr-shadow-on-demand",
	[EVMCS_COST_DEBUGCTL]		= "debugctl-read",
	[EVMCS_COST_XCR0]		= "xcr0-switch",
	[EVMCS_COST_XSS]		= "xss-switch",
};

static_assert(ARRAY_SIZE(feature_names) == EVMCS_NR_FEATURES);

static const char * const state_names[] = {
	[EVMCS_ABSENT]	= "absent",
	[EVMCS_REFUSED]	= "refused",
	[EVMCS_OFF]	= "off",
	[EVMCS_IN_USE]	= "in-use",
	[EVMCS_AVOIDED]	= "avoided",
	[EVMCS_PAID]	= "paid",
};

static struct {
	enum evmcs_state state;
	char reason[128];
} features[EVMCS_NR_FEATURES];

static DEFINE_SPINLOCK(features_lock);

static struct dentry *debugfs_dir;

/**
 * evmcs_status_set() - record how far an enlightenment has come
 * @feature: the row
 * @state:   its state
 * @reason:  why, for people: printf format; NULL or "" for nothing to add
 *
 * Context: any but interrupts.
 */
void evmcs_status_set(enum evmcs_feature feature, enum evmcs_state state,
		      const char *reason, ...)
{
	va_list args;

	spin_lock(&features_lock);
	features[feature].state = state;
	va_start(args, reason);
	vscnprintf(features[feature].reason, sizeof(features[feature].reason),
		   reason ?: "", args);
	va_end(args);
	trace_hvnest_activation(-1, feature_names[feature], state_names[state],
				features[feature].reason);
	spin_unlock(&features_lock);
}

static int status_show(struct seq_file *out, void *unused)
{
	int i;

	spin_lock(&features_lock);
	for (i = 0; i < EVMCS_NR_FEATURES; i++)
		seq_printf(out, "%s\t%s\t%s\n", feature_names[i],
			   state_names[features[i].state],
			   features[i].reason[0] ? features[i].reason : "-");
	spin_unlock(&features_lock);
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(status);

/**
 * evmcs_status_register() - show the table in debugfs
 *
 * Without debugfs the table is not shown; nothing else depends on it.
 *
 * Context: may sleep; the last step of loading the module, after which nothing
 * fails.
 */
void evmcs_status_register(void)
{
	debugfs_dir = debugfs_create_dir("hvnest", NULL);
	debugfs_create_file("status", 0444, debugfs_dir, NULL, &status_fops);
}

/**
 * evmcs_status_unregister() - take the table out of debugfs
 *
 * Context: may sleep; while the module is unloaded. Waits for readers.
 */
void evmcs_status_unregister(void)
{
	debugfs_remove(debugfs_dir);
}
