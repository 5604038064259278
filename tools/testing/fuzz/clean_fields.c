// SPDX-License-Identifier: GPL-2.0-only
/* The clean fields: the input is a sequence of steps of L1 and L0. */
#include <stdio.h>
#include <stdlib.h>

#include "l0_model.h"

int LLVMFuzzerTestOneInput(const u8 *input, size_t size);

int LLVMFuzzerTestOneInput(const u8 *input, size_t size)
{
	const char *problem = l0_model_run(input, size);

	if (problem) {
		fprintf(stderr, "clean_fields: %s\n", problem);
		abort();
	}
	return 0;
}
