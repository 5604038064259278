// SPDX-License-Identifier: GPL-2.0-only
/* msr.c: see msr.h. */
#include "msr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"

uint64_t msr_read(unsigned int cpu, uint32_t msr)
{
	char path[32];
	uint64_t value;
	int fd;

	snprintf(path, sizeof(path), "/dev/cpu/%u/msr", cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &value, sizeof(value), msr) != sizeof(value))
		ktap_bail("MSR 0x%x of CPU %u: %s", msr, cpu, strerror(errno));
	close(fd);
	return value;
}
