/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host.h: what a report says of the hypervisor below, decoded.
 *
 * CPUID tells it (TLFS, "Feature and Interface Discovery"); where a report has none,
 * because somebody wrote it from a log, the lines count that the kernel prints of it.
 */
#ifndef HVNEST_HOST_H
#define HVNEST_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "report.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define HVNEST_STATUS		"/sys/kernel/debug/hvnest/status"

/* Our core's, likewise */
#define HVNEST_CORE_STATUS	"/sys/kernel/debug/hvnest-core/status"
#define AZURE_ASSET_TAG	"7783-7084-3265-9085-8269-3286-77"

#define CPUID_1_ECX_HYPERVISOR	0x80000000

#define HV_LEAF_MAX		0x40000000
#define HV_LEAF_VERSION		0x40000002
#define HV_LEAF_FEATURES	0x40000003
#define HV_LEAF_HINTS		0x40000004
#define HV_LEAF_NESTED		0x4000000a
#define HV_LEAF_ISOLATION	0x4000000c
#define KVM_LEAF_BEHIND		0x40000100

/* Yes, no, or the report does not tell. */
enum tell { TELL_UNKNOWN = -1, TELL_NO, TELL_YES };

/* A register of CPUID. */
struct word {
	bool known;
	uint32_t bits;
};

enum vendor { VENDOR_OTHER, VENDOR_INTEL, VENDOR_AMD };
enum isolation { ISOLATION_NONE, ISOLATION_VBS, ISOLATION_SNP, ISOLATION_TDX, ISOLATION_OTHER };

enum partition { PARTITION_GUEST, PARTITION_L1VH, PARTITION_ROOT };

struct host {
	enum vendor vendor;
	enum tell hypervisor;		/* is there one below? */
	char signature[13];		/* as it calls itself; "" if not known */
	bool hyperv;			/* it offers Hyper-V's interface */
	bool kvm_behind;		/* ... and is a KVM */
	enum tell detected;		/* has the kernel recognised Hyper-V? */
	enum partition partition;
	enum isolation isolation;
	unsigned int build;		/* 0: not known */
	unsigned int service;
	char version[48];		/* MAJOR.MINOR.BUILD.SERVICE; "" if not known */
	struct word low, high, misc;	/* 0x40000003 EAX, EBX, EDX */
	struct word hints;		/* 0x40000004 EAX */
	struct word nested, nested_ebx;	/* 0x4000000A; a leaf that is not there is 0 */
	bool azure, wsl;
	unsigned int kernel;		/* 6.12 is 612 */
	char kernel_text[64];
};

void host_decode(struct host *host, const struct report *report);

/* Is this bit set? */
enum tell host_bit(const struct word *word, unsigned int bit);

/* Has the kernel's log a line with these words? Returns the line or NULL. */
const char *host_log(const struct report *report, const char *words);

/* Is this one of the words in the fact's value? */
bool host_has_word(const struct report *report, const char *key, const char *word);

#endif
