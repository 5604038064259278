// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoint of kvm.ko.
 */
#define CREATE_TRACE_POINTS
#include "flush_trace.h"
