// SPDX-License-Identifier: GPL-2.0-only
/* Flush lists: the input is a sequence of pages that change, and of flushes. */
#include <stdio.h>
#include <stdlib.h>

#include "flush_model.h"

int LLVMFuzzerTestOneInput(const u8 *input, size_t size);

int LLVMFuzzerTestOneInput(const u8 *input, size_t size)
{
	const char *problem = flush_model_run(input, size);

	if (problem) {
		fprintf(stderr, "flush_list: %s\n", problem);
		abort();
	}
	return 0;
}
