// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit: runs every host test of the pure logic.
 *
 * usage: unit TLFS_TABLE TSC_TABLE
 */
#include <stdio.h>

#include "unit.h"

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: unit TLFS_TABLE TSC_TABLE\n");
		return KTAP_EXIT_ERROR;
	}

	ktap_plan(FIELDS_CASES + CLEAN_FIELDS_CASES + DISCOVERY_CASES +
		  GFN_RANGES_CASES + FLUSH_LIST_CASES + L2_FLUSH_RULE_CASES +
		  TSC_PAGE_CASES + HV_RESULT_CASES);
	test_fields(argv[1]);
	test_clean_fields();
	test_discovery();
	test_gfn_ranges();
	test_flush_list();
	test_l2_flush_rule();
	test_tsc_page(argv[2]);
	test_hv_result();
	return ktap_exit();
}
