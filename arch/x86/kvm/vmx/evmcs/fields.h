/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The enlightened VMCS, version 1: which VMCS encoding lives at which offset,
 * how wide it is, and which clean field group covers it. field_rows.h has the
 * rows, this file makes a table of them.
 *
 * Numbers only, so that both compile in the kernel and on the host. The kernel
 * build holds every row against struct hv_enlightened_vmcs (access.c); the unit
 * tests hold it against the TLFS.
 *
 * Sources: TLFS, HV_VMX_ENLIGHTENED_VMCS; Intel SDM vol. 3, appendix B.
 */
#ifndef HVNEST_EVMCS_FIELDS_H
#define HVNEST_EVMCS_FIELDS_H

#include <linux/types.h>

#define EVMCS_VERSION			1
#define EVMCS_BYTES			0x400

/*
 * Clean field groups. A set bit in the eVMCS's clean fields tells L0 that no
 * field of the group changed since L0 last loaded it.
 */
#define EVMCS_NONE			0x0000	/* L0 reloads it on each entry */
#define EVMCS_IO_BITMAP			0x0001
#define EVMCS_MSR_BITMAP		0x0002
#define EVMCS_CONTROL_GRP2		0x0004
#define EVMCS_CONTROL_GRP1		0x0008
#define EVMCS_CONTROL_PROC		0x0010
#define EVMCS_CONTROL_EVENT		0x0020
#define EVMCS_CONTROL_ENTRY		0x0040
#define EVMCS_CONTROL_EXCPN		0x0080
#define EVMCS_CRDR			0x0100
#define EVMCS_CONTROL_XLAT		0x0200
#define EVMCS_GUEST_BASIC		0x0400
#define EVMCS_GUEST_GRP1		0x0800
#define EVMCS_GUEST_GRP2		0x1000
#define EVMCS_HOST_POINTER		0x2000
#define EVMCS_HOST_GRP1			0x4000
#define EVMCS_ENLIGHTENMENTSCONTROL	0x8000
#define EVMCS_ALL			0xffff

/* Exit information: L0 writes it, L1 only reads it, no group covers it. */
#define EVMCS_READ_ONLY			EVMCS_NONE

/* Members without a VMCS encoding that L1 itself maintains. */
#define EVMCS_CLEAN_FIELDS_OFFSET	0x338

/**
 * struct evmcs_slot - where one VMCS field lives in the enlightened VMCS
 * @offset: bytes from the start of the page; 0: the encoding has no field
 * @group:  clean field group or groups, EVMCS_*
 * @bytes:  2, 4 or 8
 */
struct evmcs_slot {
	u16 offset;
	u16 group;
	u8 bytes;
};

/*
 * An encoding's place in the table below: its width (bits 14:13), type (11:10)
 * and index (9:1, of which no field of ours needs more than five). Bit 0 set is
 * the high half of a 64-bit field, which 64-bit code has no use for.
 */
#define EVMCS_ENCODING_BITS	0x6c3e
#define EVMCS_INDEX(encoding)				\
	(((encoding) >> 13 & 3) << 7 |			\
	 ((encoding) >> 10 & 3) << 5 |			\
	 ((encoding) >> 1 & 0x1f))
#define EVMCS_NR_INDICES	512

/*
 * In the header and const, so that an access whose field is a constant folds
 * into one load or store and the table itself is not even emitted.
 */
#define EVMCS_FIELD(encoding, offs, width, grp, ...) \
	[EVMCS_INDEX(encoding)] = { (offs), EVMCS_##grp, (width) },

static const struct evmcs_slot evmcs_slots[EVMCS_NR_INDICES] = {
#include "field_rows.h"
};

/**
 * evmcs_has_field() - does eVMCS version 1 have a place for this VMCS field?
 * @encoding: VMCS encoding (SDM vol. 3, appendix B)
 *
 * Context: any.
 */
static __always_inline bool evmcs_has_field(unsigned long encoding)
{
	return !(encoding & ~(unsigned long)EVMCS_ENCODING_BITS) &&
	       evmcs_slots[EVMCS_INDEX(encoding)].offset;
}

#endif /* HVNEST_EVMCS_FIELDS_H */
