/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ktap.h: prints a test's results as KTAP version 1.
 *
 * A test calls ktap_plan() once, then one of ktap_ok() and ktap_skip() for each
 * planned case, and returns ktap_exit() from main(). Diagnostics that belong to
 * a case come before its result line.
 */
#ifndef KTAP_H
#define KTAP_H

#include <stdbool.h>

/* Exit codes of a kselftest, and the one of a tool that could not run. */
#define KTAP_EXIT_PASS	0
#define KTAP_EXIT_FAIL	1
#define KTAP_EXIT_ERROR	2
#define KTAP_EXIT_SKIP	4

#define ktap_printf(fmt, args) __attribute__((format(printf, fmt, args)))

/* Prints the version line and the plan. */
void ktap_plan(unsigned int cases);

/* Prints the result of the next case and returns @ok. */
bool ktap_ok(bool ok, const char *name, ...) ktap_printf(2, 3);

/* Prints the next case as skipped; the format gives the reason. */
void ktap_skip(const char *name, const char *reason, ...) ktap_printf(2, 3);

/* Skips every case that has no result yet, all for the same reason. */
void ktap_skip_rest(const char *reason, ...) ktap_printf(1, 2);

/* Prints a diagnostic line. */
void ktap_diag(const char *fmt, ...) ktap_printf(1, 2);

/*
 * Gives up: no further case can run. Inside a test this is "Bail out!" and a
 * failure; in a tool that printed no plan it is a message on stderr.
 */
void ktap_bail(const char *fmt, ...) ktap_printf(1, 2) __attribute__((noreturn));

/* Prints the totals and returns the exit code of the test. */
int ktap_exit(void);

#endif
