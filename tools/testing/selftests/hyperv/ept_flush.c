// SPDX-License-Identifier: GPL-2.0-only
/*
 * ept_flush: pages of L2 go and come while L2 goes over them.
 *
 *	ept_flush WORKLOAD [PAGES [VCPUS]]
 *
 *	drop		one page a round is dropped (MADV_DONTNEED) and comes with new contents
 *	refusal		the same so often that L0 can refuse the hundredth flush
 *	balloon		half of the pages are dropped at once, with holes in between
 *	age		the kernel looks which pages L2 has used (needs 1 vCPU)
 *	migrate		the vCPU goes to another CPU (needs 1 vCPU and 2 CPUs)
 *	memslot		a memory slot is deleted and made again with other memory
 *	huge		pages are dropped out of huge pages, which are whole again later
 *
 * Proved: L2 always finds in a page what was last put there. And of our modules, where
 * they flush by hypercall: they name little more than what changed and never the whole
 * guest, what did not change costs no fault, and a vCPU that moves flushes nothing.
 * The costs are printed for every KVM.
 *
 * Broken by: a flush that is left out or names other pages (L2 reads the old page); a
 * flush of the whole guest where a range would do (L2 faults on all of its pages); a
 * flush of a part of a huge page, of which L0 keeps the rest.
 */
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/ept_cost.h"
#include "lib/ktap.h"
#include "lib/stats.h"
#include "lib/stream.h"
#include "lib/worker.h"

#define MAX_NAMED	512	/* pages, for one that was dropped */
#define MAX_REFAULTS	2	/* likewise */
#define MEMSLOT_PART	4	/* so many times smaller than all is the slot that goes */
/*
 * Pages, of all. A page that is new or has been used waits for the kernel's lists in a batch of the
 * CPU that saw it. It has room for 31, and kswapd empties that of its own CPU only.
 */
#define AGED		64
#define HUGE		(STREAM_HUGE / STREAM_PAGE)
#define HUGE_STEP	16
#define WAIT_US		100
#define MAX_WAITS	20000
#define AGING		"/sys/kernel/tracing/events/kvm/kvm_age_hva/"

struct workload {
	const char *name;
	unsigned int pages, rounds;
	void *(*memory)(unsigned int pages);
	void (*prepare)(struct stream *stream);
	void (*round)(struct stream *stream, unsigned int round);
	bool (*is_cheap)(const struct ept_cost *cost, const struct stream *stream);
	const char *claim;	/* that is_cheap() looks at */
	unsigned int max_vcpus;
	long cpus;		/* that it needs */
};

static unsigned int rounds;

static void *small_pages(unsigned int pages)
{
	return stream_memory(pages * STREAM_PAGE);
}

static void drop(struct stream *stream, unsigned int first, unsigned int pages)
{
	stream_drop(stream_page(stream, first), pages * STREAM_PAGE);
}

static void replace(struct stream *stream, unsigned int first, unsigned int pages)
{
	stream_unsettle(stream, first, pages);
	drop(stream, first, pages);
	stream_fill(stream, first, pages);
}

static void drop_round(struct stream *stream, unsigned int round)
{
	replace(stream, round * 7 % stream->pages, 1);
	stream_pass(stream);
}

static bool drop_is_cheap(const struct ept_cost *cost, const struct stream *stream)
{
	const struct l0_ept *ept = &cost->ept;

	(void)stream;
	return !ept->flush_space && !ept->invept_single && !ept->invept_global &&
	       ept->flush_list >= rounds && ept->pages_changed >= rounds &&
	       ept->pages_named <= rounds * MAX_NAMED && ept->refaults <= rounds * MAX_REFAULTS;
}

/* Every fourth page one by one; then all of that half, a range with holes. */
static void balloon_round(struct stream *stream, unsigned int round)
{
	unsigned int half = stream->pages / 2, first = round % 2 * half;

	stream_hide(stream, first, half);
	for (unsigned int i = first; i < first + half; i += 4)
		drop(stream, i, 1);
	stream_pass(stream);
	drop(stream, first, half);
	stream_pass(stream);
	stream_fill(stream, first, half);
	stream_pass(stream);
}

