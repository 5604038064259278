// SPDX-License-Identifier: GPL-2.0-only
/* kmod.c: see kmod.h. */
#include "kmod.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ktap.h"

void kmod_load(const char *module, const char *parameters)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.ko", KMOD_DIR, module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		ktap_bail("%s: %s", path, strerror(errno));
	if (syscall(SYS_finit_module, fd, parameters, 0) && errno != EEXIST)
		ktap_bail("load of %s with \"%s\": %s", path, parameters, strerror(errno));
	close(fd);
}

void kmod_unload(const char *module)
{
	/* A VM that was just closed may hold the module a moment longer. */
	for (int tries = 0; syscall(SYS_delete_module, module, O_NONBLOCK); tries++) {
		if (errno == ENOENT)
			return;
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EBUSY)
			ktap_bail("unload of %s: %s", module, strerror(errno));
		if (tries == 100)
			ktap_bail("unload of %s: still in use", module);
		usleep(1000);
	}
}
