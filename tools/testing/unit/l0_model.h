/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of what L0 believes about enlightened VMCSs, and a driver that takes
 * L1's side of clean_fields.h through any sequence of steps against it.
 */
#ifndef HVNEST_UNIT_L0_MODEL_H
#define HVNEST_UNIT_L0_MODEL_H

#include <stddef.h>

#include <linux/types.h>

/**
 * l0_model_run() - play a sequence of L1's and L0's steps
 * @input: the sequence; any bytes are one, and equal bytes are the same one
 * @size:  how many bytes
 *
 * The first byte says what kind of L0 it is, see l0_model.c.
 *
 * Return: NULL when L0 never ran L2 with another value than L1 meant, and L1
 * never read another; else what went wrong, until the next call.
 */
const char *l0_model_run(const u8 *input, size_t size);

#endif /* HVNEST_UNIT_L0_MODEL_H */
