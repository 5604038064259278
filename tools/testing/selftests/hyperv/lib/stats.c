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

uint64_t stats_exits(struct vcpu *vcpu)
{
	int fd = vm_ioctl(vcpu->fd, KVM_GET_STATS_FD, 0);
	struct kvm_stats_header header;
	uint64_t exits;

	read_at(fd, &header, sizeof(header), 0);
	for (uint32_t i = 0; i < header.num_desc; i++) {
		struct kvm_stats_desc desc;
		char name[NAME_MAX_SIZE] = "";
		off_t at = header.desc_offset + i * (sizeof(desc) + header.name_size);

		read_at(fd, &desc, sizeof(desc), at);
		read_at(fd, name, sizeof("exits"), at + sizeof(desc));
		if (strcmp(name, "exits"))
			continue;
		read_at(fd, &exits, sizeof(exits), header.data_offset + desc.offset);
		close(fd);
		return exits;
	}
	ktap_bail("KVM counts no exits of a vCPU");
}
