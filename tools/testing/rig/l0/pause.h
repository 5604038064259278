/* SPDX-License-Identifier: GPL-2.0-only */
/* Guests that spin with interrupts off: see pause.c. */
#ifndef HVNEST_L0_PAUSE_H
#define HVNEST_L0_PAUSE_H

#include <linux/types.h>

u32 l0_pause_control(void);

#endif /* HVNEST_L0_PAUSE_H */
