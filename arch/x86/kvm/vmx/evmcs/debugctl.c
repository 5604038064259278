// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one word that kvm.ko reads and kvm-intel.ko writes: see debugctl.h and costs.c.
 */
#include <linux/export.h>

#include "debugctl.h"

DEFINE_PER_CPU(bool, evmcs_debugctl_unused);
EXPORT_PER_CPU_SYMBOL_GPL(evmcs_debugctl_unused);
