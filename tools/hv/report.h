/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report.h: what was found on a machine, as facts of one line each: "KEY: VALUE".
 *
 * The same list is what "hvnest collect" prints and what "hvnest status --from"
 * reads, so whatever is judged can be saved, sent and judged again elsewhere. Keys
 * may repeat (log lines), their order matters only among equal ones, and a key that
 * nobody knows is nobody's problem.
 */
#ifndef HVNEST_REPORT_H
#define HVNEST_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct fact {
	char *key;
	char *value;
};

struct report {
	struct fact *facts;
	size_t count;
	bool complete;			/* false: it was cut off */
	unsigned int odd_lines;		/* neither facts nor comments */
	unsigned int first_odd_line;
};

/*
 * Adds a fact. Bytes that are not printable ASCII become '?': a value is shown on
 * terminals and stands in JSON.
 */
void report_add(struct report *report, const char *key, const char *value);

/* The first fact of this key, or NULL. */
const char *report_get(const struct report *report, const char *key);

/*
 * The first fact after @after (NULL: from the start) whose key begins with @prefix,
 * or NULL.
 */
const struct fact *report_next(const struct report *report, const char *prefix,
			       const struct fact *after);

/* Returns false if the first line says that this is no report. */
bool report_read(struct report *report, FILE *in);
void report_write(const struct report *report, FILE *out);
void report_free(struct report *report);

#endif
