/* SPDX-License-Identifier: GPL-2.0-only */
/* stats.h: KVM's binary statistics of a VM and of a vCPU. */
#ifndef STATS_H
#define STATS_H

#include <stdint.h>

#include "vm.h"

/* The vCPU's exits so far, those that KVM handles without the VMM included. */
uint64_t stats_exits(struct vcpu *vcpu);

/* The vCPU's hypercalls so far, those that KVM has seen. */
uint64_t stats_hypercalls(struct vcpu *vcpu);

/* The pages of 2 MiB that the VM has mapped now. */
uint64_t stats_huge_pages(struct vm *vm);

#endif
