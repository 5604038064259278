// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock_save: L1 is saved to a file and restored by another VMM of L0, while L2 reads its
 * clocks on two CPUs.
 *
 * L2 has both clocks that KVM offers, its own (Documentation/virt/kvm/x86/msr.rst:
 * MSR_KVM_SYSTEM_TIME_NEW) and Hyper-V's reference TSC page (TLFS, "Timers"), and reads them
 * in turns as their users do, without an exit. Where KVM does not say that its clock is stable
 * across vCPUs, L2 never goes back behind what any vCPU has read, as those users do.
 *
 * Proved: L1 was saved while L2 ran, and L2 goes on after the restore; no clock of it goes
 * back, on its vCPU or behind what another one has read; no step is longer than the time that
 * has passed by L0's reference counter; and over all saves L2's time is the counter's.
 *
 * The counter is what L0 says, whatever L1 makes of the TSC. How well L0 itself keeps the time
 * over a save this does not tell: KVM as L0 works the counter out from the page that it has
 * given L1, so that both jump together if they do.
 *
 * Broken by: an L2 that KVM in L1 cannot enter again when L0 has loaded its state anew; a
 * clock that jumps over the time in which L1 did not run, or falls behind.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/hv_guest.h"
#include "lib/ktap.h"
#include "lib/l0.h"
#include "lib/worker.h"

#define SAVES		2
#define VCPUS		2
#define READS		100	/* before and after a save, at least */
#define SAMPLES		8	/* of which the quickest counts */
#define SLACK_NS	1000000
#define POLL_US		200
#define HANG_SECONDS	30	/* of L1's time, which stops meanwhile */

#define MSR_KVM_CLOCK	0x4b564d01
#define MSR_HV_COUNTER	0x40000020
#define MSR_HV_TSC_PAGE	0x40000021
#define HV_TICK_NS	100

enum { KVM_CLOCK, TSC_PAGE, CLOCKS };

static const char *const clock_name[CLOCKS] = { "KVM's clock", "Hyper-V's TSC page" };

/* Where things are in L2's memory; each vCPU's KVM clock is in its page of data. */
#define KVM_CLOCK_AT(id)	(VM_DATA(id) + 0x800)
#define TSC_PAGE_AT		0x12000
#define LATEST_AT		0x13000		/* what any vCPU has read: a word for each clock */

static_assert(VM_DATA(VCPUS) == TSC_PAGE_AT, "the vCPUs' pages of data end here");

/* What a vCPU has seen of a clock, in ns. */
struct seen {
	uint64_t last;
	uint64_t longest;	/* step */
	uint64_t backward;	/* reads behind what was read before */
	uint64_t deepest;	/* of those, by how much */
	uint64_t reads;
	uint64_t weak;		/* reads not stable across vCPUs, or by an exit */
	uint64_t unused[2];
};

/* The begin of a vCPU's page of data. */
struct shared {
	uint64_t msr, value;	/* to write, if MSR is not 0 */
	uint64_t stop;		/* reading; at once if it is set before */
	uint64_t unused;
	struct seen seen[CLOCKS];
};

static_assert(offsetof(struct shared, stop) == 16 && offsetof(struct shared, seen) == 32 &&
	      sizeof(struct seen) == 64 && offsetof(struct seen, weak) == 40,
	      "the guest code knows the layout");

/*
 * RBX: what was seen of the clock; R11: the latest time, R9: its value before the read.
 * RSI: KVM's clock: version at 0, TSC at 8, time at 16, multiplier at 24, shift at 28, flags
 * at 29; or the TSC page: sequence at 0, scale at 8, offset at 16.
 */
