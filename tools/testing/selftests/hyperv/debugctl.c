// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugctl: KVM keeps L1's DEBUGCTL across an exit of L2 if somebody uses it.
 *
 * The user is a debugger: a thread with PTRACE_SINGLEBLOCK has DEBUGCTL.BTF set while it
 * runs. Here the test steps a child block by block into KVM_RUN, and L2 executes CPUID in
 * a loop there, while L0 counts. A VM exit clears DEBUGCTL, so KVM has to read it before
 * each entry, which L0 intercepts; where nobody uses DEBUGCTL our modules do not.
 *
 * Proved: where the table of our modules says that the read is avoided, there is none
 * before and after the thread is stepped, and one for each exit of L2 meanwhile; elsewhere
 * there is one always. The thread stops at once when it comes back from KVM_RUN, and
 * L2 is none the wiser.
 *
 * Broken by: a read that is left out although the thread is stepped, or that does not end
 * when stepping does.
 *
 * What is not seen where L0 is KVM, as in the rig: that BTF has its effect again after
 * KVM_RUN. This L0 takes BTF from L1 and drops it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/evmcs.h"
#include "lib/ktap.h"
#include "lib/l0.h"
#include "lib/vm.h"

#define SHORT	10
#define EXITS	400
#define NOISE	(EXITS / 25)	/* L1's timers make some */

/* Not in every C library's <sys/ptrace.h>. */
#define SINGLE_BLOCK	33

#define SYSCALL_SIZE	2

GUEST_CODE(debugctl_guest,
	"1:	mov	(%rdi), %esi\n"
	"2:	mov	$1, %eax\n"
	"	cpuid\n"
	"	dec	%esi\n"
	"	jnz	2b\n"
	"	incq	8(%rdi)\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n");

/* What the test and its child share. */
struct shared {
	uint32_t exits;		/* to make in the next run */
	uint32_t runs;		/* that came to their end in L2 */
};

static volatile struct shared *shared;
static pid_t child;

/* The child: stops itself before and after each KVM_RUN. */
static void run_l2(void)
{
	uint64_t *data;
	struct vcpu vcpu;
	struct vm vm;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		ktap_bail("PTRACE_TRACEME: %s", strerror(errno));
	vm_create(&vm, debugctl_guest, debugctl_guest_end);
	vcpu_create(&vcpu, &vm, 0);
	data = vm_at(&vm, VM_DATA(0));
	for (;;) {
		syscall(SYS_kill, getpid(), SIGSTOP);
		data[0] = shared->exits;
		if (syscall(SYS_ioctl, vcpu.fd, KVM_RUN, 0) || vcpu.run->exit_reason != KVM_EXIT_IO)
			vcpu_bad_exit(&vcpu);
		shared->runs = data[1];
	}
}

/* Waits for the child's next stop; returns the signal. */
static int wait_for_stop(void)
{
	int status;

	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		ktap_bail("the child that runs L2 is gone, wait status %#x", status);
	return WSTOPSIG(status);
}

static void resume(int how)
{
	if (ptrace(how, child, NULL, NULL))
		ktap_bail("the child cannot be resumed by %d: %s", how, strerror(errno));
}

/* True if the child stands behind a system call that was KVM_RUN. */
static bool after_kvm_run(void)
{
	struct user_regs_struct regs;
	long code;

	if (ptrace(PTRACE_GETREGS, child, NULL, &regs))
		ktap_bail("PTRACE_GETREGS: %s", strerror(errno));
	if (regs.orig_rax != SYS_ioctl || regs.rsi != KVM_RUN)
		return false;
	code = ptrace(PTRACE_PEEKTEXT, child, regs.rip - SYSCALL_SIZE, NULL);
	return (code & 0xffff) == 0x050f;
}

/*
 * Lets the child run L2 for @exits exits, stepped or not. Returns how often it stopped
 * directly behind KVM_RUN.
 */
static unsigned int run(uint32_t exits, bool stepped)
{
	unsigned int runs = shared->runs, stops = 0;

	shared->exits = exits;
	resume(stepped ? SINGLE_BLOCK : PTRACE_CONT);
	while (wait_for_stop() == SIGTRAP) {
		stops += after_kvm_run();
		resume(SINGLE_BLOCK);
	}
	if (shared->runs != runs + 1)
		ktap_bail("L2 did not come to the end of its loop");
	return stops;
}

/* How often L0 sees @reason for EXITS exits of L2. */
static void count(bool stepped, int64_t hits[L0_REASONS])
{
	struct l0_counts few, many;

	l0_count_start();
	run(SHORT, stepped);
	l0_count_stop("short", &few);
	l0_count_start();
	run(SHORT + EXITS, stepped);
	l0_count_stop("long", &many);
	for (unsigned int i = 0; i < L0_REASONS; i++)
		hits[i] = many.hits[i] - few.hits[i];
}

static void check_reads(bool stepped, bool expected, const char *when)
{
	int64_t hits[L0_REASONS], wanted = expected ? EXITS : 0;

	count(stepped, hits);
	ktap_diag("%s: for an exit of L2 %.3f CPUID, %.3f MSR_READ, %.3f MSR_WRITE", when,
		  (double)hits[L0_CPUID] / EXITS, (double)hits[L0_MSR_READ] / EXITS,
		  (double)hits[L0_MSR_WRITE] / EXITS);
	ktap_ok(llabs(hits[L0_MSR_READ] - wanted) <= NOISE &&
		llabs(hits[L0_CPUID] - EXITS) <= NOISE,
		"%d MSR_READ for an exit of L2 %s", expected, when);
}

int main(void)
{
	unsigned int stops;
	const char *why;
	char state[16];
	bool always;

	ktap_plan(4);
	always = !evmcs_status_row("debugctl-read", state, sizeof(state)) ||
		 strcmp(state, "avoided");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		ktap_bail("mmap: %s", strerror(errno));
	child = fork();
	if (child < 0)
		ktap_bail("fork: %s", strerror(errno));
	if (!child)
		run_l2();
	wait_for_stop();

	run(SHORT, false);
	stops = run(SHORT, true);
	if (stops != 1)
		ktap_diag("stepped, the thread stopped %u times behind KVM_RUN", stops);
	ktap_ok(stops == 1, "a thread that is stepped stops behind KVM_RUN");
	if (!l0_open(&why)) {
		ktap_skip_rest("%s", why);
	} else {
		check_reads(false, always, "before it is stepped");
		check_reads(true, true, "while it is stepped");
		check_reads(false, always, "after it was stepped");
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return ktap_exit();
}
