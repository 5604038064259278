// SPDX-License-Identifier: GPL-2.0-only
/* main.c: the command line of hvnest; hvnest(1) describes it. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "gather.h"
#include "json.h"
#include "judge.h"
#include "print.h"

#define EXIT_USAGE	2

#define DEFAULT_EXITS	10000
#define MAX_EXITS	10000000

static void print_usage(FILE *out)
{
	fputs("usage: hvnest status [--json] [--from FILE]\n"
	      "       hvnest collect\n"
	      "       hvnest bench cpuid [--count N] [--json] [--save FILE] [--against FILE]\n"
	      "status   what of Hyper-V's enlightenments is in use here, what not, why, what to do\n"
	      "collect  print what status looks at, for somebody else's status --from\n"
	      "bench    what one exit of a guest costs, in TSC ticks\n", out);
}

static int usage(const char *complaint, const char *what)
{
	fprintf(stderr, "hvnest: %s%s\n", complaint, what);
	print_usage(stderr);
	return EXIT_USAGE;
}

enum { OPTION_JSON = 1, OPTION_FROM, OPTION_COUNT, OPTION_SAVE, OPTION_AGAINST };

static const struct option options_of_status[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "from", required_argument, NULL, OPTION_FROM },
	{ 0 }
};

static const struct option options_of_bench[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "save", required_argument, NULL, OPTION_SAVE },
	{ "against", required_argument, NULL, OPTION_AGAINST },
	{ 0 }
};

static bool read_from(struct report *report, const char *path)
{
	FILE *in = fopen(path, "re");
	bool is_report = false;

	if (in) {
		is_report = report_read(report, in);
		if (ferror(in))
			fprintf(stderr, "hvnest: %s: %s\n", path, strerror(errno));
		else if (!is_report)
			fprintf(stderr, "hvnest: %s is no report of \"hvnest collect\"\n", path);
		fclose(in);
	} else {
		fprintf(stderr, "hvnest: %s: %s\n", path, strerror(errno));
	}
	return is_report;
}

/* What was printed must have arrived: a full disk is no verdict. */
static int printed(int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	perror("hvnest: standard output");
	return EXIT_USAGE;
}

static int status(int argc, char **argv)
{
	static struct verdict verdict;
	struct report report = { 0 };
	const char *from = NULL;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options_of_status, NULL)) != -1) {
		if (option == OPTION_JSON)
			json = true;
		else if (option == OPTION_FROM)
			from = optarg;
		else
			return EXIT_USAGE;
	}
	if (optind < argc)
		return usage("status takes no ", argv[optind]);
	if (!from) {
		gather(&report);
	} else if (!read_from(&report, from)) {
		report_free(&report);
		return VERDICT_CANNOT_TELL;
	}
	judge(&verdict, &report);
	report_free(&report);
	if (json)
		print_json(&verdict);
	else
		print_text(&verdict);
	return printed(verdict.code);
}

static int collect(int argc, char **argv)
{
	struct report report = { 0 };

	if (argc > 1)
		return usage("collect takes no ", argv[1]);
	gather(&report);
	report_write(&report, stdout);
	report_free(&report);
	return printed(EXIT_SUCCESS);
}

static int bench(int argc, char **argv)
{
	struct bench_options options = { .exits = DEFAULT_EXITS };
	unsigned long count;
	char *end;
	int option;

	if (argc < 2 || strcmp(argv[1], "cpuid"))
		return usage("bench needs to be told what: ", "cpuid");
	while ((option = getopt_long(argc - 1, argv + 1, "", options_of_bench, NULL)) != -1) {
		switch (option) {
		case OPTION_JSON:
			options.json = true;
			break;
		case OPTION_COUNT:
			errno = 0;
			count = strtoul(optarg, &end, 10);
			if (errno || *end || !count || count > MAX_EXITS)
				return usage("--count takes a number from 1 to 10000000, not ", optarg);
			options.exits = count;
			break;
		case OPTION_SAVE:
			options.save = optarg;
			break;
		case OPTION_AGAINST:
			options.against = optarg;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind < argc - 1)
		return usage("bench cpuid takes no ", argv[1 + optind]);
	return printed(bench_run(&options));
}

int main(int argc, char **argv)
{
	json_start();
	if (argc < 2)
		return usage("no command", "");
	if (!strcmp(argv[1], "status"))
		return status(argc - 1, argv + 1);
	if (!strcmp(argv[1], "collect"))
		return collect(argc - 1, argv + 1);
	if (!strcmp(argv[1], "bench"))
		return bench(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--help")) {
		print_usage(stdout);
		return printed(EXIT_SUCCESS);
	}
	return usage("no such command: ", argv[1]);
}
