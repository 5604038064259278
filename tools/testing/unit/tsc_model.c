// SPDX-License-Identifier: GPL-2.0-only
/*
 * tsc_model.c: see tsc_model.h.
 *
 * Each state that Hyper-V brings the page into has a scale, an offset, and TSCs of its own
 * (after a migration the TSC may be anything), so that what a reader mixes from two of them
 * belongs to none. Hyper-V writes as KVM does: sequence 0, scale, offset, the next sequence;
 * a reader may see any of these steps.
 */
#include <string.h>

#include "tsc_model.h"
#include "tsc_page.h"

#define MAX_STATES	24
#define STEPS		4	/* of a write */
#define WRAP		0xfffffffe
/* Too far for a sequence to come back to, in one read: no reader could notice. */
#define FIRST_SEQUENCE	1000

void (*unit_before_load)(void);

static struct {
	struct evmcs_tsc_page page;
	u64 tsc;
	const u8 *input;
	size_t left;
	unsigned int state;	/* the last one that is complete */
	unsigned int step;	/* of the write of the next one */
	u64 scale[MAX_STATES];
	u64 offset[MAX_STATES];
	u32 sequence[MAX_STATES];
	u32 last;		/* sequence that was not 0 */
	u64 first_tsc[MAX_STATES];
} hyperv;

/* Differs in all bits from one call to the next; any would do. */
static u64 spread(u64 value)
{
	value = (value + 1) * 0x9e3779b97f4a7c15ull;
	return value ^ value >> 29;
}

static void make_state(unsigned int state, u8 seed)
{
	hyperv.scale[state] = spread(seed * 64 + state) | 1ull << 55;
	hyperv.offset[state] = spread(seed * 64 + state + 4096);
	hyperv.first_tsc[state] = spread(state) & ~0xffffull;
	/* 0 and the highest one are skipped; or the page is invalid in this state. */
	if (seed == 0xfe && hyperv.last >= FIRST_SEQUENCE && hyperv.last < WRAP)
		hyperv.last = WRAP;
	else if (seed != 0xff)
		hyperv.last = hyperv.last < WRAP ? hyperv.last + 1 : 1;
	hyperv.sequence[state] = seed == 0xff ? 0 : hyperv.last;
}

/* One step of the write of the next state. */
static void write_on(u8 seed)
{
	unsigned int next = hyperv.state + 1;

	switch (hyperv.step++ % STEPS) {
	case 0:
		if (next == MAX_STATES) {
			hyperv.step--;
			return;
		}
		make_state(next, seed);
		hyperv.page.sequence = 0;
		break;
	case 1:
		hyperv.page.scale = hyperv.scale[next];
		break;
	case 2:
		hyperv.page.offset = hyperv.offset[next];
		hyperv.tsc = hyperv.first_tsc[next];
		break;
	case 3:
		hyperv.page.sequence = hyperv.sequence[next];
		hyperv.state = next;
	}
}

/* The input says how many steps come before this load: none for most bytes. */
static void before_load(void)
{
	unsigned int steps;
	u8 byte;

	if (!hyperv.left)
		return;
	byte = *hyperv.input++;
	hyperv.left--;
	steps = byte >= 0xfc ? 4 : byte >> 4 & 3 ? 0 : byte & 7;
	while (steps--)
		write_on(byte);
}

static u64 read_tsc(void)
{
	before_load();
	return hyperv.tsc++;
}

static bool belongs_to(const struct evmcs_tsc_sample *sample, unsigned int state)
{
	__uint128_t product = (__uint128_t)sample->tsc * hyperv.scale[state];

	return sample->tsc - hyperv.first_tsc[state] < 0x10000 &&
	       sample->scale == hyperv.scale[state] &&
	       sample->time == (u64)(product >> 64) + hyperv.offset[state];
}

static const char *judge(bool valid, const struct evmcs_tsc_sample *sample, unsigned int first)
{
	for (unsigned int state = first; state <= hyperv.state; state++) {
		if (!valid && !hyperv.sequence[state])
			return NULL;
		if (valid && hyperv.sequence[state] && belongs_to(sample, state))
			return NULL;
	}
	/* Between two states the sequence is 0, too. */
	if (!valid && (hyperv.state > first || hyperv.step % STEPS))
		return NULL;
	return valid ? "a time that no state of the page has" :
		       "the page is taken for invalid, and it was not";
}

const char *tsc_model_run(const u8 *input, size_t size)
{
	const char *problem = NULL;

	memset(&hyperv, 0, sizeof(hyperv));
	hyperv.input = input;
	hyperv.left = size;
	hyperv.scale[0] = 1ull << 57;
	hyperv.last = FIRST_SEQUENCE;
	hyperv.sequence[0] = FIRST_SEQUENCE;
	hyperv.page.scale = hyperv.scale[0];
	hyperv.page.sequence = FIRST_SEQUENCE;
	unit_before_load = before_load;
	do {
		unsigned int first = hyperv.state;
		struct evmcs_tsc_sample sample;
		bool valid = evmcs_tsc_page_read(&hyperv.page, read_tsc, &sample);

		problem = judge(valid, &sample, first);
	} while (!problem && hyperv.left);
	unit_before_load = NULL;
	return problem;
}
