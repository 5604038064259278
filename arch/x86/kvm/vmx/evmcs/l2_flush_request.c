// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one word that kvm.ko reads and kvm-intel.ko writes: see l2_flush_request.h.
 */
#include <linux/export.h>

#include "l2_flush_request.h"

void (*evmcs_l2_flush_op)(struct kvm_vcpu *vcpu);
EXPORT_SYMBOL_GPL(evmcs_l2_flush_op);
