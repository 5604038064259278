/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Hyper-V offers to a hypervisor inside its guest, from CPUID (TLFS,
 * "Feature and Interface Discovery", leaves 0x40000000..0x4000000A).
 *
 * Pure logic: compiles in the kernel and on the host.
 */
#ifndef HVNEST_EVMCS_DISCOVERY_H
#define HVNEST_EVMCS_DISCOVERY_H

#include "fields.h"

#define EVMCS_LEAF_MAX			0x40000000
#define EVMCS_LEAF_HINTS		0x40000004
#define EVMCS_LEAF_NESTED		0x4000000a

#define EVMCS_HINT_RECOMMENDED		0x00004000	/* 0x40000004 EAX */

#define EVMCS_NESTED_DIRECT_FLUSH	0x00020000	/* 0x4000000A EAX */
#define EVMCS_NESTED_GPA_FLUSH		0x00040000
#define EVMCS_NESTED_MSR_BITMAP		0x00080000
#define EVMCS_NESTED_PERF_GLOBAL_CTRL	0x00000001	/* 0x4000000A EBX */

/**
 * struct evmcs_host - the words of CPUID that matter here
 * @hyperv:     the hypervisor below is Hyper-V or says so
 * @max_leaf:   0x40000000 EAX
 * @hints:      0x40000004 EAX
 * @nested_eax: 0x4000000A EAX
 * @nested_ebx: 0x4000000A EBX
 */
struct evmcs_host {
	bool hyperv;
	u32 max_leaf;
	u32 hints;
	u32 nested_eax;
	u32 nested_ebx;
};

/**
 * enum evmcs_state - how far an enlightenment has come
 * @EVMCS_ABSENT:  L0 does not offer it
 * @EVMCS_REFUSED: L0 offers it and it cannot be used
 * @EVMCS_OFF:     a parameter says no
 * @EVMCS_IN_USE:  in use
 * @EVMCS_AVOIDED: a cost, not an enlightenment: L1 need not pay it
 * @EVMCS_PAID:    a cost that L1 pays, at least for some L2
 */
enum evmcs_state {
	EVMCS_ABSENT,
	EVMCS_REFUSED,
	EVMCS_OFF,
	EVMCS_IN_USE,
	EVMCS_AVOIDED,
	EVMCS_PAID,
};

/* Leaf 0x4000000A, as far as the host has one: others read as zero. */
static inline u32 evmcs_nested_eax(const struct evmcs_host *host)
{
	return host->max_leaf >= EVMCS_LEAF_NESTED ? host->nested_eax : 0;
}

static inline u32 evmcs_nested_ebx(const struct evmcs_host *host)
{
	return host->max_leaf >= EVMCS_LEAF_NESTED ? host->nested_ebx : 0;
}

/**
 * evmcs_offered() - does L0 offer an enlightened VMCS that we can speak?
 * @host:   CPUID
 * @reason: set to why not, for people; untouched when it does
 *
 * The leaf is looked at only up to the maximum leaf: AMD hosts have it and
 * leave the hint clear, and a broken host may do the opposite.
 *
 * Return: %EVMCS_IN_USE when nothing in CPUID speaks against it.
 */
static inline enum evmcs_state evmcs_offered(const struct evmcs_host *host,
					     const char **reason)
{
	u8 lowest = evmcs_nested_eax(host);
	u8 highest = evmcs_nested_eax(host) >> 8;

	if (!host->hyperv) {
		*reason = "not a Hyper-V guest";
		return EVMCS_ABSENT;
	}
	if (host->max_leaf < EVMCS_LEAF_HINTS ||
	    !(host->hints & EVMCS_HINT_RECOMMENDED)) {
		*reason = "Hyper-V does not offer it (CPUID 0x40000004 EAX bit 14 is clear)";
		return EVMCS_ABSENT;
	}
	if (host->max_leaf < EVMCS_LEAF_NESTED) {
		*reason = "Hyper-V recommends it but has no CPUID leaf 0x4000000A";
		return EVMCS_REFUSED;
	}
	if (lowest > EVMCS_VERSION || highest < EVMCS_VERSION) {
		*reason = "Hyper-V does not offer version 1 (CPUID 0x4000000A EAX bits 15:0)";
		return EVMCS_REFUSED;
	}
	return EVMCS_IN_USE;
}

#endif /* HVNEST_EVMCS_DISCOVERY_H */
