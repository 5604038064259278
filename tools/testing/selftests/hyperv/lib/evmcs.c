// SPDX-License-Identifier: GPL-2.0-only
/* evmcs.c: see evmcs.h. */
#include "evmcs.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include "ktap.h"

#define PARAMETER	"/sys/module/kvm_intel/parameters/enlightened_vmcs"

#define HV_CPUID_VENDOR			0x40000000
#define HV_CPUID_RECOMMENDATIONS	0x40000004
#define HV_CPUID_NESTED_FEATURES	0x4000000a
#define HV_RECOMMENDS_EVMCS		(1u << 14)
#define HV_EVMCS_VERSION_MASK		0xffu

bool evmcs_advertised(void)
{
	unsigned int eax, max, vendor[3];

	__cpuid(HV_CPUID_VENDOR, max, vendor[0], vendor[1], vendor[2]);
	if (memcmp(vendor, "Microsoft Hv", sizeof(vendor)) || max < HV_CPUID_NESTED_FEATURES)
		return false;
	__cpuid(HV_CPUID_RECOMMENDATIONS, eax, vendor[0], vendor[1], vendor[2]);
	if (!(eax & HV_RECOMMENDS_EVMCS))
		return false;
	__cpuid(HV_CPUID_NESTED_FEATURES, eax, vendor[0], vendor[1], vendor[2]);
	return eax & HV_EVMCS_VERSION_MASK;
}

bool evmcs_parameter(void)
{
	FILE *f = fopen(PARAMETER, "r");
	int c;

	if (!f)
		return false;
	c = fgetc(f);
	fclose(f);
	return c == 'Y' || c == '1';
}

bool status_row(const char *path, const char *name, char *state, size_t size)
{
	FILE *f = fopen(path, "r");
	char line[256];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		char *rest = line;
		const char *field = strsep(&rest, "\t");

		if (strcmp(field, name) || !rest)
			continue;
		snprintf(state, size, "%s", strsep(&rest, "\t\n"));
		found = true;
	}
	fclose(f);
	return found;
}

bool evmcs_status_row(const char *name, char *state, size_t size)
{
	return status_row(HVNEST_STATUS, name, state, size);
}

bool evmcs_in_use(void)
{
	char state[32];

	if (evmcs_status_row("evmcs", state, sizeof(state)))
		return !strcmp(state, "in-use");
	return evmcs_parameter();
}

bool evmcs_check_args(int argc, char **argv)
{
	bool in_use = evmcs_in_use();
	bool wanted;

	if (argc == 1)
		return in_use;
	if (argc != 3 || strcmp(argv[1], "--evmcs"))
		ktap_bail("usage: %s [--evmcs yes|no]", argv[0]);
	wanted = !strcmp(argv[2], "yes");
	if (!wanted && strcmp(argv[2], "no"))
		ktap_bail("usage: %s [--evmcs yes|no]", argv[0]);
	if (wanted != in_use)
		ktap_bail("KVM %s the enlightened VMCS, but --evmcs %s was given",
			  in_use ? "uses" : "does not use", argv[2]);
	return in_use;
}
