// SPDX-License-Identifier: GPL-2.0-only
/*
 * hibernate: L1 goes to sleep on a disk and wakes up in another VM of L0, while L2 runs.
 *
 *	hibernate DISK		a swap area (mkswap), which the kernel knows as resume=
 *
 * L1 writes itself to the disk and powers off. L0 makes another VM with that disk, whose kernel
 * finds L1 there and puts it in its own place. L2 computes on two CPUs (lib/worker.h).
 *
 * Proved: L2 goes on and has no wrong result; the clocks of L1, that of its log included, go on
 * from where they were, although Hyper-V's reference time has begun anew in that VM.
 *
 * Broken by: a page of the VM before that is not made known to Hyper-V again, or a clock that
 * takes the reference time of one VM for that of the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <time.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/worker.h"

#define NS_PER_S	1000000000ll
#define STEPS		40
#define ERROR_NS	1000000
#define MOST_AWAKE_NS	(10 * NS_PER_S)	/* that the clocks count for the way to sleep and back */
#define LOG_ERROR_NS	(NS_PER_S / 10)

/* When something happened, in ns, by each clock */
struct moment {
	int64_t monotonic, boottime, realtime, log;
};

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* The log's clock is that of the scheduler, sched_clock(). */
static int64_t read_log_clock(void)
{
	static const char line[] = "hibernate: what time is it?\n";
	int fd = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	char record[256];
	int64_t us;
	ssize_t n;

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0 || write(fd, line, strlen(line)) < 0)
		ktap_bail("/dev/kmsg: %s", strerror(errno));
	n = read(fd, record, sizeof(record) - 1);
	if (n < 0)
		ktap_bail("/dev/kmsg: %s", strerror(errno));
	record[n] = '\0';
	if (sscanf(record, "%*u,%*u,%" SCNd64, &us) != 1)
		ktap_bail("/dev/kmsg has \"%s\"", record);
	close(fd);
	return us * 1000;
}

static struct moment now(void)
{
	return (struct moment){
		.monotonic = read_clock(CLOCK_MONOTONIC),
		.boottime = read_clock(CLOCK_BOOTTIME),
		.realtime = read_clock(CLOCK_REALTIME),
		.log = read_log_clock(),
	};
}

static void hibernate(void)
{
	int fd = open("/sys/power/state", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "disk", 4) != 4)
		ktap_bail("/sys/power/state: %s", strerror(errno));
	close(fd);
}

static void check_clocks(const struct moment *before, const struct moment *after)
{
	int64_t awake = after->monotonic - before->monotonic;
	int64_t past = after->boottime - before->boottime;
	int64_t real = after->realtime - before->realtime;
	int64_t log = after->log - before->log;

	ktap_diag("steps in us: monotonic %" PRId64 ", boottime %" PRId64 ", realtime %" PRId64
		  ", log %" PRId64, awake / 1000, past / 1000, real / 1000, log / 1000);
	ktap_ok(awake > 0 && awake < MOST_AWAKE_NS, "the monotonic clock goes on");
	ktap_ok(past >= awake && llabs(real - past) < ERROR_NS,
		"the others know how long L1 slept");
	ktap_ok(llabs(log - awake) < LOG_ERROR_NS, "the log's clock goes on");
}

int main(int argc, char **argv)
{
	struct moment before, after;
	struct worker worker[2];
	bool right = true;
	struct vm vm;

	if (argc != 2)
		ktap_bail("usage: hibernate DISK");
	ktap_plan(4);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		ktap_skip_rest("needs two CPUs");
		return ktap_exit();
	}
	if (swapon(argv[1], 0))
		ktap_bail("swapon %s: %s", argv[1], strerror(errno));
	worker_be_first();
	worker_create_vm(&vm);
	for (unsigned int i = 0; i < 2; i++) {
		worker_start(&worker[i], &vm, i, 0);
		worker_move(worker[i].tid, i);
	}
	for (unsigned int i = 0; i < 2; i++)
		worker_wait(&worker[i], STEPS);
	before = now();
	hibernate();
	after = now();
	for (unsigned int i = 0; i < 2; i++) {
		worker_wait(&worker[i], STEPS);
		right &= worker_end(&worker[i]);
	}
	vm_destroy(&vm);
	ktap_ok(right, "L2 goes on, on two CPUs");
	check_clocks(&before, &after);
	return ktap_exit();
}
