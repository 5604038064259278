/* SPDX-License-Identifier: GPL-2.0-only */
/* json.h: what the parts that print JSON share. */
#ifndef HVNEST_JSON_H
#define HVNEST_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

/* Of all that hvnest writes; a change that is no addition makes it 2. */
#define JSON_SCHEMA	1

/* To be called before anything else of JSON. */
void json_start(void);

/* NULL becomes null. */
void json_add_string(struct json_object *object, const char *key, const char *value);

/* Prints the object and frees it; returns false if it could not be written. */
bool json_print(struct json_object *object, FILE *out);

#endif
