/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages that L1 has told L0 of: see pages.c.
 */
#ifndef HVNEST_L0_PAGES_H
#define HVNEST_L0_PAGES_H

void l0_pages_init(void);

#endif /* HVNEST_L0_PAGES_H */
