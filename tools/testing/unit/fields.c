// SPDX-License-Identifier: GPL-2.0-only
/*
 * The field table against the TLFS.
 *
 * evmcs-v1.tsv has the structure as the TLFS declares it, member by member, and
 * its mapping table. The offsets are worked out here from the order and the
 * sizes, as a C compiler would, so that neither the kernel's structure nor our
 * table is taken on trust.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include "fields.h"
#include "unit.h"

#define MAX_MEMBERS	256

struct member {
	char name[40];
	unsigned int bytes, offset;
	long encoding;		/* -1: no row in the mapping table */
	int group;		/* -1: likewise */
};

static struct member members[MAX_MEMBERS];
static unsigned int nr_members;

static int group_of(const char *name)
{
	static const struct {
		const char *name;
		int group;
	} groups[] = {
		{ "NONE", 0 }, { "READ_ONLY", 0 },
		{ "IO_BITMAP", 1 << 0 }, { "MSR_BITMAP", 1 << 1 },
		{ "CONTROL_GRP2", 1 << 2 }, { "CONTROL_GRP1", 1 << 3 },
		{ "CONTROL_PROC", 1 << 4 }, { "CONTROL_EVENT", 1 << 5 },
		{ "CONTROL_ENTRY", 1 << 6 }, { "CONTROL_EXCPN", 1 << 7 },
		{ "CRDR", 1 << 8 }, { "CONTROL_XLAT", 1 << 9 },
		{ "GUEST_BASIC", 1 << 10 }, { "GUEST_GRP1", 1 << 11 },
		{ "GUEST_GRP2", 1 << 12 }, { "HOST_POINTER", 1 << 13 },
		{ "HOST_GRP1", 1 << 14 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(groups); i++)
		if (!strcmp(groups[i].name, name))
			return groups[i].group;
	return -1;
}

/* Returns the size of the structure, 0 when the table cannot be read. */
static unsigned int read_tlfs(const char *path)
{
	FILE *in = fopen(path, "r");
	unsigned int offset = 0;
	char line[160];

	if (!in) {
		ktap_diag("%s: %s", path, strerror(errno));
		return 0;
	}
	while (fgets(line, sizeof(line), in) && nr_members < MAX_MEMBERS) {
		struct member *m = &members[nr_members];
		char encoding[16], group[24];

		if (line[0] == '#')
			continue;
		if (sscanf(line, "%39s %u %15s %23s", m->name, &m->bytes,
			   encoding, group) != 4 || !m->bytes) {
			ktap_diag("%s: not understood: %s", path, line);
			offset = 0;
			break;
		}
		m->encoding = encoding[0] == '-' ? -1 : strtol(encoding, NULL, 16);
		m->group = group[0] == '-' ? -1 : group_of(group);
		if ((m->encoding < 0) != (m->group < 0)) {
			ktap_diag("%s: %s: unknown group %s", path, m->name, group);
			offset = 0;
			break;
		}
		offset = (offset + m->bytes - 1) / m->bytes * m->bytes;
		m->offset = offset;
		offset += m->bytes;
		nr_members++;
	}
	fclose(in);
	return offset;
}

static struct evmcs_slot slot_of(long encoding)
{
	return evmcs_has_field(encoding) ? evmcs_slots[EVMCS_INDEX(encoding)] :
					   (struct evmcs_slot){};
}

/* Holds one property of each row against the TLFS; names the rows that differ. */
static bool rows_agree(const char *property)
{
	unsigned int bad = 0;

	for (unsigned int i = 0; i < nr_members; i++) {
		const struct member *m = &members[i];
		struct evmcs_slot slot;
		unsigned int ours, tlfs;

		if (m->encoding < 0)
			continue;
		slot = slot_of(m->encoding);
		if (!strcmp(property, "offset")) {
			ours = slot.offset;
			tlfs = m->offset;
		} else if (!strcmp(property, "width")) {
			ours = slot.bytes;
			tlfs = m->bytes;
		} else {
			ours = slot.group;
			tlfs = m->group;
		}
		if (ours != tlfs) {
			ktap_diag("%s (0x%04lx): %s 0x%x, in the TLFS 0x%x",
				  m->name, m->encoding, property, ours, tlfs);
			bad++;
		}
	}
	return !bad && nr_members;
}

/*
 * The table's rows are the TLFS's and those for members that the TLFS leaves
 * without a row; each of them sits on a member of its own, whole.
 */
static bool rows_are_members(void)
{
	unsigned int rows = 0, with_row = 0;
	bool good = true;

	for (unsigned int i = 0; i < nr_members; i++)
		with_row += members[i].encoding >= 0;
	for (unsigned int i = 0; i < EVMCS_NR_INDICES; i++) {
		const struct evmcs_slot *slot = &evmcs_slots[i];
		unsigned int found = 0;

		if (!slot->offset)
			continue;
		rows++;
		for (unsigned int k = 0; k < nr_members; k++)
			found += members[k].offset == slot->offset &&
				 members[k].bytes == slot->bytes;
		for (unsigned int k = 0; k < i; k++)
			found += evmcs_slots[k].offset == slot->offset;
		if (found != 1) {
			ktap_diag("index %u: offset 0x%x, %u bytes", i,
				  slot->offset, slot->bytes);
			good = false;
		}
	}
	ktap_diag("%u rows, %u of them in the TLFS", rows, with_row);
	return good && with_row == 128 && rows == 128 + 14;
}

/* SDM: bits 14:13 of an encoding are its width. */
static bool widths_follow_encodings(void)
{
	static const u8 bytes[] = { 2, 8, 4, 8 };
	unsigned int seen = 0;

	for (unsigned long e = 0; e <= 0xffff; e++) {
		if (!evmcs_has_field(e))
			continue;
		seen++;
		if (slot_of(e).bytes != bytes[e >> 13 & 3]) {
			ktap_diag("0x%04lx: %u bytes", e, slot_of(e).bytes);
			return false;
		}
	}
	return seen == 142;
}

static bool others_are_absent(void)
{
	static const unsigned long absent[] = {
		0x0002,			/* posted-interrupt vector */
		0x0810,			/* guest interrupt status */
		0x200e,			/* PML address */
		0x2014,			/* APIC-access address */
		0x2814,			/* IA32_RTIT_CTL */
		0x4020,			/* PLE gap */
		0x4024,			/* notify window */
		0x482e,			/* preemption timer */
		0x2001, 0x2011, 0x681f,	/* high halves */
		0x881e, 0x781e, 0x1681e, 0xffff, 0x10000, ~0ul,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(absent); i++)
		if (evmcs_has_field(absent[i])) {
			ktap_diag("0x%lx has a place", absent[i]);
			return false;
		}
	return true;
}

void test_fields(const char *tlfs)
{
	unsigned int size = read_tlfs(tlfs);

	ktap_ok(size == EVMCS_BYTES && rows_agree("offset"),
		"fields: offsets are the TLFS's");
	ktap_ok(rows_agree("width"), "fields: widths are the TLFS's");
	ktap_ok(rows_agree("group"), "fields: clean field groups are the TLFS's");
	ktap_ok(rows_are_members(), "fields: 128 rows of the TLFS and 14 others, none twice");
	ktap_ok(widths_follow_encodings(), "fields: widths follow the SDM's encodings");
	ktap_ok(others_are_absent(), "fields: what eVMCS lacks has no place");
}
