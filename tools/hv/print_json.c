// SPDX-License-Identifier: GPL-2.0-only
/* print_json.c: see print.h. */
#include "json.h"
#include "print.h"

static const char *const vendors[] = {
	[VENDOR_OTHER] = "other", [VENDOR_INTEL] = "intel", [VENDOR_AMD] = "amd",
};

static const char *const isolations[] = {
	[ISOLATION_NONE] = "none", [ISOLATION_VBS] = "vbs", [ISOLATION_SNP] = "snp",
	[ISOLATION_TDX] = "tdx", [ISOLATION_OTHER] = "other",
};

static const char *const groups[NR_GROUPS] = {
	[GROUP_NESTED] = "nested", [GROUP_COST] = "cost", [GROUP_CORE] = "core",
};

static const char *text(const char *value)
{
	return value[0] ? value : NULL;
}

static void add_tell(struct json_object *object, const char *key, enum tell tell)
{
	json_object_object_add(object, key, tell == TELL_UNKNOWN ? NULL : json_object_new_boolean(tell));
}

static struct json_object *machine_of(const struct verdict *verdict)
{
	struct json_object *machine = json_object_new_object();

	json_add_string(machine, "level", verdict->level);
	json_add_string(machine, "kind", verdict->kind);
	json_add_string(machine, "isolation", isolations[verdict->host.isolation]);
	json_add_string(machine, "cpu", vendors[verdict->host.vendor]);
	json_add_string(machine, "kernel", text(verdict->host.kernel_text));
	json_add_string(machine, "hypervisor", verdict->host.hyperv ? "Microsoft Hv" :
			text(verdict->host.signature));
	json_add_string(machine, "host_build", text(verdict->host.version));
	json_add_string(machine, "kvm_modules", verdict->modules);
	return machine;
}

static struct json_object *guests_of(const struct verdict *verdict)
{
	struct json_object *guests = json_object_new_object();

	add_tell(guests, "can_run", verdict->guests);
	json_add_string(guests, "reason", text(verdict->guests_reason));
	add_tell(guests, "nested", verdict->nested);
	return guests;
}

static struct json_object *clock_of(const struct verdict *verdict)
{
	struct json_object *clock = json_object_new_object();

	json_add_string(clock, "current", text(verdict->clock));
	json_add_string(clock, "best", text(verdict->clock_best));
	json_add_string(clock, "state", verdict->clock_state);
	json_add_string(clock, "reason", text(verdict->clock_reason));
	return clock;
}

static struct json_object *row_of(const struct row *row)
{
	struct json_object *object = json_object_new_object();

	json_add_string(object, "name", row->name);
	json_add_string(object, "group", groups[row->group]);
	add_tell(object, "offered", row->offered);
	json_add_string(object, "state", row->state);
	json_add_string(object, "reason", text(row->reason));
	return object;
}

static struct json_object *lines_of(const char lines[][REASON], unsigned int count)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < count; i++)
		json_object_array_add(array, json_object_new_string(lines[i]));
	return array;
}

void print_json(const struct verdict *verdict)
{
	struct json_object *root = json_object_new_object();
	struct json_object *rows = json_object_new_array();

	for (unsigned int i = 0; i < verdict->nr_rows; i++)
		json_object_array_add(rows, row_of(&verdict->rows[i]));
	json_object_object_add(root, "schema", json_object_new_int(JSON_SCHEMA));
	json_object_object_add(root, "exit_code", json_object_new_int(verdict->code));
	json_object_object_add(root, "machine", machine_of(verdict));
	json_object_object_add(root, "guests", guests_of(verdict));
	json_object_object_add(root, "clock", clock_of(verdict));
	json_object_object_add(root, "enlightenments", rows);
	json_object_object_add(root, "not_seen", lines_of(verdict->unseen, verdict->nr_unseen));
	json_object_object_add(root, "what_to_do", lines_of(verdict->todo, verdict->nr_todo));
	json_print(root, stdout);
}
