// SPDX-License-Identifier: GPL-2.0-only
/* l0.c: see l0.h. */
#include "l0.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ktap.h"

#define CHANNEL		"/dev/ttyS1"
#define ANSWER_MS	3000

static int channel = -1;

static void send_line(const char *line)
{
	size_t len = strlen(line);

	while (len) {
		ssize_t n = write(channel, line, len);

		if (n < 0)
			ktap_bail("write to L0 on %s: %s", CHANNEL, strerror(errno));
		line += n;
		len -= n;
	}
}

/* Reads one line without its line end; false when L0 stays silent. */
static bool receive_line(char *line, size_t size)
{
	struct pollfd input = { .fd = channel, .events = POLLIN };
	size_t len = 0;

	for (;;) {
		char c;

		if (poll(&input, 1, ANSWER_MS) != 1 || read(channel, &c, 1) != 1)
			return false;
		if (c == '\n')
			break;
		if (c != '\r' && len < size - 1)
			line[len++] = c;
	}
	line[len] = '\0';
	return true;
}

static void expect_line(char *line, size_t size)
{
	if (!receive_line(line, size))
		ktap_bail("L0 did not answer on %s within %d ms", CHANNEL, ANSWER_MS);
}

static void close_channel(void)
{
	close(channel);
	channel = -1;
}

