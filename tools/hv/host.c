// SPDX-License-Identifier: GPL-2.0-only
/* host.c: see host.h. */
#include "host.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

struct leaf {
	bool known;
	uint32_t eax, ebx, ecx, edx;
};

static struct leaf leaf_of(const struct report *report, uint32_t number)
{
	struct leaf leaf = { 0 };
	const char *value;
	char key[32];

	snprintf(key, sizeof(key), "cpuid 0x%08" PRIx32, number);
	value = report_get(report, key);
	leaf.known = value && sscanf(value, "%" SCNx32 " %" SCNx32 " %" SCNx32 " %" SCNx32,
				     &leaf.eax, &leaf.ebx, &leaf.ecx, &leaf.edx) == 4;
	return leaf;
}

static struct word word_of(bool known, uint32_t bits)
{
	return (struct word){ known, bits };
}

enum tell host_bit(const struct word *word, unsigned int bit)
{
	if (!word->known)
		return TELL_UNKNOWN;
	return word->bits >> bit & 1 ? TELL_YES : TELL_NO;
}

const char *host_log(const struct report *report, const char *words)
{
	const struct fact *line = NULL;

	while ((line = report_next(report, "log", line))) {
		if (strstr(line->value, words))
			return line->value;
	}
	return NULL;
}

bool host_has_word(const struct report *report, const char *key, const char *word)
{
	const char *value = report_get(report, key);
	size_t length = strlen(word);

	while (value && (value = strstr(value, word))) {
		if (!value[length] || value[length] == ' ')
			return true;
		value += length;
	}
	return false;
}

static void set_version(struct host *host, unsigned int major, unsigned int minor,
			unsigned int build, unsigned int service)
{
	host->build = build;
	host->service = service;
	snprintf(host->version, sizeof(host->version), "%u.%u.%u.%u", major, minor, build, service);
}

