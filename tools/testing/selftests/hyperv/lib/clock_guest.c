// SPDX-License-Identifier: GPL-2.0-only
/* clock_guest.c: see clock_guest.h. */
#include "clock_guest.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hv_guest.h"
#include "ktap.h"

#define MSR_KVM_CLOCK		0x4b564d01
#define MSR_HV_REF_COUNT	0x40000020
#define MSR_HV_REFERENCE_TSC	0x40000021
#define MSR_HV_TSC_FREQUENCY	0x40000022
#define MSR_HV_REENLIGHTENMENT	0x40000106

#define HV_PAGE			0x1d000		/* of Hyper-V's clock */

#define BURST			50
#define ENDLESS			(1ull << 40)
#define SAMPLES			5

enum op { WRITE_MSR = 1, READ_CLOCK = 2 };

const char *const clock_names[CLOCK_KINDS] = { "kvmclock", "hyperv" };

static_assert(offsetof(struct clock_shared, kind) == 24 &&
	      offsetof(struct clock_shared, last) == 32 &&
	      offsetof(struct clock_shared, backward) == 40 &&
	      offsetof(struct clock_shared, longest) == 48 &&
	      offsetof(struct clock_shared, cross) == 56 &&
	      offsetof(struct clock_shared, reads) == 64 &&
	      offsetof(struct clock_shared, burst) == 72 &&
	      offsetof(struct clock_shared, unstable) == 80, "the guest code knows the layout");
static_assert(CLOCK_KVM == 0 && CLOCK_HYPERV == 1, "the guest code knows the kinds");

/*
 * RSI: KVM's clock: version at 0, TSC at 8, time at 16, multiplier at 24, shift at 28,
 * flags at 29. 0x1d000: Hyper-V's: sequence at 0, scale at 8, offset at 16. 0x1c000: the
 * latest time that any vCPU has read. 0x1c008: end the burst.
 * R11: that before the read; R10: may it be compared?
 */
GUEST_CODE(clock_guest_code,
	"1:	cmpl	$2, (%rdi)\n"
	"	je	2f\n"
	"	mov	8(%rdi), %ecx\n"
	"	mov	16(%rdi), %eax\n"
	"	mov	20(%rdi), %edx\n"
	"	wrmsr\n"
	"	jmp	9f\n"
	"2:	mov	72(%rdi), %r9\n"
	"	lea	0x800(%rdi), %rsi\n"
	"3:	mov	0x1c000, %r11\n"
	"	lfence\n"
	"	cmpl	$0, 24(%rdi)\n"
	"	jne	20f\n"
	"30:	mov	(%rsi), %r8d\n"
	"	test	$1, %r8b\n"
	"	jnz	30b\n"
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
	"	jne	30b\n"
	"	and	$1, %r10d\n"
	"	jmp	6f\n"

	"20:	mov	0x1d000, %r8d\n"
	"	test	%r8d, %r8d\n"
	"	jz	21f\n"
	"	lfence\n"
	"	rdtsc\n"
	"	shl	$32, %rdx\n"
	"	or	%rdx, %rax\n"
	"	mulq	0x1d008\n"
	"	add	0x1d010, %rdx\n"
	"	lfence\n"
	"	cmp	0x1d000, %r8d\n"
	"	jne	20b\n"
	"	mov	%rdx, %rax\n"
	"	jmp	22f\n"
	"21:	mov	$0x40000020, %ecx\n"
	"	rdmsr\n"
	"	shl	$32, %rdx\n"
	"	or	%rdx, %rax\n"
	"	incq	80(%rdi)\n"
	"22:	imul	$100, %rax\n"
	"	mov	$1, %r10d\n"
	"	jmp	60f\n"

	"6:	test	%r10d, %r10d\n"
	"	jnz	60f\n"
	"	incq	80(%rdi)\n"
	"60:	incq	64(%rdi)\n"
	"	mov	%rax, %rdx\n"
	"	sub	32(%rdi), %rdx\n"
	"	jae	7f\n"
	/* Not stable across vCPUs: stay where we were */
	"	test	%r10d, %r10d\n"
	"	jz	8f\n"
	"	incq	40(%rdi)\n"
	"	jmp	70f\n"
	"7:	cmp	48(%rdi), %rdx\n"
	"	jbe	70f\n"
	"	mov	%rdx, 48(%rdi)\n"
	"70:	mov	%rax, 32(%rdi)\n"
	"	cmp	%r11, %rax\n"
	"	jae	71f\n"
	"	add	%r10, 56(%rdi)\n"
	"71:	mov	%rax, %rcx\n"
	"	mov	0x1c000, %rax\n"
	"72:	cmp	%rax, %rcx\n"
	"	jbe	8f\n"
	"	lock cmpxchg %rcx, 0x1c000\n"
	"	jne	72b\n"
	"8:	cmpl	$0, 0x1c008\n"
	"	jne	9f\n"
	"	dec	%r9\n"
	"	jnz	3b\n"
	"9:	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n");

