// SPDX-License-Identifier: GPL-2.0-only
/* ktap.c: see ktap.h. */
#include "ktap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
	bool started;
	unsigned int planned, passed, failed, skipped;
} ktap;

static unsigned int next_case(void)
{
	return ktap.passed + ktap.failed + ktap.skipped + 1;
}

static void print_args(FILE *out, const char *fmt, va_list ap)
{
	vfprintf(out, fmt, ap);
	fputc('\n', out);
	fflush(out);
}

void ktap_plan(unsigned int cases)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n", cases);
	ktap.started = true;
	ktap.planned = cases;
}

bool ktap_ok(bool ok, const char *name, ...)
{
	va_list ap;

	printf("%s %u ", ok ? "ok" : "not ok", next_case());
	va_start(ap, name);
	print_args(stdout, name, ap);
	va_end(ap);
	if (ok)
		ktap.passed++;
	else
		ktap.failed++;
	return ok;
}

static void skip(const char *name, const char *reason, va_list ap)
{
	printf("ok %u %s # SKIP ", next_case(), name);
	print_args(stdout, reason, ap);
	ktap.skipped++;
}

void ktap_skip(const char *name, const char *reason, ...)
{
	va_list ap;

	va_start(ap, reason);
	skip(name, reason, ap);
	va_end(ap);
}

void ktap_skip_rest(const char *reason, ...)
{
	va_list ap;

	while (next_case() <= ktap.planned) {
		va_start(ap, reason);
		skip("not run", reason, ap);
		va_end(ap);
	}
}

void ktap_diag(const char *fmt, ...)
{
	va_list ap;

	fputs("# ", stdout);
	va_start(ap, fmt);
	print_args(stdout, fmt, ap);
	va_end(ap);
}

void ktap_bail(const char *fmt, ...)
{
	FILE *out = ktap.started ? stdout : stderr;
	va_list ap;

	if (ktap.started)
		fputs("Bail out! ", out);
	va_start(ap, fmt);
	print_args(out, fmt, ap);
	va_end(ap);
	exit(ktap.started ? KTAP_EXIT_FAIL : KTAP_EXIT_ERROR);
}

int ktap_exit(void)
{
	unsigned int run = ktap.passed + ktap.failed + ktap.skipped;

	if (run != ktap.planned)
		ktap_diag("%u cases planned, %u reported", ktap.planned, run);
	ktap_diag("Totals: pass:%u fail:%u skip:%u", ktap.passed, ktap.failed, ktap.skipped);
	if (ktap.failed || run != ktap.planned || !run)
		return KTAP_EXIT_FAIL;
	return ktap.passed ? KTAP_EXIT_PASS : KTAP_EXIT_SKIP;
}
