// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2's init: says that it came up, and under what, runs the test that the kernel's command line
 * names, and ends the machine:
 *
 *	storm=ROUNDS		tlb_storm, once the kernel flushes its TLBs by hypercall
 *	clocks=NAME,NAME	clock_read
 *
 * An exit of L2 is tens of thousands of instructions, and to start a program takes thirty. So
 * this is one program, and it writes to the serial port itself: the kernel would need an
 * interrupt and two more exits for each byte.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERIAL_PORT 0x3f8
#define READ_ALL   3 /* the kernel's log, as klogctl() numbers it */
#define MAX_NAMES  8

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	outsb(SERIAL_PORT, line, strlen(line));
}

/* With it from the start, the kernel would interrupt it at each patch to itself. */
static void bring_up_second_cpu(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/cpu1/online", "w");

	if (!file || fputc('1', file) == EOF || fclose(file))
		say("not ok: L2 does not bring up its second CPU: %s\n", strerror(errno));
}

static int cpus(void)
{
	cpu_set_t all;

	return sched_getaffinity(0, sizeof(all), &all) ? 0 : CPU_COUNT(&all);
}

static bool kernel_said(const char *words)
{
	static char log[1 << 16];
	int len = klogctl(READ_ALL, log, sizeof(log) - 1);

	return len > 0 && strstr(log, words);
}

/* Runs a test to its end and passes on what it says. */
static void run(char *const words[])
{
	char buf[4096];
	int output[2], status;
	pid_t child = -1;
	ssize_t len;

	if (!pipe(output))
		child = fork();
	if (child < 0) {
		say("not ok: L2 cannot start %s: %s\n", words[0], strerror(errno));
		return;
	}
	if (!child) {
		/* With ports of its own, each system call of it would take longer. */
		iopl(0);
		dup2(output[1], STDOUT_FILENO);
		dup2(output[1], STDERR_FILENO);
		close(output[0]);
		close(output[1]);
		execv(words[0], words);
		perror(words[0]);
		_exit(127);
	}
	close(output[1]);
	while ((len = read(output[0], buf, sizeof(buf))) > 0)
		outsb(SERIAL_PORT, buf, len);
	if (waitpid(child, &status, 0) < 0 || status)
		say("not ok: %s ended with status %#x\n", words[0], status);
}

static void storm(char *rounds)
{
	if (kernel_said("Hyper-V: Using hypercall for remote TLB flush"))
		say("L2 flushes by hypercall\n");
	say("L2 storm begins\n");
	run((char *[]){ "/bin/tlb_storm", rounds, NULL });
}

static void read_clocks(char *names)
{
	char *words[MAX_NAMES + 2] = { "/bin/clock_read" };

	for (int i = 1; i <= MAX_NAMES && (words[i] = strsep(&names, ",")); i++)
		;
	run(words);
}

int main(void)
{
	/* What the kernel does not know of its command line is init's environment. */
	char *rounds = getenv("storm"), *clocks = getenv("clocks");
	struct utsname kernel;

	if (iopl(3) || uname(&kernel)) {
		perror("init");
		return 1;
	}
	if ((rounds || clocks) && mount("sysfs", "/sys", "sysfs", 0, NULL))
		say("not ok: L2 has no sysfs: %s\n", strerror(errno));
	if (rounds)
		bring_up_second_cpu();
	say("L2 Linux %s reached its init with %d CPU\n", kernel.release, cpus());
	if (rounds)
		storm(rounds);
	if (clocks)
		read_clocks(clocks);
	reboot(RB_AUTOBOOT);
	return 1;
}