static bool balloon_is_cheap(const struct ept_cost *cost, const struct stream *stream)
{
	const struct l0_ept *ept = &cost->ept;

	return !ept->flush_space && !ept->invept_single && !ept->invept_global &&
	       ept->flush_list >= rounds && ept->pages_changed >= rounds * stream->pages / 2 &&
	       ept->pages_named <= rounds * stream->pages &&
	       ept->refaults <= rounds * stream->pages;
}

static void move_round(struct stream *stream, unsigned int round)
{
	worker_move(0, round & 1);
	stream_pass(stream);
}

static bool move_is_cheap(const struct ept_cost *cost, const struct stream *stream)
{
	const struct l0_ept *ept = &cost->ept;

	(void)stream;
	return !ept->flush_space && !ept->flush_list && !ept->invept_single &&
	       !ept->invept_global && !ept->refaults && ept->invvpid >= rounds;
}

/* The last pages get a slot of their own. */
static void split_memory(struct stream *stream)
{
	unsigned int last = stream->pages / MEMSLOT_PART, first = stream->pages - last;

	stream_hide(stream, 0, stream->pages);
	stream_pass(stream);
	vm_set_slot(&stream->vm, STREAM_SLOT, 0, 0, 0, NULL);
	vm_set_slot(&stream->vm, STREAM_SLOT, 0, stream->gpa, first * STREAM_PAGE, stream->mem);
	vm_set_slot(&stream->vm, STREAM_SLOT + 1, 0, stream->gpa + first * STREAM_PAGE,
		    last * STREAM_PAGE, stream_page(stream, first));
	stream_fill(stream, 0, stream->pages);
}

static void memslot_round(struct stream *stream, unsigned int round)
{
	unsigned int last = stream->pages / MEMSLOT_PART, first = stream->pages - last;

	(void)round;
	stream_hide(stream, first, last);
	vm_set_slot(&stream->vm, STREAM_SLOT + 1, 0, 0, 0, NULL);
	stream_pass(stream);
	drop(stream, first, last);
	vm_set_slot(&stream->vm, STREAM_SLOT + 1, 0, stream->gpa + first * STREAM_PAGE,
		    last * STREAM_PAGE, stream_page(stream, first));
	stream_fill(stream, first, last);
	stream_pass(stream);
}

/* A deleted slot gives the guest a new root: one flush for the old one, one for the new. */
static bool memslot_is_cheap(const struct ept_cost *cost, const struct stream *stream)
{
	const struct l0_ept *ept = &cost->ept;

	(void)stream;
	return !ept->invept_single && !ept->invept_global && ept->flush_space <= 2 * rounds;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		ktap_bail("%s does not take '%s'", name, text);
}

/* What @file says after @word, in the first line that begins with it. */
static unsigned long number_in(const char *name, const char *word)
{
	FILE *file = fopen(name, "r");
	unsigned long number = 0;
	char line[256];

	if (!file)
		ktap_bail("%s does not open", name);
	while (fgets(line, sizeof(line), file)) {
		const char *text = line + strspn(line, " ");

		if (!strncmp(text, word, strlen(word))) {
			number = strtoul(text + strlen(word), NULL, 10);
			break;
		}
	}
	fclose(file);
	return number;
}

/*
 * Memory whose last pages the kernel's page reclaim looks at although there is no swap:
 * the ring of an AIO context is page cache, and stays, as the context holds its pages.
 */
static void *aging_memory(unsigned int pages)
{
	uint8_t *mem = stream_memory(pages * STREAM_PAGE);
	uint64_t size = AGED * STREAM_PAGE;
	aio_context_t ring = 0;

	if (pages <= AGED)
		ktap_bail("age wants more than %u pages", AGED);
	/* The kernel doubles the number of events, and adds two and a header. */
	if (syscall(SYS_io_setup, size / sizeof(struct io_event) / 2 - 2, &ring) ||
	    mremap((void *)ring, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		   mem + (pages - AGED) * STREAM_PAGE) == MAP_FAILED)
		ktap_bail("no AIO context of %u pages", AGED);
	return mem;
}

