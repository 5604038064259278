// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct_flush_absent: KVM does not let L0 serve L2's flushes where that cannot be right.
 *
 *	direct_flush_absent [WHY | --lose-assist-page CPU]
 *
 * For a KVM without the enlightened VMCS, or without EPT: there L1's own page tables for
 * L2 have to follow each flush. (WHY is for whoever reads the results.) With --lose-assist-page the test does no more than to make
 * the kernel believe that a CPU never got its VP assist page; KVM is loaded after that.
 *
 * Proved: KVM does not offer KVM_CAP_HYPERV_DIRECT_TLBFLUSH and refuses it, serves the
 * hypercalls itself, and a vCPU sees each page that was mapped before it was flushed.
 *
 * Broken by: an offer that looks at CPUID alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/hv_guest.h"
#include "lib/ktap.h"
#include "lib/stats.h"

#define ROUNDS		4
#define HANG_SECONDS	60

/* Where a kernel without KASLR has itself, and all of memory (4-level page tables). */
#define KERNEL_TEXT	0xffffffff80000000
#define DIRECT_MAP	0xffff888000000000

static uint64_t symbol(const char *wanted)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[256], name[128], type;
	uint64_t address;

	if (!f)
		ktap_bail("/proc/kallsyms: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		/* There are many, and sscanf() takes its time. */
		if (!strstr(line, wanted) ||
		    sscanf(line, "%" SCNx64 " %c %127s", &address, &type, name) != 3 ||
		    strcmp(name, wanted))
			continue;
		fclose(f);
		return address;
	}
	ktap_bail("the kernel has no symbol %s", wanted);
}

/* Of a variable, or of what kmalloc() returned. */
static off_t physical(uint64_t address)
{
	return address - (address >= KERNEL_TEXT ? KERNEL_TEXT : DIRECT_MAP);
}

static int lose_assist_page(unsigned int cpu)
{
	int memory = open("/dev/mem", O_RDWR | O_SYNC);
	uint64_t pages, page, none = 0;
	off_t slot;

	if (memory < 0)
		ktap_bail("/dev/mem: %s", strerror(errno));
	if (pread(memory, &pages, sizeof(pages), physical(symbol("hv_vp_assist_page"))) != sizeof(pages))
		ktap_bail("/dev/mem: %s; needs CONFIG_STRICT_DEVMEM=n", strerror(errno));
	slot = physical(pages) + cpu * sizeof(page);
	if (pread(memory, &page, sizeof(page), slot) != sizeof(page) || page >> 48 != 0xffff ||
	    pwrite(memory, &none, sizeof(none), slot) != sizeof(none))
		ktap_bail("CPU %u has no VP assist page to lose", cpu);
	return 0;
}

int main(int argc, char **argv)
{
	struct hv_guest guest;
	uint64_t hypercalls;
	bool ok;

	if (argc == 3 && !strcmp(argv[1], "--lose-assist-page"))
		return lose_assist_page(atoi(argv[2]));
	if (argc > 2 || (argc > 1 && argv[1][0] == '-'))
		ktap_bail("usage: %s [WHY | --lose-assist-page CPU]", argv[0]);
	ktap_plan(2);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		ktap_skip_rest("needs two CPUs");
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	hv_guest_pin_to_cpu_0();
	hv_guest_create(&guest, 2, HV_GUEST_AWARE);
	ok = !ioctl(guest.vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_DIRECT_TLBFLUSH);
	if (!ok)
		ktap_diag("KVM offers KVM_CAP_HYPERV_DIRECT_TLBFLUSH");
	for (unsigned int i = 0; i < guest.vcpus; i++) {
		int error = hv_guest_ask(&guest.vcpu[i]);

		if (!error)
			ktap_diag("KVM turns direct flush on for vCPU %u", i);
		ok &= error == ENOTTY || error == EINVAL;
	}
	ktap_ok(ok, "KVM neither offers direct flush nor turns it on");

	hv_guest_enable_hypercalls(&guest.vcpu[0]);
	hv_guest_watch(&guest);
	hypercalls = stats_hypercalls(&guest.vcpu[0]);
	hv_guest_order_flush(&guest.vcpu[0], HV_GUEST_REMAP, 0, ROUNDS);
	hv_guest_run(&guest.vcpu[0]);
	hypercalls = stats_hypercalls(&guest.vcpu[0]) - hypercalls;
	ok = hv_guest_watched(&guest);
	if (hypercalls != ROUNDS)
		ktap_diag("KVM saw %llu of %u flushes", (unsigned long long)hypercalls, ROUNDS);
	ktap_ok(ok && hypercalls == ROUNDS, "KVM serves L2's flushes");
	hv_guest_destroy(&guest);
	return ktap_exit();
}
