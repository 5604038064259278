// SPDX-License-Identifier: GPL-2.0-only
/* stream.c: see stream.h. */
#include "stream.h"

#include <assert.h>
#include <errno.h>
#include <linux/mman.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"
#include "worker.h"

#define TABLE		0x18000
#define OTHERS		0x7e57ull	/* none of stream_fill()'s */
#define UNSETTLED	(1ull << 63)
#define POLL_US		200
#define MAX_TRIES	1000

/* What the VMM and L2 share, in the vCPU's page of data. */
struct shared {
	uint64_t gpa, stride, pages;
	uint64_t write;		/* a pass of writes */
	uint64_t go_on;		/* with the next pass, without the VMM */
	uint64_t passes;	/* made */
	uint64_t wrong;		/* pages that did not hold what they must */
	uint64_t wrong_gpa, wrong_value, wrong_word;	/* the last of them */
};

static_assert(offsetof(struct shared, wrong_word) == 72, "the guest code knows the layout");
static_assert(TABLE + STREAM_PAGES * 8 <= VM_MEM_SIZE, "the table fits");

/* rsi: the page, rbx: its word in the table, r8: that word, r9: what the page holds. */
GUEST_CODE(stream_guest,
	"1:	mov	(%rdi), %rsi\n"
	"	mov	$" VM_STRING(TABLE) ", %ebx\n"
	"	mov	16(%rdi), %rcx\n"
	"2:	mov	(%rbx), %r8\n"
	"	test	%r8, %r8\n"
	"	jz	3f\n"
	"	cmpb	$0, 24(%rdi)\n"
	"	jne	5f\n"
	"	mov	(%rsi), %r9\n"
	"	cmp	%r8, %r9\n"
	"	jne	4f\n"
	"3:	add	$8, %rbx\n"
	"	add	8(%rdi), %rsi\n"
	"	dec	%rcx\n"
	"	jnz	2b\n"
	"	incq	40(%rdi)\n"
	"	cmpb	$0, 32(%rdi)\n"
	"	jne	1b\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n"
	"4:	test	%r8, %r8\n"		/* the sign: unsettled */
	"	js	3b\n"
	"	cmp	(%rbx), %r8\n"
	"	jne	3b\n"
	"	incq	48(%rdi)\n"
	"	mov	%rsi, 56(%rdi)\n"
	"	mov	%r9, 64(%rdi)\n"
	"	mov	%r8, 72(%rdi)\n"
	"	jmp	3b\n"
	"5:	mov	%r8, (%rsi)\n"
	"	jmp	3b\n");

static volatile struct shared *shared_with(struct stream *stream, unsigned int id)
{
	return vm_at(&stream->vm, VM_DATA(id));
}

static void *map(uint64_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		ktap_bail("mmap of %llu bytes: %s", (unsigned long long)size, strerror(errno));
	return mem;
}

void *stream_memory(uint64_t size)
{
	void *mem = map(size);

	/* A kernel without huge pages refuses, and need not be told. */
	madvise(mem, size, MADV_NOHUGEPAGE);
	return mem;
}

void *stream_huge_memory(uint64_t size)
{
	uint64_t at = (uint64_t)map(size + STREAM_HUGE);

	return (void *)((at + STREAM_HUGE - 1) & ~(STREAM_HUGE - 1));
}

static void drop(void *mem, uint64_t size)
{
	if (madvise(mem, size, MADV_DONTNEED))
		ktap_bail("MADV_DONTNEED of %llu bytes: %s", (unsigned long long)size,
			  strerror(errno));
}

/* The kernel gives out first what came back last. */
void stream_drop(void *mem, uint64_t size)
{
	static uint8_t *other;

	if (!other)
		other = stream_memory(STREAM_PAGES * STREAM_PAGE);
	drop(other, STREAM_PAGES * STREAM_PAGE);
	drop(mem, size);
	for (uint64_t at = 0; at < size; at += STREAM_PAGE)
		*(volatile uint64_t *)(other + at) = OTHERS;
}

uint64_t *stream_page(struct stream *stream, unsigned int page)
{
	return (uint64_t *)(stream->mem + page * stream->stride);
}

void stream_fill(struct stream *stream, unsigned int first, unsigned int pages)
{
	stream->generation++;
	for (unsigned int i = first; i < first + pages; i++) {
		uint64_t value = stream->generation << 16 | i;

		*(volatile uint64_t *)stream_page(stream, i) = value;
		stream->must_hold[i] = value;
	}
}

void stream_unsettle(struct stream *stream, unsigned int first, unsigned int pages)
{
	for (unsigned int i = first; i < first + pages; i++)
		stream->must_hold[i] = UNSETTLED | i;
}

void stream_hide(struct stream *stream, unsigned int first, unsigned int pages)
{
	for (unsigned int i = first; i < first + pages; i++)
		stream->must_hold[i] = 0;
}

/*
 * MADV_COLLAPSE works where huge pages are turned off, too, as they are in a machine with
 * little memory. A page that a vCPU faults on just then is one that it cannot move.
 */
