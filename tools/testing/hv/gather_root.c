// SPDX-License-Identifier: GPL-2.0-only
/* gather_root DIR: prints the report of the files below DIR. */
#include "gather.h"

int main(int argc, char **argv)
{
	struct report report = { 0 };

	if (argc != 2)
		return 2;
	gather_files(&report, argv[1]);
	report_write(&report, stdout);
	report_free(&report);
	return 0;
}
