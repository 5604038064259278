// SPDX-License-Identifier: GPL-2.0-only
/*
 * status: the table of enlightenments and costs that our modules show, or our core.
 *
 *	status [NAME=STATE]...		for example: status evmcs=in-use
 *	status --core [NAME=STATE]...	likewise: status --core reference-tsc=in-use
 *
 * Proved: every line of the table has the three fields NAME, STATE and REASON, a
 * known state, and a reason where the state needs one; each row that the command
 * line names is in the state given there.
 *
 * Broken by: an enlightenment that silently is not used, or a table that tools
 * cannot parse. Stock modules and the kernel's own core have no table: all cases are
 * skipped.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/evmcs.h"
#include "lib/ktap.h"

/* The states, and whether a row in that state must say why. */
static const struct {
	const char *name;
	bool needs_reason;
} states[] = {
	{ "absent", false }, { "refused", true }, { "off", false }, { "in-use", false },
	{ "avoided", false }, { "paid", true }, { "native", true }, { "unused", true },
};

static const char *path = HVNEST_STATUS;

static bool line_is_valid(const char *line)
{
	char name[64], state[32], reason[256], extra[2];

	if (sscanf(line, "%63[^\t\n]\t%31[^\t\n]\t%255[^\t\n]%1[\t]", name, state, reason,
		   extra) != 3)
		return false;
	for (unsigned int i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (!strcmp(state, states[i].name))
			return !states[i].needs_reason || strcmp(reason, "-");
	}
	return false;
}

static void check_format(FILE *table)
{
	unsigned int rows = 0, bad = 0;
	char line[512];

	while (fgets(line, sizeof(line), table)) {
		line[strcspn(line, "\n")] = '\0';
		rows++;
		if (line_is_valid(line)) {
			ktap_diag("%s", line);
		} else {
			ktap_diag("malformed: \"%s\"", line);
			bad++;
		}
	}
	ktap_ok(rows && !bad, "every row is NAME, STATE, REASON");
}

static void check_row(char *wanted)
{
	char *state = strchr(wanted, '=');
	char found[32];

	if (!state)
		ktap_bail("usage: status [--core] [NAME=STATE]...");
	*state++ = '\0';
	if (!status_row(path, wanted, found, sizeof(found)))
		snprintf(found, sizeof(found), "missing from the table");
	if (strcmp(found, state))
		ktap_diag("%s is %s", wanted, found);
	ktap_ok(!strcmp(found, state), "%s is %s", wanted, state);
}

int main(int argc, char **argv)
{
	FILE *table;

	if (argc > 1 && !strcmp(argv[1], "--core")) {
		path = HVNEST_CORE_STATUS;
		argc--;
		argv++;
	}
	ktap_plan(argc);
	table = fopen(path, "r");
	if (!table) {
		if (errno != ENOENT)
			ktap_bail("%s: %s", path, strerror(errno));
		ktap_skip_rest("no %s: that is the kernel's own", path);
		return ktap_exit();
	}
	check_format(table);
	fclose(table);
	for (int i = 1; i < argc; i++)
		check_row(argv[i]);
	return ktap_exit();
}
