// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a hypercall's result: each status, and a rep hypercall that Hyper-V
 * interrupts again and again, refuses half-way, or does not go on with.
 */
#include <errno.h>

#include <linux/types.h>

#include "result.h"
#include "unit.h"

#define CODE	0x00b0
#define REPS	510

static const struct {
	u16 status;
	int error;
} known[] = {
	{ 2, -EOPNOTSUPP }, { 3, -EINVAL }, { 4, -EINVAL }, { 5, -EINVAL }, { 6, -EACCES },
	{ 8, -EPERM }, { 11, -ENOMEM }, { 19, -ENOBUFS }, { 120, -ETIMEDOUT },
	{ 0xffff, -ENODEV },
};

static int expected(u16 status)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].status == status)
			return known[i].error;
	}
	return status ? -EIO : 0;
}

/* With all other bits clear, and set */
static bool every_status(void)
{
	for (u64 status = 0; status <= 0xffff; status++) {
		if (hv_status_error(status) != expected(status) ||
		    hv_status_error(status | ~0xffffull) != expected(status)) {
			ktap_diag("status %#llx", (unsigned long long)status);
			return false;
		}
	}
	return true;
}

/* What L0 does with a rep hypercall */
struct hypervisor {
	u16 stride;	/* elements at once */
	u16 fails_at;	/* at this one, with a status */
	u16 done;
	unsigned int calls;
	bool twice;	/* some element, or none */
};

static u64 serve(struct hypervisor *l0, u64 control)
{
	u16 reps = control >> 32 & 0xfff, start = control >> 48 & 0xfff, end = start + l0->stride;
	u64 status = 0;

	l0->calls++;
	l0->twice |= start != l0->done || (control & 0xffffffff) != CODE || reps != REPS;
	if (end >= l0->fails_at && start <= l0->fails_at) {
		end = l0->fails_at;
		status = 5;
	}
	if (end > reps)
		end = reps;
	l0->done = end;
	return status | (u64)end << 32;
}

/* As gpa_flush.c does it */
static int call(struct hypervisor *l0)
{
	int next = 0;

	do {
		next = hv_rep_next(serve(l0, hv_rep_control(CODE, REPS, next)), REPS, next);
	} while (next > 0 && l0->calls <= REPS);
	return next;
}

static bool goes_on(void)
{
	for (u16 stride = 1; stride <= REPS + 1; stride++) {
		struct hypervisor l0 = { .stride = stride, .fails_at = 0xffff };
		unsigned int calls = (REPS + stride - 1) / stride;

		if (call(&l0) || l0.done != REPS || l0.twice || l0.calls != calls) {
			ktap_diag("stride %u: %u done, %u calls", stride, l0.done, l0.calls);
			return false;
		}
	}
	return true;
}

static bool ends_at_a_failure(void)
{
	for (u16 at = 0; at < REPS; at++) {
		struct hypervisor l0 = { .stride = 7, .fails_at = at };

		if (call(&l0) != -EINVAL || l0.done != at || l0.twice) {
			ktap_diag("failure at %u: %u done", at, l0.done);
			return false;
		}
	}
	return true;
}

static bool gives_up(void)
{
	struct hypervisor l0 = { .stride = 0, .fails_at = 0xffff };
	/* Half of it, and then half of it again */
	u64 half = (REPS / 2ull) << 32;

	return call(&l0) == -EIO && l0.calls == 1 && hv_rep_next(half, REPS, 0) == REPS / 2 &&
	       hv_rep_next(half, REPS, REPS / 2) == -EIO && hv_rep_next(half, REPS, REPS - 1) == -EIO;
}

void test_hv_result(void)
{
	ktap_ok(every_status(), "hypercall: an error for each status");
	ktap_ok(goes_on(), "hypercall: a list goes on where Hyper-V has stopped");
	ktap_ok(ends_at_a_failure(), "hypercall: a list ends where Hyper-V refuses an element");
	ktap_ok(gives_up(), "hypercall: a list ends where Hyper-V does nothing");
}