bool l0_open_counting(const char **why)
{
	struct termios tio;

	if (channel >= 0)
		return true;
	channel = open(CHANNEL, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (channel < 0) {
		*why = "no control channel to L0: " CHANNEL " cannot be opened";
		return false;
	}
	/* A port without hardware opens, but has no attributes. */
	if (tcgetattr(channel, &tio)) {
		*why = "no control channel to L0: " CHANNEL " has no hardware";
		close_channel();
		return false;
	}
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	if (tcsetattr(channel, TCSANOW, &tio) || tcflush(channel, TCIOFLUSH))
		ktap_bail("%s: %s", CHANNEL, strerror(errno));
	return true;
}

bool l0_open(const char **why)
{
	struct l0_counts ignored;
	char line[64];

	if (channel >= 0)
		return true;
	if (!l0_open_counting(why))
		return false;
	send_line("count start\n");
	if (!receive_line(line, sizeof(line)) || strcmp(line, "ok")) {
		*why = "no control channel to L0: nobody answers on " CHANNEL;
		close_channel();
		return false;
	}
	l0_count_stop("hello", &ignored);
	return true;
}

void l0_count_start(void)
{
	char line[64];

	send_line("count start\n");
	expect_line(line, sizeof(line));
	if (strcmp(line, "ok"))
		ktap_bail("L0 answered \"%s\" to \"count start\"", line);
}

unsigned int l0_save(void)
{
	unsigned int in_l2;
	char line[64];

	send_line("save\n");
	expect_line(line, sizeof(line));
	if (sscanf(line, "ok %u", &in_l2) != 1)
		ktap_bail("L0 answered \"%s\" to \"save\"", line);
	return in_l2;
}

static void end_count(const char *verb, const char *name, struct l0_counts *counts)
{
	unsigned long long hits, total = 0;
	unsigned int rows, reason;
	char line[64];

	memset(counts, 0, sizeof(*counts));
	snprintf(line, sizeof(line), "count %s %s\n", verb, name);
	send_line(line);
	expect_line(line, sizeof(line));
	if (sscanf(line, "ok %u", &rows) != 1)
		ktap_bail("L0 answered \"%s\" to \"count stop\"", line);
	while (rows--) {
		expect_line(line, sizeof(line));
		if (sscanf(line, "%u %llu", &reason, &hits) != 2 || reason >= L0_REASONS)
			ktap_bail("L0 counted \"%s\"; expected a reason and its hits", line);
		counts->hits[reason] += hits;
		total += hits;
	}
	/* The request itself makes exits: none means that nobody counted. */
	if (!total)
		ktap_bail("L0 answers, but counts no exits");
}

void l0_count_stop(const char *name, struct l0_counts *counts)
{
	end_count("stop", name, counts);
}

void l0_count_read(const char *name, struct l0_counts *counts)
{
	end_count("read", name, counts);
}

struct counter {
	const char *name;
	uint64_t *value;
};

/* Reads one of L0's files, which must have all of these counters. */
static int read_counters(const char *file, const struct counter *known, unsigned int nr_known)
{
	unsigned int rows, found = 0;
	char line[64];

	snprintf(line, sizeof(line), "read %s\n", file);
	send_line(line);
	expect_line(line, sizeof(line));
	if (sscanf(line, "ok %u", &rows) != 1)
		ktap_bail("L0 answered \"%s\" to \"read %s\"", line, file);
	if (!rows)
		return -1;
	while (rows--) {
		unsigned long long value;
		char name[16];

		expect_line(line, sizeof(line));
		if (sscanf(line, "%15s %llu", name, &value) != 2)
			ktap_bail("L0 counted \"%s\"; expected a name and a value", line);
		for (unsigned int i = 0; i < nr_known; i++) {
			if (!strcmp(name, known[i].name)) {
				*known[i].value = value;
				found++;
			}
		}
	}
	if (found != nr_known)
		ktap_bail("L0 counted %u of %u things in %s", found, nr_known, file);
	return 0;
}

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

int l0_ept_read(struct l0_ept *counters)
{
	const struct counter known[] = {
		{ "flush_space", &counters->flush_space },
		{ "flush_list", &counters->flush_list },
		{ "pages_named", &counters->pages_named },
		{ "pages_changed", &counters->pages_changed },
		{ "invept_single", &counters->invept_single },
		{ "invept_global", &counters->invept_global },
		{ "invvpid", &counters->invvpid },
		{ "refaults", &counters->refaults },
		{ "missed", &counters->missed },
	};

	return read_counters("ept", known, ARRAY_SIZE(known));
}

int l0_direct_flush_read(struct l0_direct_flush *counters)
{
	const struct counter known[] = {
		{ "served", &counters->served },
		{ "named", &counters->named },
		{ "matched", &counters->matched },
		{ "missed", &counters->missed },
		{ "pointers", &counters->pointers },
		{ "split", &counters->split },
	};

	return read_counters("direct_flush", known, ARRAY_SIZE(known));
}

int l0_assist_page_read(uint64_t vp_index, uint64_t *msr)
{
	char name[16];
	const struct counter known = { name, msr };

	snprintf(name, sizeof(name), "assist%u", (unsigned int)vp_index);
	return read_counters("pages", &known, 1);
}

int l0_clock_read(struct l0_clock *counters)
{
	const struct counter known[] = {
		{ "migrations", &counters->migrations },
		{ "emulating", &counters->emulating },
		{ "khz", &counters->khz },
		{ "rdtsc", &counters->rdtsc },
		{ "emulated", &counters->emulated },
		{ "stopped", &counters->stopped },
	};

	return read_counters("clock", known, ARRAY_SIZE(known));
}

static void order_clock(const char *words)
{
	char line[64];

	snprintf(line, sizeof(line), "clock %s\n", words);
	send_line(line);
	expect_line(line, sizeof(line));
	if (strcmp(line, "ok"))
		ktap_bail("L0 answered \"%s\" to \"clock %s\"", line, words);
}

void l0_migrate(unsigned int khz, unsigned int interrupts, long long jump)
{
	char words[48];

	snprintf(words, sizeof(words), "migrate %u %u %lld", khz, interrupts, jump);
	order_clock(words);
}

void l0_tsc_page(bool valid)
{
	order_clock(valid ? "page on" : "page off");
}

void l0_tear_page(unsigned int every)
{
	char words[32];

	snprintf(words, sizeof(words), "torn %u", every);
	order_clock(words);
}

void l0_tsc_behind(unsigned int cpu, unsigned long long ticks)
{
	char words[48];

	snprintf(words, sizeof(words), "tsc-behind %u %llu", cpu, ticks);
	order_clock(words);
}

const char *l0_reason_name(unsigned int reason)
{
	static const char *const name[L0_REASONS] = {
		[0] = "EXCEPTION_NMI", [1] = "EXTERNAL_INTERRUPT", [2] = "TRIPLE_FAULT",
		[3] = "INIT", [4] = "SIPI", [7] = "INTERRUPT_WINDOW", [8] = "NMI_WINDOW",
		[9] = "TASK_SWITCH", [L0_CPUID] = "CPUID", [12] = "HLT", [13] = "INVD",
		[14] = "INVLPG", [15] = "RDPMC", [16] = "RDTSC", [L0_VMCALL] = "VMCALL",
		[19] = "VMCLEAR", [20] = "VMLAUNCH", [21] = "VMPTRLD", [22] = "VMPTRST",
		[23] = "VMREAD", [L0_VMRESUME] = "VMRESUME", [25] = "VMWRITE",
		[26] = "VMXOFF", [27] = "VMXON", [28] = "CR_ACCESS", [29] = "DR_ACCESS",
		[30] = "IO_INSTRUCTION", [L0_MSR_READ] = "MSR_READ",
		[L0_MSR_WRITE] = "MSR_WRITE", [33] = "INVALID_GUEST_STATE",
		[34] = "MSR_LOAD_FAIL", [36] = "MWAIT", [37] = "MONITOR_TRAP_FLAG",
		[39] = "MONITOR", [L0_PAUSE] = "PAUSE", [41] = "MACHINE_CHECK",
		[43] = "TPR_BELOW_THRESHOLD", [44] = "APIC_ACCESS", [45] = "VIRTUALIZED_EOI",
		[46] = "GDTR_IDTR", [47] = "LDTR_TR", [48] = "EPT_VIOLATION",
		[49] = "EPT_MISCONFIG", [50] = "INVEPT", [51] = "RDTSCP",
		[52] = "PREEMPTION_TIMER", [53] = "INVVPID", [54] = "WBINVD",
		[55] = "XSETBV", [56] = "APIC_WRITE", [57] = "RDRAND", [58] = "INVPCID",
		[59] = "VMFUNC", [61] = "RDSEED", [62] = "PML_FULL", [63] = "XSAVES",
		[64] = "XRSTORS",
	};
	static char number[16];

	if (reason < L0_REASONS && name[reason])
		return name[reason];
	snprintf(number, sizeof(number), "REASON_%u", reason);
	return number;
}
