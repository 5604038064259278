// SPDX-License-Identifier: GPL-2.0-only
/*
 * core_cost: what it costs this kernel to call Hyper-V, and to take an interrupt.
 *
 * /sys/kernel/debug/core_cost takes "WHAT TIMES", WHAT one of
 *
 *	fast		a hypercall with its input in registers; no Hyper-V knows its code
 *	memory		one with its input in memory: flush the TLB of this CPU
 *	ept		flush all of an EPT, by the function that KVM calls for it
 *	ept-pages	flush pages of an EPT, likewise
 *	interrupt	an interrupt that this CPU sends to itself, with its EOI
 *
 * does that so often, and then reads as "median min" of the ticks of the TSC for one, and
 * the status or error of the last.
 *
 * It goes by the kernel's own API to Hyper-V, whoever has implemented that.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <asm/mshyperv.h>
#include <asm/msr.h>

#define MAX_TIMES	10000
#define NO_CALL		0
#define PAGES		8

/* The root of an EPT that no guest has */
static u64 root;

static struct dentry *file;
static DEFINE_MUTEX(lock);
static u64 median, least;
static s64 last;

static struct irq_work work;
static bool arrived;

static s64 call_fast(void)
{
	return hv_result(hv_do_fast_hypercall8(NO_CALL, 0));
}

static s64 call_by_memory(void)
{
	struct hv_tlb_flush *input;
	unsigned long flags;
	u64 status;

	local_irq_save(flags);
	input = *this_cpu_ptr(hyperv_pcpu_input_arg);
	*input = (struct hv_tlb_flush){
		.flags = HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES,
		.processor_mask = BIT_ULL(hv_cpu_number_to_vp_number(smp_processor_id())),
	};
	status = hv_do_hypercall(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE, input, NULL);
	local_irq_restore(flags);
	return hv_result(status);
}

static s64 flush_ept(void)
{
	return hyperv_flush_guest_mapping(root);
}

static int name_pages(struct hv_guest_mapping_flush_list *list, void *unused)
{
	return hyperv_fill_flush_guest_mapping_list(list, 0, PAGES);
}

static s64 flush_ept_pages(void)
{
	return hyperv_flush_guest_mapping_range(root, name_pages, NULL);
}

static void arrive(struct irq_work *unused)
{
	WRITE_ONCE(arrived, true);
}

static s64 interrupt_self(void)
{
	arrived = false;
	irq_work_queue(&work);
	while (!READ_ONCE(arrived))
		cpu_relax();
	return 0;
}

static const struct operation {
	const char *name;
	s64 (*once)(void);
	bool calls;	/* it takes a hypercall page */
} operations[] = {
	{ "fast", call_fast, true },
	{ "memory", call_by_memory, true },
	{ "ept", flush_ept, false },
	{ "ept-pages", flush_ept_pages, false },
	{ "interrupt", interrupt_self, false },
};

static const struct operation *find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	}
	return NULL;
}

static int ascending(const void *a, const void *b)
{
	const u64 *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static int measure(const struct operation *operation, unsigned int times)
{
	u64 *ticks = kvmalloc_array(times, sizeof(*ticks), GFP_KERNEL);
	unsigned int i;

	if (!ticks)
		return -ENOMEM;
	for (i = 0; i < times; i++) {
		u64 start = rdtsc_ordered();

		last = operation->once();
		ticks[i] = rdtsc_ordered() - start;
	}
	sort(ticks, times, sizeof(*ticks), ascending, NULL);
	median = ticks[times / 2];
	least = ticks[0];
	kvfree(ticks);
	return 0;
}

static ssize_t write(struct file *unused, const char __user *text, size_t size, loff_t *position)
{
	const struct operation *operation;
	char line[32], name[16];
	unsigned int times;
	ssize_t error;

	if (size >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, text, size))
		return -EFAULT;
	line[size] = '\0';
	if (sscanf(line, "%15s %u", name, &times) != 2 || !times || times > MAX_TIMES)
		return -EINVAL;
	operation = find(name);
	if (!operation)
		return -EINVAL;
	if (operation->calls && !hv_is_hyperv_initialized())
		return -ENODEV;
	mutex_lock(&lock);
	error = measure(operation, times);
	mutex_unlock(&lock);
	return error ?: size;
}

static int show(struct seq_file *m, void *unused)
{
	seq_printf(m, "%llu %llu %lld\n", median, least, last);
	return 0;
}

static int open(struct inode *inode, struct file *opened)
{
	return single_open(opened, show, NULL);
}

static const struct file_operations operations_of_file = {
	.owner = THIS_MODULE,
	.open = open,
	.read = seq_read,
	.write = write,
	.release = single_release,
};

static int __init load(void)
{
	void *page = (void *)get_zeroed_page(GFP_KERNEL);

	if (!page)
		return -ENOMEM;
	root = virt_to_phys(page);
	init_irq_work(&work, arrive);
	file = debugfs_create_file("core_cost", 0600, NULL, NULL, &operations_of_file);
	return 0;
}
module_init(load);

static void __exit unload(void)
{
	debugfs_remove(file);
	irq_work_sync(&work);
	free_page((unsigned long)phys_to_virt(root));
}
module_exit(unload);

MODULE_DESCRIPTION("Measures the kernel's API to Hyper-V");
MODULE_LICENSE("GPL");
