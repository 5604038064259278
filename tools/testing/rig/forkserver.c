// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes a running Bochs a template that tests start from. Loaded with LD_PRELOAD.
 *
 * Bochs prints a byte that the guest writes to port 0xe9 by putc() or putchar(). When the guest
 * has printed the line "@fork NAME", the emulator stops there and serves requests on
 * the control socket: each of them forks a child that goes on as the emulator, with
 * files of its own. Child and template share memory until one of them writes to it,
 * so that a child starts within milliseconds and all children start alike. A child
 * that meets "@fork" in turn becomes a template itself.
 *
 * RIG_CONTROL is the number of the control socket's descriptor (SOCK_SEQPACKET),
 * RIG_COM1 and RIG_COM2 are the paths that Bochs was told to open for its serial
 * ports. The socket carries:
 *
 *	-> "ready"	the emulator is a template now
 *	<- "fork"	with four descriptors: standard output, com1, com2, control socket
 *	-> PID		of the child
 *	<- end of file	the template ends, and so do its children
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER "@fork "

enum { OUT, COM1, COM2, CONTROL, FILES };

/* Where the emulator has each of its files open. */
static int files[FILES] = { STDOUT_FILENO, -1, -1, -1 };

static void fail(const char *what)
{
	fprintf(stderr, "forkserver: ");
	perror(what);
	_exit(1);
}

/* The descriptor, of our own process, that has the file of this path open. */
static int descriptor_of(const char *path)
{
	struct stat wanted, found;

	if (!path || stat(path, &wanted))
		return -1;
	for (int fd = 0; fd < 256; fd++) {
		if (!fstat(fd, &found) && found.st_dev == wanted.st_dev && found.st_ino == wanted.st_ino)
			return fd;
	}
	return -1;
}

static bool find_files(void)
{
	const char *control = getenv("RIG_CONTROL");

	if (files[CONTROL] < 0 && control) {
		files[COM1] = descriptor_of(getenv("RIG_COM1"));
		files[COM2] = descriptor_of(getenv("RIG_COM2"));
		files[CONTROL] = atoi(control);
	}
	return files[COM1] >= 0 && files[COM2] >= 0 && files[CONTROL] >= 0;
}

/* Waits for a request; false at the end of file. */
static bool receive(int received[FILES])
{
	char word[8], ancillary[CMSG_SPACE(FILES * sizeof(int))];
	struct iovec iov = { .iov_base = word, .iov_len = sizeof(word) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ancillary,
		.msg_controllen = sizeof(ancillary),
	};
	struct cmsghdr *header;
	ssize_t len = recvmsg(files[CONTROL], &message, 0);

	if (len < 0)
		fail("control socket");
	if (!len)
		return false;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_len != CMSG_LEN(FILES * sizeof(int))) {
		fprintf(stderr, "forkserver: a request without its %d descriptors\n", FILES);
		_exit(1);
	}
	memcpy(received, CMSG_DATA(header), FILES * sizeof(int));
	return true;
}

static void close_all(const int received[FILES])
{
	for (int i = 0; i < FILES; i++)
		close(received[i]);
}

/* Makes the emulator's files those of the request. */
static void become_child(pid_t template, const int received[FILES])
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != template)
		_exit(1);
	for (int i = 0; i < FILES; i++) {
		if (dup2(received[i], files[i]) < 0)
			fail("dup2");
	}
	close_all(received);
}

/* Returns in each child; the template itself ends here. */
static void serve(void)
{
	pid_t template = getpid(), child;
	int received[FILES];
	char answer[16];

	signal(SIGCHLD, SIG_IGN);
	fflush(NULL);
	if (send(files[CONTROL], "ready", 5, 0) < 0)
		fail("control socket");
	while (receive(received)) {
		child = fork();
		if (child < 0)
			fail("fork");
		if (!child) {
			become_child(template, received);
			return;
		}
		close_all(received);
		send(files[CONTROL], answer, snprintf(answer, sizeof(answer), "%d", child), MSG_NOSIGNAL);
	}
	_exit(0);
}

static int put(int c, FILE *stream)
{
	static char line[sizeof(MARKER) - 1];
	static size_t len;
	int result = fputc(c, stream);

	if (stream != stdout)
		return result;
	if (c == '\n') {
		bool fork_here = len >= sizeof(line) && !memcmp(line, MARKER, sizeof(line));

		len = 0;
		if (fork_here && find_files())
			serve();
	} else {
		if (len < sizeof(line))
			line[len] = c;
		len++;
	}
	return result;
}

/* By one of these a Bochs prints the byte, as its version has it. */
int putc(int c, FILE *stream)
{
	return put(c, stream);
}

int putchar(int c)
{
	return put(c, stdout);
}
