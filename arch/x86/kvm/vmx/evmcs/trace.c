// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints of kvm-intel.ko.
 */
#define CREATE_TRACE_POINTS
#include "trace.h"
