// SPDX-License-Identifier: GPL-2.0-only
/* stats.c: see stats.h. */
#include "stats.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "ktap.h"

#define NAME_MAX_SIZE	64

static void read_at(int fd, void *to, size_t size, off_t offset)
{
	if (pread(fd, to, size, offset) != (ssize_t)size)
		ktap_bail("KVM's statistics: %s", strerror(errno));
}

/* @of: a VM's or a vCPU's file descriptor */
static uint64_t value_of(int of, const char *wanted)
{
	int fd = vm_ioctl(of, KVM_GET_STATS_FD, 0);
	struct kvm_stats_header header;
	uint64_t value;

	read_at(fd, &header, sizeof(header), 0);
	for (uint32_t i = 0; i < header.num_desc; i++) {
		struct kvm_stats_desc desc;
		char name[NAME_MAX_SIZE] = "";
		off_t at = header.desc_offset + i * (sizeof(desc) + header.name_size);

		read_at(fd, &desc, sizeof(desc), at);
		read_at(fd, name, strlen(wanted) + 1, at + sizeof(desc));
		if (strcmp(name, wanted))
			continue;
		read_at(fd, &value, sizeof(value), header.data_offset + desc.offset);
		close(fd);
		return value;
	}
	ktap_bail("KVM does not count %s", wanted);
}

uint64_t stats_exits(struct vcpu *vcpu)
{
	return value_of(vcpu->fd, "exits");
}

uint64_t stats_hypercalls(struct vcpu *vcpu)
{
	return value_of(vcpu->fd, "hypercalls");
}

uint64_t stats_huge_pages(struct vm *vm)
{
	return value_of(vm->fd, "pages_2m");
}
