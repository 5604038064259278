// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hyper-V's reference TSC page: its arithmetic against tsc_page.py, and its protocol against
 * a Hyper-V that writes the page between any two loads.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/types.h>

#include "tsc_model.h"
#include "tsc_page.h"
#include "unit.h"

#define MAX_LOADS	24

static u64 the_tsc;

static u64 read_the_tsc(void)
{
	return the_tsc;
}

static u64 time_of(u64 tsc, u64 scale, u64 offset)
{
	const struct evmcs_tsc_page page = { .sequence = 1, .scale = scale, .offset = offset };
	struct evmcs_tsc_sample sample;

	the_tsc = tsc;
	return evmcs_tsc_page_read(&page, read_the_tsc, &sample) ? sample.time : ~0ull;
}

static u64 value_of(const char *what, const u64 *v)
{
	if (!strcmp(what, "time"))
		return time_of(v[0], v[1], v[2]);
	if (!strcmp(what, "hz"))
		return evmcs_tsc_page_hz(v[0]);
	if (!strcmp(what, "ns"))
		return evmcs_clock_ns(v[0], v[1]);
	return evmcs_clock_behind_ns(v[0], v[1], v[2], v[3]);
}

/* All rows of one kind; none is a failure, too. */
static bool agrees(const char *table, const char *kind)
{
	FILE *rows = fopen(table, "r");
	unsigned int seen = 0;
	bool ok = rows;
	char line[256];

	while (ok && fgets(line, sizeof(line), rows)) {
		u64 v[5];
		char what[8];
		int n = sscanf(line, "%7s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
			       what, &v[0], &v[1], &v[2], &v[3], &v[4]) - 1;

		if (n < 2 || strcmp(what, kind))
			continue;
		seen++;
		if (value_of(what, v) != v[n - 1]) {
			ktap_diag("found %" PRIu64 ", expected: %s", value_of(what, v), line);
			ok = false;
		}
	}
	if (rows)
		fclose(rows);
	return ok && seen;
}

/* Each number of steps of a write, before each load, and a second one behind it. */
static bool every_place(void)
{
	static const u8 steps[] = { 1, 2, 3, 4, 5, 0xfe, 0xff };
	u8 input[MAX_LOADS];

	for (unsigned int first = 0; first < MAX_LOADS; first++) {
		for (unsigned int second = first + 1; second < MAX_LOADS; second++) {
			for (unsigned int i = 0; i < ARRAY_SIZE(steps) * ARRAY_SIZE(steps); i++) {
				const char *problem;

				memset(input, 0x10, sizeof(input));
				input[first] = steps[i / ARRAY_SIZE(steps)];
				input[second] = steps[i % ARRAY_SIZE(steps)];
				problem = tsc_model_run(input, sizeof(input));
				if (!problem)
					continue;
				ktap_diag("written before loads %u and %u, %#x and %#x: %s", first,
					  second, input[first], input[second], problem);
				return false;
			}
		}
	}
	return true;
}

static bool invalid(void)
{
	const struct evmcs_tsc_page page = { .scale = 1ull << 57 };
	struct evmcs_tsc_sample sample;

	return !evmcs_tsc_page_read(&page, read_the_tsc, &sample);
}

void test_tsc_page(const char *table)
{
	ktap_ok(agrees(table, "time"), "TSC page: the time, with all that wraps");
	ktap_ok(agrees(table, "hz"), "TSC page: the frequency of its scale");
	ktap_ok(agrees(table, "ns"), "TSC page: nanoseconds for ticks");
	ktap_ok(agrees(table, "behind"), "TSC page: what a new base is behind the old one");
	ktap_ok(invalid(), "TSC page: no time from one that is invalid");
	ktap_ok(every_place(), "TSC page: written while it is read, between any two loads");
}
