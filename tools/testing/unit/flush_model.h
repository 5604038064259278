/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * L0's side of a flush list, and a driver that takes gfn_ranges.h and flush_list.h
 * through any sequence of steps and compares with the pages that were meant.
 */
#ifndef HVNEST_UNIT_FLUSH_MODEL_H
#define HVNEST_UNIT_FLUSH_MODEL_H

#include <stddef.h>

#include <linux/types.h>

#include "page_set.h"

/**
 * flush_list_decode() - what L0 flushes
 * @list:    entries of HvCallFlushGuestPhysicalAddressList
 * @entries: how many
 * @pages:   their pages are added here
 *
 * Return: NULL, or what is wrong with an entry.
 */
const char *flush_list_decode(const u64 *list, unsigned int entries, struct page_set *pages);

/**
 * flush_model_run() - gather pages and flush them, time and again
 * @input: what to do; any bytes are a sequence of steps
 * @size:  how many bytes
 *
 * Return: NULL when every page that was meant was flushed, and no other one unless
 * there were too many ranges; else what went wrong.
 */
const char *flush_model_run(const u8 *input, size_t size);

#endif /* HVNEST_UNIT_FLUSH_MODEL_H */
