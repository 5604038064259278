/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tsc_model.h: Hyper-V, who writes the reference TSC page while it is read.
 *
 * Input: bytes that say before which loads of the reader the page changes, and to what.
 */
#ifndef HVNEST_UNIT_TSC_MODEL_H
#define HVNEST_UNIT_TSC_MODEL_H

#include <linux/types.h>

/* NULL, or what is wrong with what the reader made of it. */
const char *tsc_model_run(const u8 *input, size_t size);

#endif /* HVNEST_UNIT_TSC_MODEL_H */