static void signature_of(char *signature, const struct leaf *leaf)
{
	const uint32_t words[] = { leaf->ebx, leaf->ecx, leaf->edx };

	memcpy(signature, words, sizeof(words));
	signature[sizeof(words)] = '\0';
	for (char *c = signature; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

static void decode_cpuid(struct host *host, const struct report *report)
{
	struct leaf max = leaf_of(report, HV_LEAF_MAX);
	struct leaf behind = leaf_of(report, KVM_LEAF_BEHIND);
	struct leaf leaf;
	char signature[13];

	if (!max.known)
		return;
	signature_of(host->signature, &max);
	host->hyperv = !strcmp(host->signature, "Microsoft Hv");
	if (!host->hyperv)
		return;
	if (behind.known) {
		signature_of(signature, &behind);
		host->kvm_behind = !strcmp(signature, "KVMKVMKVM");
	}
	leaf = leaf_of(report, HV_LEAF_VERSION);
	if (leaf.known)
		set_version(host, leaf.ebx >> 16, leaf.ebx & 0xffff, leaf.eax, leaf.edx & 0xffffff);
	leaf = leaf_of(report, HV_LEAF_FEATURES);
	host->low = word_of(leaf.known, leaf.eax);
	host->high = word_of(leaf.known, leaf.ebx);
	host->misc = word_of(leaf.known, leaf.edx);
	leaf = leaf_of(report, HV_LEAF_HINTS);
	host->hints = word_of(leaf.known, leaf.eax);
	leaf = leaf_of(report, HV_LEAF_NESTED);
	/* Leaves beyond the last one hold anything. */
	if (max.eax < HV_LEAF_NESTED)
		leaf = (struct leaf){ .known = true };
	host->nested = word_of(leaf.known, leaf.eax);
	host->nested_ebx = word_of(leaf.known, leaf.ebx);
	leaf = leaf_of(report, HV_LEAF_ISOLATION);
	if (leaf.known && max.eax >= HV_LEAF_ISOLATION && host_bit(&host->high, 22) == TELL_YES)
		host->isolation = leaf.ebx & 0xf;
}

/* "Hyper-V: Host Build 10.0.26102.3641-7-0", or "Hyper-V Host Build:22621-10.0-3-0.3447" */
static void decode_build(struct host *host, const struct report *report)
{
	const char *line = host_log(report, "Host Build");
	unsigned int major, minor, build, service;

	if (host->build || !line)
		return;
	line = strstr(line, "Host Build") + strlen("Host Build");
	line += strspn(line, ": ");
	if (sscanf(line, "%u.%u.%u.%u", &major, &minor, &build, &service) == 4 ||
	    sscanf(line, "%u-%u.%u-%*u-%*u.%u", &build, &major, &minor, &service) == 4)
		set_version(host, major, minor, build, service);
}

static void word_from(struct word *word, const char *line, const char *name)
{
	const char *at = strstr(line, name);

	if (at && sscanf(at + strlen(name), " %" SCNx32, &word->bits) == 1)
		word->known = true;
}

static void decode_log(struct host *host, const struct report *report)
{
	const char *line = host_log(report, "Hyper-V: privilege flags");

	if (line) {
		word_from(&host->low, line, "low ");
		word_from(&host->high, line, "high ");
		word_from(&host->hints, line, "hints ");
		word_from(&host->misc, line, "misc ");
		host->hyperv = true;
	}
	line = host_log(report, "Hyper-V: Nested features: ");
	if (line) {
		word_from(&host->nested, line, "features: ");
		host->hyperv = true;
	} else if (host_bit(&host->hints, 14) == TELL_NO) {
		/* The kernel prints the leaf in the same breath, if there is one. */
		host->nested = word_of(true, 0);
		host->nested_ebx = word_of(true, 0);
	}
	line = host_log(report, "Hyper-V: Isolation Config: ");
	if (line) {
		struct word group_b = { 0 };

		word_from(&group_b, line, "Group B ");
		host->isolation = group_b.bits & 0xf;
	}
}

static void decode_partition(struct host *host, const struct report *report)
{
	bool creates = host_bit(&host->high, 0) == TELL_YES && !host->isolation;
	bool manages = host_bit(&host->high, 12) == TELL_YES;
	const char *mshv = report_get(report, "device mshv");

	if (host_log(report, "running as L1VH partition"))
		host->partition = PARTITION_L1VH;
	else if (host_log(report, "running as root partition") || (creates && manages))
		host->partition = PARTITION_ROOT;
	else if (host->hyperv && (creates || (mshv && strcmp(mshv, "missing"))))
		host->partition = PARTITION_L1VH;
}

static void decode_kernel(struct host *host, const struct report *report)
{
	const char *release = report_get(report, "kernel");
	unsigned int major, minor;

	if (!release)
		return;
	snprintf(host->kernel_text, sizeof(host->kernel_text), "%s", release);
	if (sscanf(release, "%u.%u", &major, &minor) == 2)
		host->kernel = 100 * major + minor;
	host->wsl = strcasestr(release, "microsoft");
}

/* What only a kernel has that runs with Hyper-V's interface, or with another one. */
static void decode_detected(struct host *host, const struct report *report)
{
	const char *available = report_get(report, "clocksource available");

	host->detected = TELL_UNKNOWN;
	if (host_log(report, "Hypervisor detected: Microsoft Hyper-V") ||
	    host_log(report, "Hyper-V: privilege flags") ||
	    report_get(report, "interrupt") || host->wsl ||
	    (available && strstr(available, "hyperv_clocksource")))
		host->detected = TELL_YES;
	else if (host_log(report, "Hypervisor detected: ") || host_has_word(report, "clocksource available", "kvm-clock"))
		host->detected = TELL_NO;
}

static void decode_hypervisor(struct host *host, const struct report *report)
{
	const char *flags = report_get(report, "cpu-flags");

	host->hypervisor = TELL_UNKNOWN;
	if (host->hyperv || host->signature[0] || host_has_word(report, "cpu-flags", "hypervisor"))
		host->hypervisor = TELL_YES;
	else if (flags)
		host->hypervisor = TELL_NO;
}

void host_decode(struct host *host, const struct report *report)
{
	const char *cpu = report_get(report, "cpu");
	const char *tag = report_get(report, "dmi chassis_asset_tag");
	const char *vendor = report_get(report, "dmi sys_vendor");

	*host = (struct host){ 0 };
	if (cpu && !strcmp(cpu, "GenuineIntel"))
		host->vendor = VENDOR_INTEL;
	else if (cpu && (!strcmp(cpu, "AuthenticAMD") || !strcmp(cpu, "HygonGenuine")))
		host->vendor = VENDOR_AMD;
	host->azure = tag && !strcmp(tag, AZURE_ASSET_TAG);
	decode_kernel(host, report);
	decode_cpuid(host, report);
	if (!host->low.known)
		decode_log(host, report);
	decode_build(host, report);
	decode_partition(host, report);
	decode_hypervisor(host, report);
	decode_detected(host, report);
	/* QEMU's default build, which no real one of that number has: service 0. */
	if (host->hyperv && ((host->build == 14393 && !host->service) ||
			     (vendor && !strcmp(vendor, "QEMU"))))
		host->kvm_behind = true;
}
