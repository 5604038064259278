// SPDX-License-Identifier: GPL-2.0-only
/*
 * tracepoints: upstream's and ours, around a known number of exits of L2.
 *
 * Events go to an instance of tracefs of the test's own, and only those of its own
 * thread, so that other users of tracing and of KVM on the machine do not matter.
 *
 * Proved: kvm:kvm_exit and kvm:kvm_entry fire once for each exit; with the
 * enlightened VMCS hvnest:hvnest_entry follows each kvm_entry and without it never
 * fires; the groups that it names are those whose clean fields are clear, all of
 * them for a new vCPU, and the right one when the VMM changed a field; where Hyper-V
 * offers to flush guest-physical mappings, hvnest:hvnest_flush says what is flushed
 * and agrees with hyperv:hyperv_nested_flush_guest_mapping(_range) on the root and
 * the result; hvnest:hvnest_activation fires for a CPU that comes back.
 *
 * Broken by: a hook that is missing or too early, a wrong mask or name, a tracepoint
 * of upstream's that our modules lost. With stock modules the cases of ours are
 * skipped. CPU 1 goes offline and comes back.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cpuid_loop.h"
#include "lib/evmcs.h"
#include "lib/ktap.h"
#include "lib/vm.h"

#define EXITS		50
#define CPU1_ONLINE	"/sys/devices/system/cpu/cpu1/online"

#define HV_CPUID_NESTED_FEATURES	0x4000000a
#define HV_NESTED_GUEST_MAPPING_FLUSH	(1u << 18)

/* The clean fields' bits, lowest first (TLFS, HV_VMX_ENLIGHTENED_VMCS). */
static const char *const groups[16] = {
	"IO_BITMAP", "MSR_BITMAP", "CONTROL_GRP2", "CONTROL_GRP1",
	"CONTROL_PROC", "CONTROL_EVENT", "CONTROL_ENTRY", "CONTROL_EXCPN",
	"CRDR", "CONTROL_XLAT", "GUEST_BASIC", "GUEST_GRP1",
	"GUEST_GRP2", "HOST_POINTER", "HOST_GRP1", "ENLIGHTENMENTSCONTROL",
};

#define CRDR		0x0100
#define GUEST_GRP2	0x1000
#define ALL_GROUPS	0xffff

#define THEIR_FLUSH	"hyperv:hyperv_nested_flush_guest_mapping"
#define THEIR_FLUSHES	THEIR_FLUSH " " THEIR_FLUSH "_range"

static char *tracefs;	/* our instance */

static bool open_tracefs(void)
{
	static const char *const mounts[] = {
		"/sys/kernel/tracing", "/sys/kernel/debug/tracing",
	};

	for (unsigned int i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		if (asprintf(&tracefs, "%s/instances/hvnest-%d", mounts[i], getpid()) < 0)
			ktap_bail("no memory");
		if (!mkdir(tracefs, 0700))
			return true;
		free(tracefs);
	}
	tracefs = NULL;
	return false;
}

static void close_tracefs(void)
{
	if (tracefs)
		rmdir(tracefs);
}

/* A file of the instance; to be freed. */
static char *file(const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", tracefs, name) < 0)
		ktap_bail("no memory");
	return path;
}

static bool exists(const char *name)
{
	char *path = file(name);
	bool found = !access(path, F_OK);

	free(path);
	return found;
}

/* O_TRUNC empties the file, the buffer as well as a list; a write takes one word of it. */
static void put(const char *name, const char *text)
{
	char *path = file(name);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		ktap_bail("%s: %s", path, strerror(errno));
	while (*text) {
		ssize_t taken = write(fd, text, strlen(text));

		if (taken <= 0)
			ktap_bail("%s: %s at \"%s\"", path, strerror(errno), text);
		text += taken;
	}
	close(fd);
	free(path);
}

static void only_this_thread(bool yes)
{
	char pid[16] = "";

	if (yes)
		snprintf(pid, sizeof(pid), "%d", gettid());
	put("set_event_pid", pid);
}

