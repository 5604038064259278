// SPDX-License-Identifier: GPL-2.0-only
/*
 * What drivers for Hyper-V's devices ask for, and the firmware's gift of entropy.
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/acpi.h>
#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <asm/mshyperv.h>

/* More bytes than this are no seed. */
#define LEAST_SEED	8
#define MOST_SEED	SZ_4K

static u64 read_ext_caps(void)
{
	unsigned long flags;
	u64 status, caps = 0;
	u64 *output;

	if (!(ms_hyperv.priv_high & HV_ENABLE_EXTENDED_HYPERCALLS) || !hv_is_hyperv_initialized())
		return 0;
	local_irq_save(flags);
	output = *this_cpu_ptr(hyperv_pcpu_output_arg);
	status = hv_do_hypercall(HV_EXT_CALL_QUERY_CAPABILITIES, NULL, output);
	if (hv_result_success(status))
		caps = *output;
	local_irq_restore(flags);
	if (!hv_result_success(status))
		pr_warn("no extended capabilities: status %#x\n", hv_result(status));
	return caps;
}

/**
 * hv_query_ext_cap() - does Hyper-V have extended hypercalls?
 * @cap_query: HV_EXT_CAPABILITY_...
 *
 * They do not change. TLFS 3.9.1.
 *
 * Context: may sleep.
 * Return: whether it has any of these.
 */
bool hv_query_ext_cap(u64 cap_query)
{
	static DEFINE_MUTEX(lock);
	static bool known;
	static u64 caps;

	mutex_lock(&lock);
	if (!known)
		caps = read_ext_caps();
	known = true;
	mutex_unlock(&lock);
	return caps & cap_query;
}
EXPORT_SYMBOL_GPL(hv_query_ext_cap);

/**
 * hv_is_hibernation_supported() - does this VM hibernate?
 *
 * Context: any.
 */
bool hv_is_hibernation_supported(void)
{
	return acpi_sleep_state_supported(ACPI_STATE_S4);
}
EXPORT_SYMBOL_GPL(hv_is_hibernation_supported);

/**
 * hv_setup_dma_ops() - prepare a device of VMBus for DMA
 * @dev:      the device
 * @coherent: its DMA is coherent
 *
 * Context: may sleep.
 */
void hv_setup_dma_ops(struct device *dev, bool coherent)
{
	arch_setup_dma_ops(dev, coherent);
}
EXPORT_SYMBOL_GPL(hv_setup_dma_ops);

#ifdef CONFIG_ACPI

/* Take the bytes out, so that neither /sys/firmware/acpi nor a next kernel has them. */
static void __init wipe(struct acpi_table_header *table, u8 *seed, u32 size)
{
	u8 *byte, sum = 0;

	memzero_explicit(seed, size);
	table->length -= size;
	table->checksum = 0;
	for (byte = (u8 *)table; byte < seed; byte++)
		sum += *byte;
	table->checksum = -sum;
}

static void __init take_seed(struct acpi_table_header *table)
{
	u8 *seed = (u8 *)(table + 1);
	u32 size;

	/* Whoever makes firmware may call a table so. */
	if (memcmp(table->oem_table_id, "MICROSFT", sizeof(table->oem_table_id)))
		return;
	if (table->length < sizeof(*table))
		return;
	size = table->length - sizeof(*table);
	if (size < LEAST_SEED || size > MOST_SEED)
		return;
	add_bootloader_randomness(seed, size);
	wipe(table, seed, size);
}

/**
 * ms_hyperv_late_init() - seed the random number generator from Hyper-V's ACPI table
 *
 * Context: while the kernel boots, when ACPI's tables can be read.
 */
void __init ms_hyperv_late_init(void)
{
	struct acpi_table_header *table;

	if (ACPI_FAILURE(acpi_get_table("OEM0", 0, &table)) || !table)
		return;
	take_seed(table);
	acpi_put_table(table);
}

#else

void __init ms_hyperv_late_init(void)
{
}

#endif
