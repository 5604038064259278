// SPDX-License-Identifier: GPL-2.0-only
/* bench.c: see bench.h. */
#include "bench.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ktap.h"
#include "vm.h"

#define WARM_UP		100

/* Memory of the VM that nothing else uses: samples of eight bytes. */
#define SAMPLES		0x18000
#define MAX_SAMPLES	((VM_MEM_SIZE - SAMPLES) / sizeof(uint64_t))

/* What the guest finds in its page of data, at these offsets. */
struct order {
	uint32_t count;		/* how many samples to take */
	uint32_t cpuid;		/* 1: of CPUID; 0: of nothing */
};

/*
 * LFENCE lets RDTSC begin when all before it has ended, and what follows begin when
 * RDTSC has. Both kinds of sample run the same code but for CPUID itself. CPUID
 * overwrites EAX to EDX, so the start is kept in R8.
 */
#define READ_TSC(reg)						\
	"	lfence\n"					\
	"	rdtsc\n"					\
	"	lfence\n"					\
	"	shl	$32, %rdx\n"				\
	"	or	%rdx, %rax\n"				\
	"	mov	%rax, %" reg "\n"

GUEST_CODE(bench_guest,
	"1:	mov	(%rdi), %esi\n"
	"	mov	4(%rdi), %r10d\n"
	"	lea	" VM_STRING(SAMPLES) ", %r11\n"
	"2:	test	%r10d, %r10d\n"
	"	jz	3f\n"
	READ_TSC("r8")
	"	mov	$1, %eax\n"
	"	xor	%ecx, %ecx\n"
	"	cpuid\n"
	READ_TSC("r9")
	"	jmp	4f\n"
	"3:\n"
	READ_TSC("r8")
	"	mov	$1, %eax\n"
	"	xor	%ecx, %ecx\n"
	READ_TSC("r9")
	"4:	sub	%r8, %r9\n"
	"	mov	%r9, (%r11)\n"
	"	add	$8, %r11\n"
	"	dec	%esi\n"
	"	jnz	2b\n"
	"	out	%al, $" VM_STRING(PORT_DONE) "\n"
	"	jmp	1b\n");

static void sample(struct vcpu *vcpu, bool cpuid, uint32_t count, uint64_t *samples)
{
	struct order *order = vm_at(vcpu->vm, VM_DATA(vcpu->id));

	while (count) {
		uint32_t part = count < MAX_SAMPLES ? count : MAX_SAMPLES;

		*order = (struct order){ .count = part, .cpuid = cpuid };
		vcpu_run_to_port(vcpu, PORT_DONE);
		memcpy(samples, vm_at(vcpu->vm, SAMPLES), part * sizeof(samples[0]));
		samples += part;
		count -= part;
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The guest's TSC need not run on when its vCPU moves: stay where we are. */
static void stay_on_this_cpu(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void bench_cpuid(struct bench *bench, uint32_t exits)
{
	uint64_t *samples = calloc(exits < WARM_UP ? WARM_UP : exits, sizeof(samples[0]));
	struct vcpu vcpu;
	struct vm vm;
	int khz;

	if (!samples)
		ktap_bail("no memory for %u samples", exits);
	stay_on_this_cpu();
	vm_create(&vm, bench_guest, bench_guest_end);
	vcpu_create(&vcpu, &vm, 0);

	sample(&vcpu, false, WARM_UP, samples);
	qsort(samples, WARM_UP, sizeof(samples[0]), compare);
	bench->overhead = samples[0];
	sample(&vcpu, true, WARM_UP, samples);
	sample(&vcpu, true, exits, samples);
	qsort(samples, exits, sizeof(samples[0]), compare);
	bench->exits = exits;
	bench->min = samples[0];
	bench->median = samples[exits / 2];
	bench->p99 = samples[(uint64_t)exits * 99 / 100];
	khz = ioctl(vcpu.fd, KVM_GET_TSC_KHZ, 0);
	bench->tsc_khz = khz > 0 ? khz : 0;

	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	free(samples);
}
