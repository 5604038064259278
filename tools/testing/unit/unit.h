/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host tests: each file has one suite, and says how many cases it has.
 */
#ifndef HVNEST_UNIT_H
#define HVNEST_UNIT_H

#include "ktap.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define FIELDS_CASES		6
#define CLEAN_FIELDS_CASES	8
#define DISCOVERY_CASES		14
#define GFN_RANGES_CASES	7
#define FLUSH_LIST_CASES	9
#define L2_FLUSH_RULE_CASES	2
#define TSC_PAGE_CASES		6
#define HV_RESULT_CASES		4

void test_fields(const char *tlfs);
void test_clean_fields(void);
void test_discovery(void);
void test_gfn_ranges(void);
void test_flush_list(void);
void test_l2_flush_rule(void);
void test_tsc_page(const char *table);
void test_hv_result(void);

#endif /* HVNEST_UNIT_H */
