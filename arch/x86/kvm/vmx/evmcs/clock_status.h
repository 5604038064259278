/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HVNEST_EVMCS_CLOCK_STATUS_H
#define HVNEST_EVMCS_CLOCK_STATUS_H

void evmcs_clock_setup(void);
void evmcs_clock_off(void);

#endif /* HVNEST_EVMCS_CLOCK_STATUS_H */
