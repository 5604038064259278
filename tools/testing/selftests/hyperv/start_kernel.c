// SPDX-License-Identifier: GPL-2.0-only
/*
 * start_kernel: another kernel in place of the running one.
 *
 *	start_kernel load|crash KERNEL INITRD PARAMETERS
 *	start_kernel now
 *
 * load: for "now", which stops this kernel's devices and returns only if it fails.
 * crash: for a panic; there must be memory for it (crashkernel=).
 *
 * Exit code: 0 ok; 2 could not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/ktap.h"

static int open_file(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		ktap_bail("%s: %s", name, strerror(errno));
	return fd;
}

static void load(unsigned long flags, char **argv)
{
	int kernel = open_file(argv[0]), initrd = open_file(argv[1]);

	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[2]) + 1, argv[2], flags))
		ktap_bail("kexec_file_load: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "load")) {
		load(0, argv + 2);
	} else if (argc == 5 && !strcmp(argv[1], "crash")) {
		load(KEXEC_FILE_ON_CRASH, argv + 2);
	} else if (argc == 2 && !strcmp(argv[1], "now")) {
		reboot(LINUX_REBOOT_CMD_KEXEC);
		ktap_bail("kexec: %s", strerror(errno));
	} else {
		ktap_bail("usage: start_kernel load|crash KERNEL INITRD PARAMETERS | now");
	}
	return 0;
}