void clock_move_to(unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		ktap_bail("sched_setaffinity to CPU %u: %s", cpu, strerror(errno));
}

bool clock_read_msr(unsigned int cpu, uint32_t msr, uint64_t *value)
{
	char path[32];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "/dev/cpu/%u/msr", cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		ktap_bail("%s: %s", path, strerror(errno));
	ok = pread(fd, value, sizeof(*value), msr) == sizeof(*value);
	close(fd);
	return ok;
}

static volatile uint64_t *end_burst(struct clock_guest *guest)
{
	return (uint64_t *)vm_at(&guest->vm, 0x1c008);
}

void clock_guest_write_msr(struct clock_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	vcpu->shared->op = WRITE_MSR;
	vcpu->shared->msr = msr;
	vcpu->shared->value = value;
	vcpu_run_to_port(&vcpu->vcpu, PORT_STEP);
	vcpu->shared->op = READ_CLOCK;
}

void clock_guest_turn_on(struct clock_vcpu *vcpu)
{
	if (vcpu->guest->kind == CLOCK_KVM)
		clock_guest_write_msr(vcpu, MSR_KVM_CLOCK, CLOCK_KVM_AT(vcpu->vcpu.id) | 1);
	else
		clock_guest_write_msr(vcpu, MSR_HV_REFERENCE_TSC, HV_PAGE | 1);
}

static struct clock_sample sample_once(struct clock_vcpu *vcpu, int msr)
{
	struct clock_sample sample;
	uint64_t before, after;

	if (pread(msr, &before, sizeof(before), MSR_HV_REF_COUNT) != sizeof(before))
		ktap_bail("no reference counter: %s", strerror(errno));
	vcpu_run_to_port(&vcpu->vcpu, PORT_STEP);
	if (pread(msr, &after, sizeof(after), MSR_HV_REF_COUNT) != sizeof(after))
		ktap_bail("no reference counter: %s", strerror(errno));
	sample.l2 = vcpu->shared->last;
	sample.reference = (before + after) * 50;
	sample.unsure = (after - before) * 50;
	return sample;
}

struct clock_sample clock_guest_sample(struct clock_vcpu *vcpu)
{
	struct clock_sample best = { .unsure = INT64_MAX };
	char path[32];
	int msr;

	clock_move_to(vcpu->cpu);
	snprintf(path, sizeof(path), "/dev/cpu/%u/msr", vcpu->cpu);
	msr = open(path, O_RDONLY | O_CLOEXEC);
	if (msr < 0)
		ktap_bail("%s: %s", path, strerror(errno));
	vcpu->shared->burst = 1;
	for (unsigned int i = 0; i < SAMPLES; i++) {
		struct clock_sample sample = sample_once(vcpu, msr);

		if (sample.unsure < best.unsure)
			best = sample;
	}
	close(msr);
	return best;
}

int64_t clock_guest_error(struct clock_vcpu *vcpu)
{
	struct clock_sample now = clock_guest_sample(vcpu);

	return (now.l2 - vcpu->first.l2) - (now.reference - vcpu->first.reference);
}

