// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long L1 takes over one exit of L2.
 *
 * L0 reflects an exit of L2 to L1, L1 handles it and executes VMRESUME. The window is
 * the time in between as the emulated TSC counts it: from L0's entry into L1 until
 * that VMRESUME has trapped, with all of L0's work for exits of L1's own. What of it
 * L1 itself ran is the pure part.
 *
 * /sys/kernel/debug/l0/window shows the middle one of the windows that were recorded
 * (and of their pure parts) and how many there are; a write starts anew. Recording
 * ends when the table is full.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>

#include "../vmx/vmx.h"

#include "faults.h"
#include "window.h"

#define WINDOWS	16384

/*
 * An L1 of one CPU is measured: with more of them the figures mean nothing. L0 has a
 * single CPU and interrupts are off where this is written, so nothing is torn; a
 * reader comes when L1 is done.
 */
static struct {
	bool in_l2;	/* the last one that ran was L2 */
	bool open;
	u64 opened;
	u64 entered;
	u64 pure;
	u32 count;
	u32 *windows;
	u32 *pures;
} record;

/**
 * l0_window_enter() - the next instruction of L0's guest is about to run
 * @vcpu: L1's CPU, in L1 or L2
 *
 * Context: interrupts off.
 */
void l0_window_enter(struct kvm_vcpu *vcpu)
{
	if (is_guest_mode(vcpu)) {
		record.in_l2 = true;
		return;
	}
	record.entered = rdtsc();
	if (record.in_l2) {
		record.open = true;
		record.opened = record.entered;
		record.pure = 0;
	}
	record.in_l2 = false;
}

/**
 * l0_window_leave() - L0's guest has exited
 * @vcpu: L1's CPU, in L1 or L2
 *
 * Context: interrupts off.
 */
void l0_window_leave(struct kvm_vcpu *vcpu)
{
	u64 now = rdtsc();

	if (is_guest_mode(vcpu) || !record.open)
		return;
	record.pure += now - record.entered;
	if (to_vmx(vcpu)->exit_reason.basic != EXIT_REASON_VMRESUME)
		return;

	record.open = false;
	if (record.count < WINDOWS && record.pures) {
		record.windows[record.count] = now - record.opened;
		record.pures[record.count] = record.pure;
		record.count++;
	}
}

static int by_size(const void *a, const void *b)
{
	u32 left = *(const u32 *)a, right = *(const u32 *)b;

	return left < right ? -1 : left > right;
}

static int window_show(struct seq_file *m, void *unused)
{
	if (!record.count)
		return 0;
	sort(record.windows, record.count, sizeof(u32), by_size, NULL);
	sort(record.pures, record.count, sizeof(u32), by_size, NULL);
	seq_printf(m, "count %u\nwindow %u\npure %u\n", record.count,
		   record.windows[record.count / 2], record.pures[record.count / 2]);
	return 0;
}

static ssize_t window_write(struct file *file, const char __user *text,
			    size_t size, loff_t *pos)
{
	record.count = 0;
	return size;
}

DEFINE_SHOW_STORE_ATTRIBUTE(window);

static struct dentry *window_file;

void l0_window_init(void)
{
	record.windows = vmalloc_array(WINDOWS, sizeof(u32));
	record.pures = record.windows ? vmalloc_array(WINDOWS, sizeof(u32)) : NULL;
	window_file = debugfs_create_file("window", 0600, l0_debugfs, NULL, &window_fops);
}

void l0_window_exit(void)
{
	debugfs_remove(window_file);
	vfree(record.windows);
	vfree(record.pures);
}
