// SPDX-License-Identifier: GPL-2.0-only
/* bench_run.c: the command "bench": what is measured, saved and compared. See bench.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bench.h"
#include "gather.h"
#include "json.h"
#include "judge.h"

#define EXIT_OK		0
#define EXIT_CANNOT	2

/* Ticks that two reads of the TSC take where nobody intercepts them: much fewer. */
#define NO_RDTSC	1000

/* The figures, as they are called in JSON. */
static const char *const names[] = { "ticks_min", "ticks_median", "ticks_p99" };

#define FIGURES	ARRAY_SIZE(names)

/* Says why not, and what to do, as "status" does. */
static bool can_run(struct verdict *verdict)
{
	struct report report = { 0 };
	bool can;

	gather(&report);
	judge(verdict, &report);
	can = !strcmp(report_get(&report, "device kvm"), "ok");
	if (!can) {
		fprintf(stderr, "hvnest: cannot run a guest: %s\n", verdict->guests_reason);
		for (unsigned int i = 0; i < verdict->nr_todo; i++)
			fprintf(stderr, "hvnest: %s\n", verdict->todo[i]);
	}
	report_free(&report);
	return can;
}

static const char *evmcs_state(const struct verdict *verdict)
{
	for (unsigned int i = 0; i < verdict->nr_rows; i++) {
		if (!strcmp(verdict->rows[i].name, "evmcs"))
			return verdict->rows[i].state;
	}
	return STATE_ABSENT;
}

static struct json_object *json_of(const struct bench *bench, const struct verdict *verdict)
{
	const uint64_t values[] = { bench->min, bench->median, bench->p99 };
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "schema", json_object_new_int(JSON_SCHEMA));
	json_add_string(object, "bench", "cpuid");
	json_object_object_add(object, "exits", json_object_new_int64(bench->exits));
	for (size_t i = 0; i < FIGURES; i++)
		json_object_object_add(object, names[i], json_object_new_uint64(values[i]));
	json_object_object_add(object, "ticks_overhead", json_object_new_uint64(bench->overhead));
	json_object_object_add(object, "tsc_khz", json_object_new_int64(bench->tsc_khz));
	json_add_string(object, "kernel", verdict->host.kernel_text);
	json_add_string(object, "kvm_modules", verdict->modules);
	json_add_string(object, "evmcs", evmcs_state(verdict));
	return object;
}

/* The figures of a saved run; says what is wrong with the file. */
static bool load(const char *path, uint64_t values[FIGURES])
{
	struct json_object *saved = json_object_from_file(path);
	bool ok = saved;

	if (!saved)
		fprintf(stderr, "hvnest: %s cannot be read, or is no JSON\n", path);
	for (size_t i = 0; ok && i < FIGURES; i++) {
		struct json_object *value;

		ok = json_object_object_get_ex(saved, names[i], &value) &&
		     json_object_is_type(value, json_type_int) && json_object_get_int64(value) > 0;
		values[i] = ok ? json_object_get_uint64(value) : 0;
		if (!ok)
			fprintf(stderr, "hvnest: %s is no saved run: no %s\n", path, names[i]);
	}
	json_object_put(saved);
	return ok;
}

static bool save(const char *path, const struct bench *bench, const struct verdict *verdict)
{
	FILE *out = fopen(path, "we");
	bool saved = out && json_print(json_of(bench, verdict), out);

	if (out && fclose(out))
		saved = false;
	if (!saved)
		fprintf(stderr, "hvnest: %s: %s\n", path, strerror(errno));
	return saved;
}

static double change(uint64_t now, uint64_t before)
{
	return 100.0 * ((double)now - (double)before) / (double)before;
}

static void print(const struct bench *bench, const struct verdict *verdict, const uint64_t *before)
{
	const uint64_t values[] = { bench->min, bench->median, bench->p99 };
	const char *const labels[] = { "min", "median", "p99" };

	printf("CPUID in a guest, %" PRIu32 " exits, Linux %s, eVMCS %s\n", bench->exits,
	       verdict->host.kernel_text, evmcs_state(verdict));
	for (size_t i = 0; i < FIGURES; i++) {
		printf("  %-6s %10" PRIu64 " ticks", labels[i], values[i]);
		if (bench->tsc_khz)
			printf(" %10.2f us", 1000.0 * values[i] / bench->tsc_khz);
		if (before)
			printf("   %+.1f %%", change(values[i], before[i]));
		putchar('\n');
	}
	printf("  (of which the timing itself takes %" PRIu64 ")\n", bench->overhead);
}

static void print_json(const struct bench *bench, const struct verdict *verdict, const uint64_t *before)
{
	const uint64_t values[] = { bench->min, bench->median, bench->p99 };
	struct json_object *object = json_of(bench, verdict);

	if (before) {
		struct json_object *changes = json_object_new_object();

		for (size_t i = 0; i < FIGURES; i++) {
			char text[32];

			snprintf(text, sizeof(text), "%.1f", change(values[i], before[i]));
			json_object_object_add(changes, names[i],
					       json_object_new_double_s(change(values[i], before[i]), text));
		}
		json_object_object_add(object, "change_percent", changes);
	}
	json_print(object, stdout);
}

int bench_run(const struct bench_options *options)
{
	struct verdict verdict;
	uint64_t before[FIGURES];
	struct bench bench;

	/* Before a run that may take long: a file of no use. */
	if (options->against && !load(options->against, before))
		return EXIT_CANNOT;
	if (!can_run(&verdict))
		return EXIT_CANNOT;
	bench_cpuid(&bench, options->exits);
	if (bench.overhead > NO_RDTSC)
		fprintf(stderr, "hvnest: to read the TSC takes %" PRIu64 " ticks in a guest here: it is intercepted, and the figures say little\n",
			bench.overhead);
	if (options->json)
		print_json(&bench, &verdict, options->against ? before : NULL);
	else
		print(&bench, &verdict, options->against ? before : NULL);
	if (options->save && !save(options->save, &bench, &verdict))
		return EXIT_CANNOT;
	return EXIT_OK;
}
