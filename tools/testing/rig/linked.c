// SPDX-License-Identifier: GPL-2.0-only
/*
 * A library for LD_PRELOAD: the program stops before its main() and takes its arguments from
 * the pipe /tmp/arguments, each with a zero byte after it.
 *
 * QEMU links 50 libraries when it starts. As this comes to a good part of the time in which an
 * L1 boots, L0 has a QEMU do it before it is forked, when it does not know yet what for; so has
 * an L1 that boots a Linux as L2. Whoever opens the pipe and writes nothing has waited until
 * QEMU was there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARGUMENTS  "/tmp/arguments"
#define MAX_LENGTH 65536
#define MAX_COUNT  256

typedef int main_function(int argc, char **argv, char **env);
typedef int start_function(main_function *main, int argc, char **argv, void (*init)(void),
			   void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

static size_t read_arguments(char *text, size_t size)
{
	int fd = open(ARGUMENTS, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	if (fd < 0) {
		perror(ARGUMENTS);
		exit(1);
	}
	while ((got = read(fd, text + length, size - length)) > 0)
		length += got;
	close(fd);
	return length;
}

/* QEMU draws what nothing here needs to be random, and L1 would gather it for seconds. */
ssize_t getrandom(void *buf, size_t size, unsigned int flags)
{
	return syscall(SYS_getrandom, buf, size, flags | GRND_INSECURE);
}

start_function __libc_start_main;

int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void),
		      void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
	start_function *start = (start_function *)dlsym(RTLD_NEXT, "__libc_start_main");
	static char *arguments[MAX_COUNT + 1], text[MAX_LENGTH + 1];
	size_t length;

	do
		length = read_arguments(text, MAX_LENGTH);
	while (!length);
	unsetenv("LD_PRELOAD");
	argc = 0;
	for (char *word = text; word < text + length && argc < MAX_COUNT; word += strlen(word) + 1)
		arguments[argc++] = word;
	argv = arguments;
	return start(main, argc, argv, init, fini, rtld_fini, stack_end);
}
