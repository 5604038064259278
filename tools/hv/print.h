/* SPDX-License-Identifier: GPL-2.0-only */
/* print.h: a verdict for people, and for programs. */
#ifndef HVNEST_PRINT_H
#define HVNEST_PRINT_H

#include "judge.h"

void print_text(const struct verdict *verdict);

/* The schema stands in hvnest(1): keys are added, never changed. */
void print_json(const struct verdict *verdict);

#endif
