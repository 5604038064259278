// SPDX-License-Identifier: GPL-2.0-only
/* json.c: see json.h. */
#include "json.h"

void json_start(void)
{
	/*
	 * The other hash takes random bytes, for which a machine that has just booted
	 * may have to wait long. Nobody attacks our few keys.
	 */
	json_global_set_string_hash(JSON_C_STR_HASH_PERLLIKE);
}

void json_add_string(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
}

bool json_print(struct json_object *object, FILE *out)
{
	const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_SPACED |
							  JSON_C_TO_STRING_NOSLASHESCAPE);
	bool written = text && fprintf(out, "%s\n", text) > 0 && !fflush(out);

	json_object_put(object);
	return written;
}