GUEST_CODE(save_guest,
	"1:	mov	(%rdi), %ecx\n"
	"	test	%ecx, %ecx\n"
	"	jz	2f\n"
	"	mov	8(%rdi), %eax\n"
	"	mov	12(%rdi), %edx\n"
	"	wrmsr\n"
	"	jmp	9f\n"

	"2:	lea	32(%rdi), %rbx\n"
	"	lea	0x800(%rdi), %rsi\n"
	"	mov	$" VM_STRING(LATEST_AT) ", %r11d\n"
	"	mov	(%r11), %r9\n"
	"3:	mov	(%rsi), %r8d\n"
	"	test	$1, %r8b\n"
	"	jnz	3b\n"
	"	lfence\n"
	"	rdtsc\n"
	"	shl	$32, %rdx\n"
	"	or	%rdx, %rax\n"
	"	sub	8(%rsi), %rax\n"
	"	movsbl	28(%rsi), %ecx\n"
	"	test	%ecx, %ecx\n"
	"	js	4f\n"
	"	shl	%cl, %rax\n"
	"	jmp	5f\n"
	"4:	neg	%ecx\n"
	"	shr	%cl, %rax\n"
	"5:	mov	24(%rsi), %edx\n"
	"	mul	%rdx\n"
	"	shrd	$32, %rdx, %rax\n"
	"	add	16(%rsi), %rax\n"
	"	movzbl	29(%rsi), %r10d\n"
	"	lfence\n"
	"	cmp	(%rsi), %r8d\n"
	"	jne	3b\n"
	"	test	$1, %r10b\n"
	"	jnz	5f\n"
	"	incq	40(%rbx)\n"
	"5:	call	10f\n"

	"	add	$64, %rbx\n"
	"	mov	$" VM_STRING(TSC_PAGE_AT) ", %esi\n"
	"	add	$8, %r11d\n"
	"	mov	(%r11), %r9\n"
	"6:	mov	(%rsi), %r8d\n"
	"	test	%r8d, %r8d\n"
	"	jz	7f\n"
	"	lfence\n"
	"	rdtsc\n"
	"	shl	$32, %rdx\n"
	"	or	%rdx, %rax\n"
	"	mulq	8(%rsi)\n"
	"	add	16(%rsi), %rdx\n"
	"	lfence\n"
	"	cmp	(%rsi), %r8d\n"
	"	jne	6b\n"
	"	jmp	8f\n"
	"7:	mov	$" VM_STRING(MSR_HV_COUNTER) ", %ecx\n"
	"	rdmsr\n"
	"	shl	$32, %rdx\n"
	"	or	%rax, %rdx\n"
	"	incq	40(%rbx)\n"
	"8:	imul	$" VM_STRING(HV_TICK_NS) ", %rdx, %rax\n"
	"	mov	$1, %r10d\n"
	"	call	10f\n"
	"	cmpq	$0, 16(%rdi)\n"
	"	je	2b\n"
	"9:	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n"

	/* RAX: the time that was read, R10: whether it is stable across vCPUs */
	"10:	mov	%r9, %rdx\n"
	"	sub	%rax, %rdx\n"
	"	jbe	11f\n"
	"	mov	%r9, %rax\n"
	"	test	$1, %r10b\n"
	"	jz	11f\n"
	"	incq	16(%rbx)\n"
	"	cmp	%rdx, 24(%rbx)\n"
	"	jae	11f\n"
	"	mov	%rdx, 24(%rbx)\n"
	"11:	mov	%rax, %rdx\n"
	"	mov	(%r11), %rax\n"
	"12:	cmp	%rdx, %rax\n"
	"	jae	13f\n"
	"	lock cmpxchg %rdx, (%r11)\n"
	"	jne	12b\n"
	"13:	mov	%rdx, %rcx\n"
	"	sub	(%rbx), %rcx\n"
	"	mov	%rdx, (%rbx)\n"
	"	cmp	%rcx, 8(%rbx)\n"
	"	jae	14f\n"
	"	mov	%rcx, 8(%rbx)\n"
	"14:	incq	32(%rbx)\n"
	"	ret\n");

struct reader {
	struct vcpu *vcpu;
	volatile struct shared *shared;
	pthread_t thread;
	/* By how much each clock is ahead of L0's counter, and was in the beginning, in ns */
	int64_t ahead[CLOCKS], first[CLOCKS];
};

static struct hv_guest guest;
static struct reader readers[VCPUS];
static int msrs;	/* of CPU 0 */

/* L0's reference counter in ns. */
static uint64_t l0_now(void)
{
	uint64_t ticks;

	if (pread(msrs, &ticks, sizeof(ticks), MSR_HV_COUNTER) != sizeof(ticks))
		ktap_bail("no reference counter: %s", strerror(errno));
	return ticks * HV_TICK_NS;
}

/* By how much L1's own clock is ahead of it. */
static int64_t l1_ahead(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec - l0_now();
}

static void compare_with_l0(struct reader *reader)
{
	uint64_t quickest = -1;

	reader->shared->stop = 1;
	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t before = l0_now(), took;

		vcpu_run_to_port(reader->vcpu, PORT_STEP);
		took = l0_now() - before;
		if (took >= quickest)
			continue;
		quickest = took;
		for (unsigned int clock = 0; clock < CLOCKS; clock++)
			reader->ahead[clock] = reader->shared->seen[clock].last - before - took / 2;
	}
}

static void *read_clocks(void *arg)
{
	struct reader *reader = arg;

	worker_move(0, reader->vcpu->id);
	reader->shared->stop = 0;
	vcpu_run_to_port(reader->vcpu, PORT_STEP);
	compare_with_l0(reader);
	return NULL;
}

static void write_msr(struct reader *reader, uint32_t msr, uint64_t value)
{
	reader->shared->msr = msr;
	reader->shared->value = value;
	vcpu_run_to_port(reader->vcpu, PORT_STEP);
	reader->shared->msr = 0;
}

