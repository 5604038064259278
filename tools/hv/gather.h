/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gather.h: collects the facts of the running machine into a report.
 *
 * What cannot be read for want of permission becomes a fact too: "unread FILE".
 * Nothing in it tells one machine from another of its kind: no addresses, no names
 * of hosts or users, and of the kernel's log and command line only what concerns
 * Hyper-V, KVM and the clock.
 */
#ifndef HVNEST_GATHER_H
#define HVNEST_GATHER_H

#include "report.h"

void gather(struct report *report);

/* The part of it that stands in files, below the directory @root ("": the machine's). */
void gather_files(struct report *report, const char *root);

#endif