void clock_guest_create(struct clock_guest *guest, enum clock_kind kind, unsigned int vcpus,
			const unsigned int *cpus)
{
	struct hv_guest hv;

	memset(guest, 0, sizeof(*guest));
	hv_guest_create_with(&hv, vcpus, kind == CLOCK_HYPERV ? HV_GUEST_HYPERV : HV_GUEST_KVM,
			     clock_guest_code, clock_guest_code_end);
	guest->vm = hv.vm;
	guest->kind = kind;
	guest->vcpus = vcpus;
	for (unsigned int i = 0; i < vcpus; i++) {
		struct clock_vcpu *vcpu = &guest->vcpu[i];

		vcpu->guest = guest;
		vcpu->vcpu = hv.vcpu[i];
		vcpu->vcpu.vm = &guest->vm;
		vcpu->cpu = cpus[i];
		vcpu->shared = vm_at(&guest->vm, VM_DATA(i));
		vcpu->shared->kind = kind;
		clock_move_to(vcpu->cpu);
		clock_guest_turn_on(vcpu);
	}
	for (unsigned int i = 0; i < vcpus; i++) {
		struct clock_vcpu *vcpu = &guest->vcpu[i];

		vcpu->first = clock_guest_sample(vcpu);
		vcpu->shared->backward = 0;
		vcpu->shared->cross = 0;
	}
}

void clock_guest_destroy(struct clock_guest *guest)
{
	for (unsigned int i = 0; i < guest->vcpus; i++)
		vcpu_destroy(&guest->vcpu[i].vcpu);
	vm_destroy(&guest->vm);
}

static void *read_on(void *arg)
{
	struct clock_vcpu *vcpu = arg;
	struct clock_guest *guest = vcpu->guest;

	clock_move_to(vcpu->cpu);
	while (!guest->stop) {
		vcpu_run_to_port(&vcpu->vcpu, PORT_STEP);
		if (guest->pause_us)
			usleep(guest->pause_us);
	}
	return NULL;
}

void clock_guest_start(struct clock_guest *guest, unsigned int pause_us)
{
	guest->stop = false;
	guest->pause_us = pause_us;
	*end_burst(guest) = 0;
	for (unsigned int i = 0; i < guest->vcpus; i++) {
		struct clock_vcpu *vcpu = &guest->vcpu[i];

		vcpu->shared->longest = 0;
		vcpu->shared->burst = pause_us ? BURST : ENDLESS;
		if (pthread_create(&vcpu->thread, NULL, read_on, vcpu))
			ktap_bail("no thread for vCPU %u", i);
	}
}

void clock_guest_stop(struct clock_guest *guest)
{
	guest->stop = true;
	*end_burst(guest) = 1;
	for (unsigned int i = 0; i < guest->vcpus; i++)
		pthread_join(guest->vcpu[i].thread, NULL);
}

static void add_seen(struct clock_shared *seen, const volatile struct clock_shared *shared)
{
	seen->backward += shared->backward;
	seen->cross += shared->cross;
	seen->reads += shared->reads;
	seen->unstable += shared->unstable;
	if (shared->longest > seen->longest)
		seen->longest = shared->longest;
}

struct clock_shared clock_guests_seen(struct clock_guest *guests, unsigned int count)
{
	struct clock_shared seen = { .reads = 0 };

	for (struct clock_guest *guest = guests; guest < guests + count; guest++) {
		for (unsigned int i = 0; i < guest->vcpus; i++)
			add_seen(&seen, guest->vcpu[i].shared);
	}
	return seen;
}

int64_t clock_guests_error(struct clock_guest *guests, unsigned int count)
{
	int64_t worst = 0;

	for (struct clock_guest *guest = guests; guest < guests + count; guest++) {
		for (unsigned int i = 0; i < guest->vcpus; i++) {
			int64_t error = clock_guest_error(&guest->vcpu[i]);

			if (llabs(error) > llabs(worst))
				worst = error;
		}
	}
	return worst;
}

unsigned int clock_home(unsigned int cpus[2])
{
	uint64_t control;
	unsigned int home;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 3)
		ktap_bail("needs three CPUs");
	if (!clock_read_msr(0, MSR_HV_REENLIGHTENMENT, &control))
		ktap_bail("Hyper-V does not tell of migrations");
	home = control >> 32;
	cpus[0] = (home + 1) % 3;
	cpus[1] = (home + 2) % 3;
	return home;
}

unsigned int clock_khz(void)
{
	uint64_t frequency;

	if (!clock_read_msr(0, MSR_HV_TSC_FREQUENCY, &frequency))
		ktap_bail("Hyper-V does not tell the frequency of the TSC");
	/* One that says nothing (the rig has that): as good as any */
	return frequency ? frequency / 1000 : 1500000;
}
