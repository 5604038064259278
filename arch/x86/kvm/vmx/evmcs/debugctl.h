/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * L1's own IA32_DEBUGCTL without an exit to L0.
 *
 * A VM exit clears DEBUGCTL, so KVM notes before each VM entry what L1 has in it, to
 * put it back after. L0 intercepts that RDMSR, which makes three exits to L0 out of
 * the two that an exit of L2 needs. Nearly always the answer is zero, and mostly that
 * is known beforehand: see costs.c for who else could set a bit.
 */
#ifndef HVNEST_EVMCS_DEBUGCTL_H
#define HVNEST_EVMCS_DEBUGCTL_H

#include <linux/percpu.h>
#include <linux/thread_info.h>

#include <asm/debugreg.h>

/* On this CPU nothing but block stepping sets a bit of DEBUGCTL. */
DECLARE_PER_CPU(bool, evmcs_debugctl_unused);

/**
 * evmcs_host_debugctl() - what IA32_DEBUGCTL holds for L1
 *
 * Block stepping (PTRACE_SINGLEBLOCK) has DEBUGCTL.BTF set exactly while a thread
 * with TIF_BLOCKSTEP runs; its tracer sets the flag only while the thread is stopped.
 *
 * Context: interrupts off, on the thread that runs the vCPU.
 * Return: the MSR's value.
 */
static __always_inline u64 evmcs_host_debugctl(void)
{
	if (likely(this_cpu_read(evmcs_debugctl_unused)) &&
	    likely(!test_thread_flag(TIF_BLOCKSTEP)))
		return 0;
	return get_debugctlmsr();
}

#endif /* HVNEST_EVMCS_DEBUGCTL_H */
