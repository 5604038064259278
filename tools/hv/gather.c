// SPDX-License-Identifier: GPL-2.0-only
/* gather.c: see gather.h. */
#include "gather.h"

#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host.h"

#define LINE	4096
#define BLANKS	" \t\n"

/* A fact whose key has two words. */
static void add(struct report *report, const char *kind, const char *name, const char *value)
{
	char key[PATH_MAX + 16];

	snprintf(key, sizeof(key), "%s %s", kind, name);
	report_add(report, key, value);
}

/* A file below @root; NULL if there is none. One that we may not read is noted. */
static FILE *open_file(struct report *report, const char *root, const char *path)
{
	char full[PATH_MAX];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	file = fopen(full, "re");
	if (!file && errno != ENOENT && errno != ENOTDIR)
		add(report, "unread", path, strerror(errno));
	return file;
}

/* The first line of a file as a fact, if there is such a file. @name may be NULL. */
static void add_line_of(struct report *report, const char *root, const char *path,
			const char *kind, const char *name)
{
	FILE *file = open_file(report, root, path);
	char line[LINE];

	if (!file)
		return;
	if (fgets(line, sizeof(line), file)) {
		size_t length = strlen(line);

		while (length && strchr(BLANKS, line[length - 1]))
			line[--length] = '\0';
		if (name)
			add(report, kind, name, line);
		else
			report_add(report, kind, line);
	}
	fclose(file);
}

static bool starts(const char *line, const char *words)
{
	return !strncmp(line, words, strlen(words));
}

/* The words of @line that are in @wanted, in the order of the line. */
static void pick_words(char *line, const char *const *wanted, char *out, size_t room)
{
	size_t used = 0;
	char *rest;

	out[0] = '\0';
	for (char *word = strtok_r(line, BLANKS, &rest); word; word = strtok_r(NULL, BLANKS, &rest)) {
		for (const char *const *w = wanted; *w; w++) {
			if (!strcmp(word, *w) && used < room)
				used += snprintf(out + used, room - used, "%s%s", used ? " " : "", word);
		}
	}
}

/* Of the first CPU. The kernel shows vmx and svm only where firmware has left them on. */
static void gather_cpu(struct report *report, const char *root)
{
	static const char *const flags[] = {
		"hypervisor", "vmx", "svm", "constant_tsc", "nonstop_tsc", "tsc_reliable", NULL
	};
	FILE *file = open_file(report, root, "/proc/cpuinfo");
	char line[LINE], picked[128];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file) && line[0] != '\n') {
		char *value = strchr(line, ':');

		if (!value)
			continue;
		value += 1 + strspn(value + 1, " ");
		value[strcspn(value, "\n")] = '\0';
		if (starts(line, "vendor_id")) {
			report_add(report, "cpu", value);
		} else if (starts(line, "flags")) {
			pick_words(value, flags, picked, sizeof(picked));
			report_add(report, "cpu-flags", picked);
		}
	}
	fclose(file);
}

static void gather_dmi(struct report *report, const char *root)
{
	FILE *tag = open_file(report, root, "/sys/class/dmi/id/chassis_asset_tag");
	char line[LINE] = "";

	add_line_of(report, root, "/sys/class/dmi/id/sys_vendor", "dmi", "sys_vendor");
	add_line_of(report, root, "/sys/class/dmi/id/product_name", "dmi", "product_name");
	if (!tag)
		return;
	/* Anybody's but Azure's may be the number of this very machine. */
	if (fgets(line, sizeof(line), tag) && starts(line, AZURE_ASSET_TAG))
		report_add(report, "dmi chassis_asset_tag", AZURE_ASSET_TAG);
	fclose(tag);
}

static void gather_modules(struct report *report, const char *root)
{
	static const char *const parameters[] = {
		"kvm_intel.nested", "kvm_intel.enlightened_vmcs", "kvm_intel.ept",
		"kvm_intel.lazy_tpr_shadow", "kvm_intel.direct_flush", "kvm_amd.nested", "kvm_amd.npt",
	};
	static const char *const modules[] = { "kvm", "kvm_intel", "kvm_amd", "kvm_pvm", "mshv_root" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		snprintf(path, sizeof(path), "%s/sys/module/%s", root, modules[i]);
		if (!access(path, F_OK))
			add(report, "module", modules[i], "loaded");
	}
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		const char *dot = strchr(parameters[i], '.');

		snprintf(path, sizeof(path), "/sys/module/%.*s/parameters/%s",
			 (int)(dot - parameters[i]), parameters[i], dot + 1);
		add_line_of(report, root, path, "param", parameters[i]);
	}
}

