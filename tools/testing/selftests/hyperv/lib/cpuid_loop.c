// SPDX-License-Identifier: GPL-2.0-only
/* cpuid_loop.c: see cpuid_loop.h. */
#include "cpuid_loop.h"

#include "vm.h"

GUEST_CODE(cpuid_guest,
	"	mov	(%rdi), %esi\n"
	"1:	mov	$1, %eax\n"
	"	cpuid\n"
	"	dec	%esi\n"
	"	jnz	1b\n"
	"	out	%al, $" VM_STRING(PORT_DONE) "\n");

static uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

uint64_t cpuid_loop(uint32_t n)
{
	struct vcpu vcpu;
	uint64_t start, end;
	struct vm vm;

	vm_create(&vm, cpuid_guest, cpuid_guest_end);
	vcpu_create(&vcpu, &vm, 0);
	*(uint32_t *)vm_at(&vm, VM_DATA(0)) = n;
	start = ticks();
	vcpu_run_to_port(&vcpu, PORT_DONE);
	end = ticks();
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	return end - start;
}