/*
 * kswapd gives up for good when it was called in vain a few times, so it has to be
 * stopped as soon as it has done enough, and cannot be called often.
 */
static void get_aging_ready(struct stream *stream)
{
	(void)stream;
	worker_be_first();
	write_file("/proc/sys/vm/watermark_scale_factor", "3000");
}

/*
 * Lets kswapd believe that memory is short: between the marks "min" and "low". It looks
 * who uses the pages of its lists (kvm_age_hva), and takes them from those who do not.
 */
static void age_round(struct stream *stream, unsigned int round)
{
	unsigned long usual = number_in("/proc/sys/vm/min_free_kbytes", "");
	unsigned int waits = 0;
	char text[32];
	void *mem;

	(void)round;
	write_file(AGING "trigger", "hist:keys=start");
	snprintf(text, sizeof(text), "%lu", number_in("/proc/meminfo", "MemFree:") / 4 * 3);
	write_file("/proc/sys/vm/min_free_kbytes", text);
	mem = stream_memory(STREAM_PAGE);
	*(volatile uint8_t *)mem = 1;
	while (number_in(AGING "hist", "Entries:") < AGED / 2) {
		if (waits++ == MAX_WAITS)
			ktap_bail("the kernel aged %lu pages only",
				  number_in(AGING "hist", "Entries:"));
		usleep(WAIT_US);
	}
	snprintf(text, sizeof(text), "%lu", usual);
	write_file("/proc/sys/vm/min_free_kbytes", text);
	write_file(AGING "trigger", "!hist:keys=start");
	munmap(mem, STREAM_PAGE);
	stream_pass(stream);
}

static bool age_is_cheap(const struct ept_cost *cost, const struct stream *stream)
{
	const struct l0_ept *ept = &cost->ept;

	(void)stream;
	return !ept->flush_space && !ept->invept_single && !ept->invept_global &&
	       ept->flush_list >= rounds * AGED / 2 && ept->refaults >= rounds * AGED / 2 &&
	       ept->refaults <= rounds * AGED * MAX_REFAULTS;
}

static void *huge_pages(unsigned int pages)
{
	if (pages % HUGE || pages < 3 * HUGE)
		ktap_bail("huge wants %llu pages, or more huge ones", 3 * HUGE);
	return stream_huge_memory(pages * STREAM_PAGE);
}

/* L2 reads some of the pages: each is a fault, when it is a small one. */
static void thin_out(struct stream *stream)
{
	for (unsigned int i = 0; i < stream->pages; i++) {
		if (i % HUGE_STEP)
			stream_hide(stream, i, 1);
	}
}

static bool maps_huge_pages(struct stream *stream)
{
	if (!stream_collapse(stream))
		return false;
	stream_pass(stream);
	return stats_huge_pages(&stream->vm) == stream->pages / HUGE;
}

static void make_huge(struct stream *stream)
{
	thin_out(stream);
	if (maps_huge_pages(stream))
		return;
	ktap_skip_rest("KVM maps no huge pages here");
	exit(ktap_exit());
}

/*
 * Of the first huge page, one page goes and then another one, which KVM has unmapped
 * by then; of the second one the last half and of the third one the first.
 */
static void huge_round(struct stream *stream, unsigned int round)
{
	unsigned int shift = round * HUGE_STEP;

	replace(stream, HUGE / 4 + shift, 1);
	replace(stream, HUGE / 2 + shift, 1);
	stream_pass(stream);
	replace(stream, HUGE + HUGE / 2 - shift, HUGE);
	thin_out(stream);
	stream_pass(stream);
	if (!maps_huge_pages(stream))
		ktap_bail("KVM does not map the huge pages again");
}

/* Each is named three times: torn, unmapped as small pages, and mapped in place of those. */
static bool huge_is_cheap(const struct ept_cost *cost, const struct stream *stream)
{
	const struct l0_ept *ept = &cost->ept;

	return !ept->flush_space && !ept->invept_single && !ept->invept_global &&
	       ept->pages_named >= rounds * 3 * stream->pages &&
	       ept->pages_named < rounds * 4 * stream->pages;
}

