// SPDX-License-Identifier: GPL-2.0-only
/* report.c: see report.h. */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_LINE	"hvnest report 1"
#define LAST_LINE	"end"

/* Nothing that is judged is longer, and no report has more of it. */
#define MAX_TEXT	512
#define MAX_FACTS	4096

static char *printable(const char *text)
{
	char *copy = strndup(text, MAX_TEXT);

	if (!copy) {
		perror("hvnest");
		exit(2);
	}
	for (char *c = copy; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = *c == '\t' ? '\t' : '?';
	}
	return copy;
}

void report_add(struct report *report, const char *key, const char *value)
{
	if (report->count >= MAX_FACTS)
		return;
	if (!(report->count & (report->count - 1))) {
		size_t room = report->count ? 2 * report->count : 1;

		report->facts = realloc(report->facts, room * sizeof(report->facts[0]));
		if (!report->facts) {
			perror("hvnest");
			exit(2);
		}
	}
	report->facts[report->count++] = (struct fact){ printable(key), printable(value) };
}

const char *report_get(const struct report *report, const char *key)
{
	for (size_t i = 0; i < report->count; i++) {
		if (!strcmp(report->facts[i].key, key))
			return report->facts[i].value;
	}
	return NULL;
}

const struct fact *report_next(const struct report *report, const char *prefix,
			       const struct fact *after)
{
	const struct fact *fact = after ? after + 1 : report->facts;

	for (; fact && fact < report->facts + report->count; fact++) {
		if (!strncmp(fact->key, prefix, strlen(prefix)))
			return fact;
	}
	return NULL;
}

static void read_line(struct report *report, char *line, unsigned int number)
{
	char *colon = strstr(line, ": ");

	if (report->complete || !colon || colon == line) {
		if (!report->odd_lines++)
			report->first_odd_line = number;
		return;
	}
	*colon = '\0';
	report_add(report, line, colon + 2);
}

bool report_read(struct report *report, FILE *in)
{
	unsigned int number = 0;
	bool is_report = false;
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	while ((length = getline(&line, &room, in)) >= 0) {
		/* A last line without its end may have lost some of its text. */
		bool whole = length && line[length - 1] == '\n';

		line[strcspn(line, "\r\n")] = '\0';
		if (!number++) {
			is_report = whole && !strcmp(line, FIRST_LINE);
			if (!is_report)
				break;
		} else if (!strcmp(line, LAST_LINE)) {
			report->complete = true;
		} else if (whole && line[0] && line[0] != '#') {
			read_line(report, line, number);
		}
	}
	free(line);
	return is_report;
}

void report_write(const struct report *report, FILE *out)
{
	fputs(FIRST_LINE "\n", out);
	for (size_t i = 0; i < report->count; i++)
		fprintf(out, "%s: %s\n", report->facts[i].key, report->facts[i].value);
	fputs(LAST_LINE "\n", out);
}

void report_free(struct report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->facts[i].key);
		free(report->facts[i].value);
	}
	free(report->facts);
	*report = (struct report){ 0 };
}
