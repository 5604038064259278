/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream.h: an L2 that goes over pages again and again and knows what is in them.
 *
 * The pages lie in memory slots of their own, at equal distances. L2 and the VMM share
 * a table with a word for each page: what the page must hold. L2 reads the word, the
 * page, and the word again; if the word is still the same, the page must hold it. So
 * the VMM can take pages away and give them back while L2 runs, and a page that L2
 * sees although it is gone does not go unnoticed.
 *
 * One vCPU is run by the test's own thread, pass by pass; several have threads of
 * their own, each on its CPU, and do not stop between passes.
 */
#ifndef STREAM_H
#define STREAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vm.h"

#define STREAM_PAGE	4096ull
#define STREAM_HUGE	(512 * STREAM_PAGE)	/* a huge page */
#define STREAM_PAGES	4096	/* that fit into the table */
#define STREAM_VCPUS	2
#define STREAM_GPA	(1ull << 30)
#define STREAM_SLOT	1	/* the first one; a test may split the memory */

struct stream {
	struct vm vm;
	struct vcpu vcpu[STREAM_VCPUS];
	pthread_t thread[STREAM_VCPUS];
	unsigned int vcpus;
	bool running;			/* in threads of their own */
	uint8_t *mem;
	uint64_t gpa, size, stride;
	unsigned int pages;
	volatile uint64_t *must_hold;	/* the table */
	uint64_t generation;		/* of contents */
};

/*
 * Drops pages of private memory (MADV_DONTNEED) and lets something else have what they
 * were in: who still reads there does not find the old contents, and not the new ones.
 */
void stream_drop(void *mem, uint64_t size);

/* Private memory that takes no room until it is used, in pages of 4 KiB. */
void *stream_memory(uint64_t size);

/* The same for huge pages: @size is that of some. They become huge by stream_collapse(). */
void *stream_huge_memory(uint64_t size);

/*
 * Makes a VM with @vcpus vCPUs for @pages pages, one after another in @mem, filled and
 * in slot STREAM_SLOT at STREAM_GPA.
 */
void stream_create(struct stream *stream, unsigned int pages, unsigned int vcpus, void *mem);

/* The same with one vCPU, and pages as far apart as can be in @size bytes at @gpa; not filled. */
void stream_create_sparse(struct stream *stream, unsigned int pages, uint64_t gpa, uint64_t size,
			  void *mem);

/* Stops L2. The memory stays. */
void stream_destroy(struct stream *stream);

/* Where the test sees a page. */
uint64_t *stream_page(struct stream *stream, unsigned int page);

/* Gives pages new contents, which L2 must see from now on. */
void stream_fill(struct stream *stream, unsigned int first, unsigned int pages);

/* From now on L2 reads the pages, but expects nothing of them. */
void stream_unsettle(struct stream *stream, unsigned int first, unsigned int pages);

/* From now on L2 leaves the pages alone (it may have one last look). */
void stream_hide(struct stream *stream, unsigned int first, unsigned int pages);

/*
 * Makes huge pages of all memory of the stream, from stream_huge_memory() and in use; L2
 * need not notice. False if the kernel cannot.
 */
bool stream_collapse(struct stream *stream);

/* Each vCPU makes a pass that begins after the call. */
void stream_pass(struct stream *stream);

/* One pass of vCPU 0 in which L2 writes to each page that is not hidden what it must hold. */
void stream_write(struct stream *stream);

/* True if L2 has found in the pages what they must hold, ever since; else says where not. */
bool stream_is_right(struct stream *stream);

#endif
