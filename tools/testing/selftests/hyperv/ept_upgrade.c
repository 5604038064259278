// SPDX-License-Identifier: GPL-2.0-only
/*
 * ept_upgrade: pages of L2 become writable while L0 holds them as read-only.
 *
 * All pages are logged. The log is fetched, which makes them read-only; L2 reads them
 * all, so that L0 has asked for them; and then it writes to some. KVM answers the write
 * with more rights for the page, and need not flush that: whoever holds the old entry
 * drops it when it has denied an access. An L0 that does not (the fault "keep") has to
 * be told by a flush.
 *
 * Proved: L2 gets on, its writes are all in memory, and the log names the pages that it
 * has written and no others.
 *
 * Broken by: a fault that comes again for a page that is as it should be, and is not
 * flushed (L2 hangs, and a timer's signal ends the test); a flush that is left out when
 * the log is fetched (the log lacks what L2 writes next).
 */
#include <sys/time.h>

#include "lib/ktap.h"
#include "lib/stream.h"

#define PAGES		16
#define ROUNDS		2
#define HANG_US		60000	/* many times what a pass takes, on an emulated CPU too */

static struct stream stream;
static uint64_t contents[PAGES];	/* what L2 has written last */

static uint64_t get_log(void)
{
	uint64_t bits = 0;
	struct kvm_dirty_log log = { .slot = STREAM_SLOT, .dirty_bitmap = &bits };

	vm_ioctl(stream.vm.fd, KVM_GET_DIRTY_LOG, &log);
	return bits;
}

/* Two of three pages, not the same in each round */
static uint64_t set_of(unsigned int round)
{
	uint64_t set = 0;

	for (unsigned int i = 0; i < PAGES; i++)
		set |= (uint64_t)((i + round) % 3 != 0) << i;
	return set;
}

static void read_all(void)
{
	for (unsigned int i = 0; i < PAGES; i++)
		stream.must_hold[i] = contents[i];
	stream_pass(&stream);
}

/* Ends the test after so much time; 0: no more */
static void end_after(suseconds_t us)
{
	const struct itimerval timer = { .it_value.tv_usec = us };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void write_set(uint64_t set)
{
	stream.generation++;
	for (unsigned int i = 0; i < PAGES; i++) {
		if (set >> i & 1)
			contents[i] = stream.generation << 16 | i;
		stream.must_hold[i] = set >> i & 1 ? contents[i] : 0;
	}
	end_after(HANG_US);
	stream_write(&stream);
	end_after(0);
}

/* Pages that the test sees to hold something else than they must */
static unsigned int lost_writes(void)
{
	unsigned int lost = 0;

	for (unsigned int i = 0; i < PAGES; i++)
		lost += *(volatile uint64_t *)stream_page(&stream, i) != contents[i];
	return lost;
}

int main(void)
{
	bool exact = true;
	unsigned int lost = 0;

	ktap_plan(2);
	stream_create(&stream, PAGES, 1, stream_memory(PAGES * STREAM_PAGE));
	write_set(~0ull);
	vm_set_slot(&stream.vm, STREAM_SLOT, KVM_MEM_LOG_DIRTY_PAGES, stream.gpa, stream.size,
		    stream.mem);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t set = set_of(round), log;

		read_all();
		write_set(set);
		lost += lost_writes();
		log = get_log();
		if (log != set) {
			ktap_diag("round %u: L2 wrote %#llx, the log is %#llx", round,
				  (unsigned long long)set, (unsigned long long)log);
			exact = false;
		}
	}
	read_all();
	if (lost)
		ktap_diag("%u writes are lost", lost);
	ktap_ok(!lost && stream_is_right(&stream), "L2 writes to pages that it has read");
	ktap_ok(exact, "the log is exact");
	stream_destroy(&stream);
	return ktap_exit();
}