static void start_clocks(void)
{
	/* L2 is not so young that a clock that is late would be below zero. */
	struct kvm_clock_data clock = { .clock = 1000000000 };

	hv_guest_create_with(&guest, VCPUS, HV_GUEST_HYPERV | HV_GUEST_KVM, save_guest,
			     save_guest_end);
	vm_ioctl(guest.vm.fd, KVM_SET_CLOCK, &clock);
	for (unsigned int id = 0; id < VCPUS; id++) {
		struct reader *reader = &readers[id];

		reader->vcpu = &guest.vcpu[id];
		reader->shared = vm_at(&guest.vm, VM_DATA(id));
		worker_move(0, id);
		write_msr(reader, MSR_KVM_CLOCK, KVM_CLOCK_AT(id) | 1);
		if (!id)
			write_msr(reader, MSR_HV_TSC_PAGE, TSC_PAGE_AT | 1);
	}
	for (unsigned int id = 0; id < VCPUS; id++) {
		worker_move(0, id);
		compare_with_l0(&readers[id]);
		memcpy(readers[id].first, readers[id].ahead, sizeof(readers[id].first));
	}
	worker_move(0, 0);
}

static void wait_for_reads(void)
{
	for (unsigned int id = 0; id < VCPUS; id++) {
		volatile struct seen *seen = &readers[id].shared->seen[CLOCKS - 1];
		uint64_t enough = seen->reads + READS;

		while (seen->reads < enough)
			usleep(POLL_US);
	}
}

/* What of one save is wrong; adds it up over the saves. */
struct verdict {
	bool backward, long_step, wrong_time;
};

static void judge(const struct reader *reader, uint64_t passed, struct verdict verdict[CLOCKS])
{
	for (unsigned int i = 0; i < CLOCKS; i++) {
		const volatile struct seen *seen = &reader->shared->seen[i];
		int64_t error = reader->ahead[i] - reader->first[i];

		ktap_diag("vCPU %u, %s: %+lld ns in all, the longest step %llu us",
			  reader->vcpu->id, clock_name[i], (long long)error,
			  (unsigned long long)seen->longest / 1000);
		ktap_diag("  %llu reads, %llu of them weak, %llu back by up to %llu ns",
			  (unsigned long long)seen->reads, (unsigned long long)seen->weak,
			  (unsigned long long)seen->backward, (unsigned long long)seen->deepest);
		verdict[i].backward |= seen->backward;
		verdict[i].long_step |= seen->longest > passed + SLACK_NS;
		verdict[i].wrong_time |= error > SLACK_NS || error < -SLACK_NS;
	}
}

/* Returns how many vCPUs ran L2 then. */
static unsigned int save_once(struct verdict verdict[CLOCKS])
{
	int64_t l1_before = l1_ahead();
	uint64_t before, passed;
	unsigned int in_l2;

	for (unsigned int id = 0; id < VCPUS; id++) {
		for (unsigned int i = 0; i < CLOCKS; i++)
			readers[id].shared->seen[i].longest = 0;
	}
	before = l0_now();
	for (unsigned int id = 0; id < VCPUS; id++) {
		if (pthread_create(&readers[id].thread, NULL, read_clocks, &readers[id]))
			ktap_bail("no thread for vCPU %u", id);
	}
	wait_for_reads();
	in_l2 = l0_save();
	wait_for_reads();
	for (unsigned int id = 0; id < VCPUS; id++)
		readers[id].shared->stop = 1;
	for (unsigned int id = 0; id < VCPUS; id++)
		pthread_join(readers[id].thread, NULL);
	passed = l0_now() - before;
	ktap_diag("saved while %u vCPUs ran L2; %llu us by L0's counter; L1's own clock: %+lld ns",
		  in_l2, (unsigned long long)passed / 1000,
		  (long long)(l1_ahead() - l1_before));
	for (unsigned int id = 0; id < VCPUS; id++)
		judge(&readers[id], passed, verdict);
	return in_l2;
}

int main(void)
{
	struct verdict verdict[CLOCKS] = { 0 };
	unsigned int in_l2 = 0;
	const char *why;

	ktap_plan(2 + 3 * CLOCKS);
	msrs = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	if (msrs < 0)
		why = "needs /dev/cpu/0/msr";
	else if (sysconf(_SC_NPROCESSORS_ONLN) < VCPUS)
		why = "needs two CPUs";
	else if (l0_open(&why))
		why = NULL;
	if (why) {
		ktap_skip_rest("%s", why);
		return ktap_exit();
	}
	alarm(HANG_SECONDS);
	start_clocks();
	worker_be_first();
	for (unsigned int i = 0; i < SAVES; i++)
		in_l2 += save_once(verdict);
	ktap_ok(in_l2, "L1 was saved while L2 ran");
	ktap_ok(true, "L2 goes on when L1 was restored");
	for (unsigned int i = 0; i < CLOCKS; i++) {
		ktap_ok(!verdict[i].backward, "%s never goes back", clock_name[i]);
		ktap_ok(!verdict[i].long_step, "%s takes no longer step than time has passed",
			clock_name[i]);
		ktap_ok(!verdict[i].wrong_time, "%s is L0's reference time", clock_name[i]);
	}
	hv_guest_destroy(&guest);
	return ktap_exit();
}
