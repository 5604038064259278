// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpu_hotplug: CPU 1 goes offline and comes back while KVM is in use.
 *
 *	cpu_hotplug [running|created]	one case, or all
 *
 * KVM leaves VMX operation on a CPU that goes and enters it again on one that
 * comes; the VMCSs that were active there are VMCLEARed, and with the enlightened
 * VMCS the CPU's VP assist page goes and comes too. L2 computes (lib/worker.h).
 *
 * Proved: an L2 that runs on CPU 1 goes on elsewhere when its CPU goes, and on
 * CPU 1 when that is back, again and again; one that began while CPU 1 was
 * offline runs there afterwards, and so does a new VM; none has a wrong result.
 *
 * Broken by: an eVMCS that is not VMCLEARed, or keeps its clean fields, when its
 * CPU goes; a VP assist page that is not made known to L0 again, or still names
 * an eVMCS of before. Leaves CPU 1 online.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/worker.h"

#define ONLINE		"/sys/devices/system/cpu/cpu1/online"
#define ROUNDS		2
#define STEPS		40
#define PAUSE_US	5000

/* The worker rests now and then meanwhile: the kernel has much to wait for. */
static void set_online(struct worker *worker, bool online)
{
	int fd = open(ONLINE, O_WRONLY | O_CLOEXEC);

	worker->pause_us = PAUSE_US;
	if (fd < 0 || write(fd, online ? "1" : "0", 1) != 1)
		ktap_bail("%s: %s", ONLINE, strerror(errno));
	close(fd);
	worker->pause_us = 0;
}

/* Moves the worker; true if L2 goes on there. */
static bool runs_on(struct worker *worker, int cpu)
{
	worker_move(worker->tid, cpu);
	worker_wait(worker, STEPS);
	if (worker->cpu == cpu)
		return true;
	ktap_diag("L2 runs on CPU %d, not %d", worker->cpu, cpu);
	return false;
}

static void check_running(void)
{
	struct worker worker;
	struct vm vm;
	bool ok = true;

	worker_create_vm(&vm);
	worker_start(&worker, &vm, 0, 0);
	for (unsigned int i = 0; i < ROUNDS && ok; i++) {
		ok = runs_on(&worker, 1);
		set_online(&worker, false);
		worker_wait(&worker, STEPS);
		if (worker.cpu == 1) {
			ktap_diag("L2 still runs on CPU 1");
			ok = false;
		}
		set_online(&worker, true);
		ok &= runs_on(&worker, 1);
	}
	ok &= worker_end(&worker);
	vm_destroy(&vm);
	ktap_ok(ok, "L2 runs on CPU 1 when it goes, and again when it is back");
}

static void check_created_meanwhile(void)
{
	struct worker worker;
	struct vm vm;
	bool ok;

	set_online(&worker, false);
	worker_create_vm(&vm);
	worker_start(&worker, &vm, 0, 0);
	worker_wait(&worker, STEPS);
	set_online(&worker, true);
	ok = runs_on(&worker, 1) && runs_on(&worker, 0) && runs_on(&worker, 1);
	ok &= worker_end(&worker);
	vm_destroy(&vm);

	worker_create_vm(&vm);
	worker_start(&worker, &vm, 0, 0);
	ok &= runs_on(&worker, 1) && worker_end(&worker);
	vm_destroy(&vm);
	ktap_ok(ok, "an L2 that began while CPU 1 was offline runs on CPU 1, and a new one");
}

static const struct test {
	const char *key;
	void (*run)(void);
} tests[] = {
	{ "running", check_running },
	{ "created", check_created_meanwhile },
};

#define TESTS	(sizeof(tests) / sizeof(tests[0]))

static bool chosen(const struct test *test, const char *key)
{
	return !key || !strcmp(test->key, key);
}

int main(int argc, char **argv)
{
	const char *key = argc > 1 ? argv[1] : NULL;
	unsigned int planned = 0;

	for (unsigned int i = 0; i < TESTS; i++)
		planned += chosen(&tests[i], key);
	if (!planned)
		ktap_bail("usage: %s [running|created]", argv[0]);
	ktap_plan(planned);
	if (access(ONLINE, W_OK)) {
		ktap_skip_rest("needs a second CPU that can go offline: no " ONLINE);
		return ktap_exit();
	}
	worker_be_first();
	for (unsigned int i = 0; i < TESTS; i++)
		if (chosen(&tests[i], key))
			tests[i].run();
	return ktap_exit();
}