static void start(const char *events)
{
	put("trace", "");
	put("set_event", events);
}

/*
 * Ends what start() began. next_event() takes the events one after the other from the
 * stream that this returns; the caller closes it.
 */
static FILE *stop(void)
{
	char *path = file("trace");
	FILE *trace;

	put("set_event", "");
	trace = fopen(path, "re");
	if (!trace)
		ktap_bail("%s: %s", path, strerror(errno));
	free(path);
	return trace;
}

struct event {
	char name[64];
	char text[512];
};

/* "  task-pid  [cpu] flags seconds: name: text", between lines that begin with #. */
static bool next_event(FILE *trace, struct event *event)
{
	char line[640];

	while (fgets(line, sizeof(line), trace)) {
		char *cpu = strstr(line, " [");

		if (line[0] == '#' || !cpu)
			continue;
		if (sscanf(cpu, " [%*d] %*s %*[0-9.]: %63[^:]: %511[^\n]", event->name,
			   event->text) == 2)
			return true;
		ktap_bail("not an event: %s", line);
	}
	return false;
}

struct entry {
	unsigned int vcpu;
	bool launch;
	unsigned int clean;
	unsigned int dirty;	/* by the names */
};

/* Returns false for a text that hvnest_entry should not have. */
static bool parse_entry(char *text, struct entry *entry)
{
	char verb[16], *name, *rest;
	int names = 0;

	if (sscanf(text, "vcpu %u %15s clean %x dirty %n", &entry->vcpu, verb, &entry->clean,
		   &names) != 3 || !names)
		return false;
	entry->launch = !strcmp(verb, "launch");
	entry->dirty = 0;
	rest = text + names;
	while ((name = strsep(&rest, "|")) && *name) {
		unsigned int i = 0;

		while (i < 16 && strcmp(groups[i], name))
			i++;
		if (i == 16)
			return false;
		entry->dirty |= 1u << i;
	}
	return entry->launch || !strcmp(verb, "resume");
}

static void check_exits(bool ours, bool evmcs)
{
	unsigned int cpuid = 0, io = 0, exits = 0, entries = 0, evmcs_entries = 0, wrong = 0;
	struct entry first = { .clean = ALL_GROUPS };
	bool after_entry = false, in_step = true;
	struct event event;
	FILE *trace;

	start(ours ? "kvm:kvm_entry kvm:kvm_exit hvnest:hvnest_entry" :
		     "kvm:kvm_entry kvm:kvm_exit");
	cpuid_loop(EXITS);
	trace = stop();
	while (next_event(trace, &event)) {
		if (!strcmp(event.name, "kvm_exit")) {
			exits++;
			cpuid += !!strstr(event.text, " reason CPUID ");
			io += !!strstr(event.text, " reason IO_INSTRUCTION ");
		} else if (!strcmp(event.name, "hvnest_entry")) {
			struct entry entry = { 0 };

			if (!parse_entry(event.text, &entry) || entry.vcpu ||
			    (entry.clean ^ entry.dirty) != ALL_GROUPS) {
				if (!wrong++)
					ktap_diag("wrong: clean %#x, and named as dirty %#x",
						  entry.clean, entry.dirty);
			}
			if (!evmcs_entries++)
				first = entry;
			in_step &= after_entry;
		} else {
			entries++;
		}
		after_entry = !strcmp(event.name, "kvm_entry");
	}
	fclose(trace);
	ktap_diag("exits %u: CPUID %u, IO_INSTRUCTION %u; entries %u, with eVMCS %u", exits, cpuid,
		  io, entries, evmcs_entries);
	ktap_ok(cpuid == EXITS && io == 1, "one kvm_exit for each exit of L2");
	ktap_ok(entries == exits, "one kvm_entry for each exit of L2");
	if (!ours) {
		ktap_skip("one hvnest_entry after each kvm_entry", "these are stock modules");
	} else if (!evmcs) {
		ktap_ok(!evmcs_entries, "no hvnest_entry without the enlightened VMCS");
	} else {
		ktap_ok(evmcs_entries == entries && in_step,
			"one hvnest_entry after each kvm_entry");
	}
	if (!evmcs_entries) {
		ktap_skip("it names the groups that are not clean", "no such event");
		ktap_skip("a new vCPU is launched with every group dirty", "no such event");
		return;
	}
	ktap_ok(!wrong, "it names the groups that are not clean");
	ktap_ok(first.launch && first.dirty == ALL_GROUPS,
		"a new vCPU is launched with every group dirty");
}