static const struct workload workloads[] = {
	{ "drop", 64, 8, small_pages, NULL, drop_round, drop_is_cheap,
	  "one page dropped: at most 512 named and 2 refaults, no whole space", STREAM_VCPUS, 1 },
	{ "refusal", 32, 60, small_pages, NULL, drop_round, NULL, NULL, STREAM_VCPUS, 1 },
	{ "balloon", 512, 2, small_pages, NULL, balloon_round, balloon_is_cheap,
	  "a balloon: what was dropped is named, and faults, twice at most", STREAM_VCPUS, 1 },
	{ "age", 512, 1, aging_memory, get_aging_ready, age_round, age_is_cheap,
	  "pages aged: what was not faults on nothing, no whole space", 1, 1 },
	{ "migrate", 64, 12, small_pages, NULL, move_round, move_is_cheap,
	  "a vCPU that moves flushes linear addresses, no mapping, and faults on none", 1, 2 },
	{ "memslot", 64, 4, small_pages, split_memory, memslot_round, memslot_is_cheap,
	  "a memory slot deleted: no INVEPT, at most 2 whole spaces", STREAM_VCPUS, 1 },
	{ "huge", 1536, 1, huge_pages, make_huge, huge_round, huge_is_cheap,
	  "pages of huge pages dropped: the huge ones are named, no whole space",
	  STREAM_VCPUS, 1 },
};

#define WORKLOADS	(sizeof(workloads) / sizeof(workloads[0]))

struct job {
	const struct workload *workload;
	struct stream stream;
	unsigned int next;
};

static void work(void *arg)
{
	struct job *job = arg;

	for (unsigned int i = 0; i < job->workload->rounds; i++)
		job->workload->round(&job->stream, job->next++);
}

static const struct workload *find(const char *name)
{
	for (unsigned int i = 0; name && i < WORKLOADS; i++) {
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	}
	ktap_bail("usage: ept_flush drop|refusal|balloon|age|migrate|memslot|huge [PAGES [VCPUS]]");
}

static unsigned int number(const char *text, unsigned int otherwise)
{
	return text ? strtoul(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	struct job job = { .workload = find(argc > 1 ? argv[1] : NULL) };
	const struct workload *workload = job.workload;
	unsigned int pages = number(argc > 2 ? argv[2] : NULL, workload->pages);
	unsigned int vcpus = number(argc > 3 ? argv[3] : NULL, 1);
	struct ept_cost cost;
	bool counted, right;
	const char *why;
	char name[64];

	ktap_plan(2);
	if (vcpus > workload->max_vcpus)
		ktap_bail("%s takes %u vCPUs at most", workload->name, workload->max_vcpus);
	if (sysconf(_SC_NPROCESSORS_ONLN) < workload->cpus ||
	    sysconf(_SC_NPROCESSORS_ONLN) < (long)vcpus) {
		ktap_skip_rest("needs two CPUs");
		return ktap_exit();
	}
	rounds = workload->rounds;
	stream_create(&job.stream, pages, vcpus, workload->memory(pages));
	if (workload->prepare)
		workload->prepare(&job.stream);
	stream_pass(&job.stream);
	counted = ept_cost_of(work, &job, &cost, &why);
	right = stream_is_right(&job.stream);
	ktap_ok(right, "%s: L2 finds what was last put into %u pages", workload->name, pages);
	snprintf(name, sizeof(name), "%s%s", workload->name, vcpus > 1 ? "-two-vcpus" : "");
	if (counted)
		ept_cost_print(name, pages, &cost);
	if (!workload->is_cheap)
		ktap_skip("cost", "%s is no question of cost", workload->name);
	else if (!counted)
		ktap_skip(workload->claim, "%s", why);
	else
		ept_cost_case(workload->is_cheap(&cost, &job.stream), workload->claim);
	stream_destroy(&job.stream);
	return ktap_exit();
}
