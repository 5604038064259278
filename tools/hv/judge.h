/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * judge.h: what a report means: what is in use and what is not, why, and what to do.
 * Reads nothing but the report and prints nothing.
 */
#ifndef HVNEST_JUDGE_H
#define HVNEST_JUDGE_H

#include "host.h"
#include "report.h"

#define REASON		256
#define MAX_ROWS	48
#define MAX_TODO	24
#define MAX_UNSEEN	16

/* Exit codes of "hvnest status". */
#define VERDICT_ALL		0	/* all that is offered is in use */
#define VERDICT_LACKS		1	/* something is not, or KVM cannot run guests */
#define VERDICT_CANNOT_TELL	2

/* Which part of the kernel an enlightenment is for; costs are not enlightenments. */
enum group { GROUP_NESTED, GROUP_COST, GROUP_CORE, NR_GROUPS };

/*
 * One enlightenment. @state is one of STATE_*, or another word of our modules, which
 * may be newer than this program.
 */
struct row {
	enum group group;
	char name[32];
	enum tell offered;
	char state[24];
	char reason[REASON];
};

#define STATE_IN_USE	"in-use"
#define STATE_OFF	"off"		/* offered; a choice says no */
#define STATE_REFUSED	"refused"	/* offered, and it cannot be used */
#define STATE_ABSENT	"absent"	/* not offered */
#define STATE_UNUSED	"unused"	/* offered; Linux has no code for it */
#define STATE_UNKNOWN	"unknown"
#define STATE_AVOIDED	"avoided"	/* costs: L0 exits that do not happen */
#define STATE_PAID	"paid"		/* ... and those that do */
/* Our core has one more, "native": offered; it does without, by Linux's own ways */

#define CLOCK_OK	"ok"
#define CLOCK_RISK	"risk"		/* the best there is, and not good */
#define CLOCK_POOR	"poor"		/* there is, or should be, a better one */
#define CLOCK_UNKNOWN	"unknown"

struct verdict {
	struct host host;
	const char *level;		/* bare-metal, hyper-v, other-hypervisor, unknown */
	const char *kind;
	const char *modules;		/* hvnest, kernel, none, unknown */

	enum tell guests;		/* can guests run? */
	char guests_reason[REASON];
	enum tell nested;		/* ... and be hypervisors themselves? */

	char clock[64];
	char clock_best[64];
	const char *clock_state;
	char clock_reason[REASON];

	struct row rows[MAX_ROWS];
	unsigned int nr_rows;
	char todo[MAX_TODO][REASON];
	unsigned int nr_todo;
	char unseen[MAX_UNSEEN][REASON];
	unsigned int nr_unseen;
	int code;			/* VERDICT_* */
};

void judge(struct verdict *verdict, const struct report *report);

/* The parts of it, in this order; each is a file of its own. */
void judge_guests(struct verdict *verdict, const struct report *report);
void judge_clock(struct verdict *verdict, const struct report *report);
void judge_nested(struct verdict *verdict, const struct report *report);
void judge_core(struct verdict *verdict, const struct report *report);

/* For those parts. */
struct row *verdict_row(struct verdict *verdict, enum group group, const char *name,
			enum tell offered, const char *state, const char *reason, ...)
	__attribute__((format(printf, 6, 7)));
/* The same advice twice is one. */
void verdict_todo(struct verdict *verdict, const char *advice, ...)
	__attribute__((format(printf, 2, 3)));
void verdict_unseen(struct verdict *verdict, const char *what, ...)
	__attribute__((format(printf, 2, 3)));
void verdict_set(char text[REASON], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