GUEST_CODE(step_guest,
	"1:	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n");

/* Enters L2 once more and returns what the entry made L0 load. */
static unsigned int dirty_at_entry(struct vcpu *vcpu)
{
	unsigned int dirty = 0;
	struct event event;
	struct entry entry;
	FILE *trace;

	start("hvnest:hvnest_entry");
	vcpu_run_to_port(vcpu, PORT_STEP);
	trace = stop();
	while (next_event(trace, &event)) {
		ktap_diag("%s: %s", event.name, event.text);
		if (parse_entry(event.text, &entry))
			dirty |= entry.dirty;
	}
	fclose(trace);
	return dirty;
}

static void check_changes(bool evmcs)
{
	const char *name = "it names the group of a field that the VMM changed";
	unsigned int nothing, fs_base, cr3;
	struct kvm_sregs sregs;
	struct vcpu vcpu;
	struct vm vm;

	if (!evmcs) {
		ktap_skip(name, "no such event");
		return;
	}
	vm_create(&vm, step_guest, step_guest_end);
	vcpu_create(&vcpu, &vm, 0);
	vcpu_run_to_port(&vcpu, PORT_STEP);
	vcpu_run_to_port(&vcpu, PORT_STEP);
	vm_ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);

	nothing = dirty_at_entry(&vcpu);
	sregs.fs.base += 0x1000;
	vm_ioctl(vcpu.fd, KVM_SET_SREGS, &sregs);
	fs_base = dirty_at_entry(&vcpu);
	sregs.cr3 |= 0x10;	/* page-level cache disable */
	vm_ioctl(vcpu.fd, KVM_SET_SREGS, &sregs);
	cr3 = dirty_at_entry(&vcpu);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	ktap_ok(!(nothing & (GUEST_GRP2 | CRDR)) && (fs_base & GUEST_GRP2) && (cr3 & CRDR),
		"%s", name);
}

static bool flush_offered(void)
{
	unsigned int eax, ebx, ecx, edx;

	if (!evmcs_advertised())
		return false;
	__cpuid(HV_CPUID_NESTED_FEATURES, eax, ebx, ecx, edx);
	return eax & HV_NESTED_GUEST_MAPPING_FLUSH;
}

struct flush {
	unsigned int count;
	unsigned long long root;	/* of the last one; likewise the others */
	unsigned long long gfn;
	unsigned long long pages;
	unsigned long long ranges;
	int error;
};

struct flushes {
	struct flush theirs_all, theirs_range, ours_all, ours_range;
};

static void count_flush(struct flushes *seen, struct event *event)
{
	struct flush now = { 0 };
	struct flush *sum = NULL;

	ktap_diag("%s: %s", event->name, event->text);
	if (!strcmp(event->name, "hvnest_flush")) {
		if (sscanf(event->text, "root %llx gfn %llx pages %llu ranges %llu error %d",
			   &now.root, &now.gfn, &now.pages, &now.ranges, &now.error) == 5)
			sum = now.pages ? &seen->ours_range : &seen->ours_all;
	} else if (sscanf(event->text, "address space %llx ret %d", &now.root, &now.error) == 2) {
		sum = strstr(event->name, "_range") ? &seen->theirs_range : &seen->theirs_all;
	}
	if (!sum)
		ktap_bail("not a flush");
	now.count = sum->count + 1;
	*sum = now;
}

static bool agree(const struct flush *ours, const struct flush *theirs)
{
	return ours->count == theirs->count && ours->root == theirs->root &&
	       ours->error == theirs->error;
}