static bool concerns_kvm(const char *line)
{
	const char *words = line + strspn(line, " \t");

	return (starts(words, "options") || starts(words, "blacklist") || starts(words, "install")) &&
	       (strstr(words, "kvm") || strstr(words, "enlightened_vmcs"));
}

static void gather_modprobe_file(struct report *report, const char *root, const char *path)
{
	FILE *file = open_file(report, root, path);
	char line[LINE];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (concerns_kvm(line))
			add(report, "config", path, line + strspn(line, " \t"));
	}
	fclose(file);
}

static void gather_modprobe(struct report *report, const char *root)
{
	static const char *const directories[] = {
		"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d",
	};
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		struct dirent **entries;
		int count;

		snprintf(path, sizeof(path), "%s%s", root, directories[i]);
		count = scandir(path, &entries, NULL, alphasort);
		for (int j = 0; j < count; j++) {
			const char *suffix = strrchr(entries[j]->d_name, '.');

			snprintf(path, sizeof(path), "%s/%s", directories[i], entries[j]->d_name);
			if (suffix && !strcmp(suffix, ".conf"))
				gather_modprobe_file(report, root, path);
			free(entries[j]);
		}
		if (count >= 0)
			free(entries);
	}
}

/* The kernel's command line may hold secrets: only KVM's parameters are taken. */
static void gather_command_line(struct report *report, const char *root)
{
	FILE *file = open_file(report, root, "/proc/cmdline");
	char line[LINE], *rest;

	if (!file)
		return;
	if (fgets(line, sizeof(line), file)) {
		for (char *word = strtok_r(line, BLANKS, &rest); word; word = strtok_r(NULL, BLANKS, &rest)) {
			if (starts(word, "kvm.") || starts(word, "kvm_") || starts(word, "kvm-"))
				report_add(report, "config /proc/cmdline", word);
		}
	}
	fclose(file);
}

/* Vectors that only a kernel which knows that it runs on Hyper-V sets up. */
static void gather_interrupts(struct report *report, const char *root)
{
	FILE *file = open_file(report, root, "/proc/interrupts");
	char *line = NULL;
	size_t room = 0;

	if (!file)
		return;
	while (getline(&line, &room, file) >= 0) {
		const char *name = line + strspn(line, " ");

		if (starts(name, "HRE:"))
			report_add(report, "interrupt", "HRE");
		else if (starts(name, "HVS:"))
			report_add(report, "interrupt", "HVS");
	}
	free(line);
	fclose(file);
}

static void gather_clock(struct report *report, const char *root)
{
#define SYSTEM	"/sys/devices/system/"
	add_line_of(report, root, SYSTEM "clocksource/clocksource0/current_clocksource",
		    "clocksource", "current");
	add_line_of(report, root, SYSTEM "clocksource/clocksource0/available_clocksource",
		    "clocksource", "available");
	add_line_of(report, root, SYSTEM "clockevents/clockevent0/current_device", "clockevent", NULL);
#undef SYSTEM
}

/* A table that our modules or our core show; root's to read. */
static void gather_table(struct report *report, const char *root, const char *path, const char *key)
{
	FILE *file = open_file(report, root, path);
	char line[LINE];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		report_add(report, key, line);
	}
	fclose(file);
}

/* Which vCPUs have direct flush on, and why others have not: a file a VM; root's to read. */
static void gather_direct_flush(struct report *report, const char *root)
{
	char pattern[PATH_MAX], line[LINE], key[NAME_MAX + sizeof("vcpu ")];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/sys/kernel/debug/kvm/*/direct_flush", root);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];
		const char *end = strrchr(path, '/'), *vm = end;
		FILE *file = fopen(path, "re");

		while (vm > path && vm[-1] != '/')
			vm--;
		snprintf(key, sizeof(key), "vcpu %.*s", (int)(end - vm), vm);
		/* A VM may be gone by now. */
		while (file && fgets(line, sizeof(line), file)) {
			line[strcspn(line, "\n")] = '\0';
			report_add(report, key, line);
		}
		if (file)
			fclose(file);
	}
	globfree(&found);
}

