// SPDX-License-Identifier: GPL-2.0-only
/*
 * reload: kvm_intel is unloaded and loaded with the enlightened VMCS off and on.
 *
 *	reload on|off...	a load for each word
 *	reload --times N	N loads, off and on in turns; half way kvm goes, too
 *
 * /mods holds irqbypass.ko, kvm.ko and kvm-intel.ko.
 *
 * Proved: the modules unload and load again in either mode; the parameter and the
 * line in the kernel's log agree with the mode; L2 runs after each load.
 *
 * Broken by: a VP assist page that still names an eVMCS when the module goes (a
 * plain VMCS then fails to launch), or state that is not made again at the second
 * load. Leaves the modules loaded as the last load has them. KVM must not be in use.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cpuid_loop.h"
#include "lib/evmcs.h"
#include "lib/kmod.h"
#include "lib/ktap.h"

#define LOG_LINE	"Using Hyper-V Enlightened VMCS"
#define EXITS		10

/* klogctl() commands, see syslog(2). */
#define LOG_READ_ALL	3
#define LOG_SIZE	10

static void load_kvm(void)
{
	kmod_load("irqbypass", "");
	kmod_load("kvm", "");
}

/* How often the log says that the enlightened VMCS is used. */
static unsigned int log_lines(void)
{
	int size = klogctl(LOG_SIZE, NULL, 0);
	unsigned int lines = 0;
	char *log;

	if (size < 0)
		ktap_bail("the kernel's log cannot be read: %s", strerror(errno));
	log = malloc(size + 1);
	if (!log)
		ktap_bail("no memory for the kernel's log");
	size = klogctl(LOG_READ_ALL, log, size);
	if (size < 0)
		ktap_bail("the kernel's log cannot be read: %s", strerror(errno));
	log[size] = '\0';
	for (char *at = log; (at = strstr(at, LOG_LINE)); at++)
		lines++;
	free(log);
	return lines;
}

/* Loads kvm_intel in the mode and lets L2 run. */
static bool load_mode(bool on)
{
	bool expected = on && evmcs_advertised();
	unsigned int before = log_lines(), lines;
	bool ok = true;

	kmod_load("kvm-intel", on ? "enlightened_vmcs=1" : "enlightened_vmcs=0");
	lines = log_lines() - before;
	if (evmcs_parameter() != expected || evmcs_in_use() != expected) {
		ktap_diag("parameter %d, in use %d, expected %d", evmcs_parameter(),
			  evmcs_in_use(), expected);
		ok = false;
	}
	if (lines != expected) {
		ktap_diag("the log says \"%s\" %u times, expected %u", LOG_LINE, lines, expected);
		ok = false;
	}
	cpuid_loop(EXITS);
	return ok;
}

static void check_modes(char *const *modes)
{
	load_kvm();
	for (; *modes; modes++) {
		kmod_unload("kvm_intel");
		ktap_ok(load_mode(!strcmp(*modes, "on")), "loaded with eVMCS %s, L2 runs", *modes);
	}
}

static void check_times(unsigned int times)
{
	unsigned int i;

	load_kvm();
	for (i = 0; i < times; i++) {
		kmod_unload("kvm_intel");
		if (i == times / 2) {
			kmod_unload("kvm");
			load_kvm();
		}
		if (!load_mode(i & 1)) {
			ktap_diag("that was load %u", i + 1);
			break;
		}
	}
	ktap_ok(i == times, "loaded %u times with eVMCS off and on in turns, L2 runs", times);
}

static bool are_modes(char *const *words)
{
	if (!*words)
		return false;
	for (; *words; words++)
		if (strcmp(*words, "on") && strcmp(*words, "off"))
			return false;
	return true;
}

int main(int argc, char **argv)
{
	int times = argc == 3 && !strcmp(argv[1], "--times") ? atoi(argv[2]) : 0;

	if (times <= 0 && !are_modes(argv + 1))
		ktap_bail("usage: %s on|off...\n       %s --times N", argv[0], argv[0]);
	ktap_plan(times > 0 ? 1 : argc - 1);
	if (access(KMOD_DIR, R_OK)) {
		ktap_skip_rest("no modules in " KMOD_DIR);
		return ktap_exit();
	}
	ktap_diag("enlightened VMCS: %sadvertised", evmcs_advertised() ? "" : "not ");
	if (times > 0)
		check_times(times);
	else
		check_modes(argv + 1);
	return ktap_exit();
}