/*
 * A new root is flushed as a whole, with stock modules when memory is taken away.
 * Write-protecting a memory slot flushes a range, and with ours taking it away.
 */
static void check_flush(bool ours)
{
	const char *theirs_name = "hyperv_nested_flush_guest_mapping fires, and _range";
	const char *ours_name = "hvnest_flush agrees with them and says what is flushed";
	struct kvm_userspace_memory_region slot = {
		.memory_size = VM_MEM_SIZE, .flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	struct flushes seen = { 0 };
	struct event event;
	struct vcpu vcpu;
	struct vm vm;
	FILE *trace;

	if (!flush_offered()) {
		ktap_skip(theirs_name, "Hyper-V does not offer to flush guest mappings");
		ktap_skip(ours_name, "Hyper-V does not offer to flush guest mappings");
		return;
	}
	vm_create(&vm, step_guest, step_guest_end);
	vcpu_create(&vcpu, &vm, 0);
	slot.userspace_addr = (uintptr_t)vm.mem;

	start(ours ? THEIR_FLUSHES " hvnest:hvnest_flush" : THEIR_FLUSHES);
	vcpu_run_to_port(&vcpu, PORT_STEP);
	vm_ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &slot);
	if (madvise(vm.mem, VM_MEM_SIZE, MADV_DONTNEED))
		ktap_bail("madvise(MADV_DONTNEED): %s", strerror(errno));
	trace = stop();
	while (next_event(trace, &event))
		count_flush(&seen, &event);
	fclose(trace);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);

	ktap_ok(seen.theirs_all.count && seen.theirs_range.count, "%s", theirs_name);
	if (!ours) {
		ktap_skip(ours_name, "these are stock modules");
		return;
	}
	ktap_ok(seen.ours_all.count && seen.ours_range.count &&
		agree(&seen.ours_all, &seen.theirs_all) &&
		agree(&seen.ours_range, &seen.theirs_range) &&
		!seen.ours_range.gfn && seen.ours_range.pages == VM_MEM_SIZE / 0x1000 &&
		seen.ours_range.ranges == 1, "%s", ours_name);
}

static void set_cpu1(const char *online)
{
	int fd = open(CPU1_ONLINE, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, online, 1) != 1)
		ktap_bail(CPU1_ONLINE ": %s", strerror(errno));
	close(fd);
}

static void check_activation(bool evmcs)
{
	const char *name = "hvnest_activation fires for a CPU that comes back";
	unsigned int events = 0, right = 0;
	struct event event;
	FILE *trace;

	if (!evmcs || access(CPU1_ONLINE, W_OK)) {
		ktap_skip(name, evmcs ? "no CPU 1 that can go offline" : "no such event");
		return;
	}
	set_cpu1("0");
	only_this_thread(false);
	start("hvnest:hvnest_activation");
	set_cpu1("1");
	trace = stop();
	while (next_event(trace, &event)) {
		ktap_diag("%s: %s", event.name, event.text);
		events++;
		right += !strcmp(event.text, "cpu 1 evmcs in-use -");
	}
	fclose(trace);
	ktap_ok(events == 1 && right == 1, "%s", name);
}

int main(void)
{
	cpu_set_t first;
	bool ours, evmcs;

	ktap_plan(9);
	if (!open_tracefs()) {
		ktap_skip_rest("no tracefs in which to make an instance");
		return ktap_exit();
	}
	atexit(close_tracefs);
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (sched_setaffinity(0, sizeof(first), &first))
		ktap_bail("sched_setaffinity: %s", strerror(errno));

	ours = !access(HVNEST_STATUS, F_OK);
	if (ours && !exists("events/hvnest"))
		ktap_bail("our modules have no tracepoints");
	evmcs = ours && evmcs_in_use();
	only_this_thread(true);
	check_exits(ours, evmcs);
	check_changes(evmcs);
	check_flush(ours);
	check_activation(evmcs);
	return ktap_exit();
}