bool stream_collapse(struct stream *stream)
{
	for (unsigned int i = 0; madvise(stream->mem, stream->size, MADV_COLLAPSE); i++) {
		if (errno != EAGAIN || i == MAX_TRIES) {
			ktap_diag("MADV_COLLAPSE: %s", strerror(errno));
			return false;
		}
		usleep(POLL_US);
	}
	return true;
}

/* L2 may look at a page that is hidden just now: then it reads whatever KVM answers. */
static void run_to_step(struct vcpu *vcpu)
{
	unsigned int reason;

	do {
		reason = vcpu_run(vcpu);
	} while (reason == KVM_EXIT_MMIO && !vcpu->run->mmio.is_write);
	if (reason != KVM_EXIT_IO || vcpu->run->io.port != PORT_STEP)
		vcpu_bad_exit(vcpu);
}

static void *vcpu_thread(void *vcpu)
{
	worker_move(0, ((struct vcpu *)vcpu)->id);
	run_to_step(vcpu);
	return NULL;
}

static void create(struct stream *stream, unsigned int vcpus)
{
	if (!stream->pages || stream->pages > STREAM_PAGES || !vcpus || vcpus > STREAM_VCPUS)
		ktap_bail("%u pages, %u vCPUs: there is room for %u and %u", stream->pages, vcpus,
			  STREAM_PAGES, STREAM_VCPUS);
	vm_create(&stream->vm, stream_guest, stream_guest_end);
	vm_map(&stream->vm, stream->gpa, stream->gpa + stream->size);
	vm_set_slot(&stream->vm, STREAM_SLOT, 0, stream->gpa, stream->size, stream->mem);
	stream->must_hold = vm_at(&stream->vm, TABLE);
	stream->vcpus = vcpus;
	for (unsigned int id = 0; id < vcpus; id++) {
		volatile struct shared *shared = shared_with(stream, id);

		shared->gpa = stream->gpa;
		shared->stride = stream->stride;
		shared->pages = stream->pages;
		vcpu_create(&stream->vcpu[id], &stream->vm, id);
	}
}

static void start(struct stream *stream)
{
	worker_be_first();
	stream->running = true;
	for (unsigned int id = 0; id < stream->vcpus; id++) {
		shared_with(stream, id)->go_on = 1;
		if (pthread_create(&stream->thread[id], NULL, vcpu_thread, &stream->vcpu[id]))
			ktap_bail("no thread for vCPU %u", id);
	}
}

void stream_create(struct stream *stream, unsigned int pages, unsigned int vcpus, void *mem)
{
	memset(stream, 0, sizeof(*stream));
	stream->gpa = STREAM_GPA;
	stream->size = pages * STREAM_PAGE;
	stream->stride = STREAM_PAGE;
	stream->pages = pages;
	stream->mem = mem;
	create(stream, vcpus);
	stream_fill(stream, 0, pages);
	if (vcpus > 1)
		start(stream);
}

void stream_create_sparse(struct stream *stream, unsigned int pages, uint64_t gpa, uint64_t size,
			  void *mem)
{
	memset(stream, 0, sizeof(*stream));
	stream->gpa = gpa;
	stream->size = size;
	stream->pages = pages;
	if (pages > 1)
		stream->stride = (size / STREAM_PAGE - 1) / (pages - 1) * STREAM_PAGE;
	stream->mem = mem;
	create(stream, 1);
}

void stream_destroy(struct stream *stream)
{
	for (unsigned int id = 0; id < stream->vcpus; id++) {
		shared_with(stream, id)->go_on = 0;
		if (stream->running)
			pthread_join(stream->thread[id], NULL);
		vcpu_destroy(&stream->vcpu[id]);
	}
	vm_destroy(&stream->vm);
}

void stream_pass(struct stream *stream)
{
	uint64_t passes[STREAM_VCPUS];

	if (!stream->running) {
		run_to_step(&stream->vcpu[0]);
		return;
	}
	for (unsigned int id = 0; id < stream->vcpus; id++)
		passes[id] = shared_with(stream, id)->passes;
	/* The pass under way began before. */
	for (unsigned int id = 0; id < stream->vcpus; id++) {
		while (shared_with(stream, id)->passes < passes[id] + 2)
			usleep(POLL_US);
	}
}

void stream_write(struct stream *stream)
{
	shared_with(stream, 0)->write = 1;
	run_to_step(&stream->vcpu[0]);
	shared_with(stream, 0)->write = 0;
}

bool stream_is_right(struct stream *stream)
{
	bool ok = true;

	for (unsigned int id = 0; id < stream->vcpus; id++) {
		volatile struct shared *shared = shared_with(stream, id);

		if (!shared->wrong)
			continue;
		ktap_diag("vCPU %u: %llu wrong pages; the last one, %#llx, held %#llx, not %#llx", id,
			  (unsigned long long)shared->wrong, (unsigned long long)shared->wrong_gpa,
			  (unsigned long long)shared->wrong_value,
			  (unsigned long long)shared->wrong_word);
		ok = false;
	}
	return ok;
}
