// SPDX-License-Identifier: GPL-2.0-only
/* The TSC page: the input says when Hyper-V writes it, and then numbers to compute with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tsc_model.h"
#include "tsc_page.h"

int LLVMFuzzerTestOneInput(const u8 *input, size_t size);

int LLVMFuzzerTestOneInput(const u8 *input, size_t size)
{
	const char *problem = tsc_model_run(input, size);
	u64 v[4] = { 0 }, hz;

	if (problem) {
		fprintf(stderr, "tsc_page: %s\n", problem);
		abort();
	}
	/* No division may overflow. */
	memcpy(v, input, size < sizeof(v) ? size : sizeof(v));
	hz = evmcs_tsc_page_hz(v[0]);
	if (hz && evmcs_clock_behind_ns(v[1], v[2], hz, v[3]) > EVMCS_NS_PER_SECOND)
		abort();
	return 0;
}
