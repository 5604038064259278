// SPDX-License-Identifier: GPL-2.0-only
/*
 * What kvm.ko reads and kvm-intel.ko writes, and no more than that: see debugctl.h and
 * costs.c, l2_flush_request.h and l2_flush.c.
 */
#include <linux/export.h>

#include "debugctl.h"
#include "l2_flush_request.h"

DEFINE_PER_CPU(bool, evmcs_debugctl_unused);
EXPORT_PER_CPU_SYMBOL_GPL(evmcs_debugctl_unused);

void (*evmcs_l2_flush_op)(struct kvm_vcpu *vcpu);
EXPORT_SYMBOL_GPL(evmcs_l2_flush_op);