static void gather_log_line(struct report *report, const char *line)
{
	static const char *const wanted[] = {
		"Hypervisor detected: ", "Hyper-V: ", "Hyper-V Host Build", "Enlightened VMCS",
		"Hyper-V enlightened NPT TLB", "Hyper-V Direct TLB", "Hyper-V refuses",
		"VMX not enabled", "VMX not supported", "SVM not supported", "disabled by bios",
		"disabled by BIOS", "clocksource: Switched to", "Marking clocksource",
		"Marking TSC unstable", "reenlightenment support",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (strstr(line, wanted[i])) {
			report_add(report, "log", line);
			return;
		}
	}
}

/* Returns false if we may not read it. One read is one record: "6,42,123,-;text". */
static bool gather_kmsg(struct report *report, const char *root)
{
	char path[PATH_MAX], record[8192];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%s/dev/kmsg", root);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	while ((length = read(fd, record, sizeof(record) - 1)) > 0 || (length < 0 && errno == EPIPE)) {
		char *text;

		if (length < 0)
			continue;
		record[length] = '\0';
		text = strchr(record, ';');
		if (text) {
			text[1 + strcspn(text + 1, "\n")] = '\0';
			gather_log_line(report, text + 1);
		}
	}
	close(fd);
	return true;
}

/* What some distributions keep of the kernel's log of this boot. */
static bool gather_saved_log(struct report *report, const char *root)
{
	char path[PATH_MAX], line[LINE];
	FILE *file;

	snprintf(path, sizeof(path), "%s/var/log/dmesg", root);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		const char *text = strstr(line, "] ");

		line[strcspn(line, "\n")] = '\0';
		gather_log_line(report, text ? text + 2 : line);
	}
	fclose(file);
	return true;
}

static void gather_log(struct report *report, const char *root)
{
	int error;

	if (gather_kmsg(report, root))
		return;
	error = errno;
	if (!gather_saved_log(report, root))
		report_add(report, "unread the kernel's log", strerror(error));
}

void gather_files(struct report *report, const char *root)
{
	add_line_of(report, root, "/proc/sys/kernel/osrelease", "kernel", NULL);
	gather_cpu(report, root);
	gather_dmi(report, root);
	gather_modules(report, root);
	gather_modprobe(report, root);
	gather_command_line(report, root);
	gather_clock(report, root);
	gather_interrupts(report, root);
	gather_table(report, root, HVNEST_STATUS, "hvnest");
	gather_table(report, root, HVNEST_CORE_STATUS, "core");
	gather_direct_flush(report, root);
	gather_log(report, root);
}

static uint32_t gather_leaf(struct report *report, uint32_t leaf)
{
	uint32_t eax, ebx, ecx, edx;
	char key[32], value[64];

	__cpuid(leaf, eax, ebx, ecx, edx);
	snprintf(key, sizeof(key), "cpuid 0x%08x", leaf);
	snprintf(value, sizeof(value), "0x%08x 0x%08x 0x%08x 0x%08x", eax, ebx, ecx, edx);
	report_add(report, key, value);
	return eax;
}

static void gather_cpuid(struct report *report)
{
	uint32_t eax, ebx, ecx, edx, max;

	__cpuid(1, eax, ebx, ecx, edx);
	if (!(ecx & CPUID_1_ECX_HYPERVISOR))
		return;
	max = gather_leaf(report, HV_LEAF_MAX);
	for (uint32_t leaf = HV_LEAF_MAX + 1; leaf <= max && leaf <= HV_LEAF_ISOLATION; leaf++)
		gather_leaf(report, leaf);
	/* A KVM that poses as Hyper-V has its own leaves behind the others. */
	gather_leaf(report, KVM_LEAF_BEHIND);
}

/* "ok", "missing", "denied" or an error: whether this user can open it. */
static void gather_device(struct report *report, const char *path, const char *key, bool kvm)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	const char *value = "ok";

	if (fd < 0)
		value = errno == ENOENT ? "missing" : errno == EACCES || errno == EPERM ? "denied" : strerror(errno);
	else if (kvm && ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		value = "it answers like no KVM";
	report_add(report, key, value);
	if (fd >= 0)
		close(fd);
}

void gather(struct report *report)
{
	gather_cpuid(report);
	gather_device(report, "/dev/kvm", "device kvm", true);
	gather_device(report, "/dev/mshv", "device mshv", false);
	gather_files(report, "");
	report->complete = true;
}
