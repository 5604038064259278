/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hv_guest.h: an L2 that knows Hyper-V: a CPUID to choose from, hypercalls, and a page
 * that one vCPU maps anew while another one reads it.
 *
 * L2 is an interpreter of orders: the VMM puts one into the vCPU's page of data and
 * runs the vCPU until it writes to PORT_STEP.
 */
#ifndef HV_GUEST_H
#define HV_GUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vm.h"

/* What L2 sees in CPUID. */
#define HV_GUEST_HYPERV		1	/* Hyper-V's signature and leaves */
#define HV_GUEST_FLUSH_HINT	2	/* with the hint to flush remote TLBs by hypercall */
#define HV_GUEST_KVM		4	/* KVM's signature, behind Hyper-V's or alone */
#define HV_GUEST_AWARE		(HV_GUEST_HYPERV | HV_GUEST_FLUSH_HINT)

/* Hypercalls (TLFS), and how they are made */
#define HV_FLUSH_SPACE		0x0002
#define HV_FLUSH_LIST		0x0003
#define HV_FLUSH_SPACE_EX	0x0013
#define HV_FLUSH_LIST_EX	0x0014
#define HV_FAST			(1ull << 16)
#define HV_VARIABLE(n)		((uint64_t)(n) << 17)
#define HV_REPEAT(n)		((uint64_t)(n) << 32)
#define HV_STATUS(rax)		((rax) & 0xffff)

#define HV_FLUSH_ALL_CPUS	1
#define HV_FLUSH_ALL_SPACES	2

#define HV_MSR_GUEST_OS_ID	0x40000000
#define HV_MSR_HYPERCALL	0x40000001
#define HV_GUEST_OS		0x8100000000000000ull

/* Where things are in L2's memory. */
#define HV_GUEST_INPUT		0x1d000	/* of hypercalls */
#define HV_GUEST_CALL_PAGE	0x1e000
#define HV_GUEST_LIST		0x1f000	/* of struct hv_guest_call, one page at most */

enum hv_guest_op {
	HV_GUEST_NOTHING,
	HV_GUEST_CALL,		/* VMCALL, so many times */
	HV_GUEST_WRMSR,		/* RAX into MSR RCX */
	HV_GUEST_REMAP,		/* map the page anew, VMCALL, wait for the watcher; so many times */
	HV_GUEST_WATCH,		/* read the page until told to stop */
	HV_GUEST_CALLS,		/* the VMCALLs of a list, so many */
	HV_GUEST_READ_CALL,	/* read HV_GUEST_MMIO, then VMCALL; so many times */
};

/* What such a list consists of. */
struct hv_guest_call {
	uint64_t rax, rcx;
	uint64_t result;	/* RAX afterwards */
};

/*
 * Behind L2's memory: the VMM answers. The offset in the page is that of "result" below,
 * to which L2 writes after each VMCALL.
 */
#define HV_GUEST_MMIO		0x20060

/* The begin of a vCPU's page of data. */
struct hv_guest_order {
	uint64_t op;
	uint64_t rax, rbx, rcx, rdx, rsi, r8;	/* before each VMCALL or WRMSR */
	uint64_t count;
	uint64_t xmm0[2], xmm1[2];
	uint64_t result;			/* RAX after the last VMCALL */
};

struct hv_guest {
	struct vm vm;
	unsigned int vcpus;
	struct vcpu vcpu[2];
	pthread_t watcher;
};

/* Why direct flush cannot be tested here, by a test that wants @cpus CPUs; or NULL. */
const char *hv_guest_no_direct_flush(unsigned int cpus);

/* A VM with one vCPU or two, which see @cpuid (HV_GUEST_*) and have not run yet. */
void hv_guest_create(struct hv_guest *guest, unsigned int vcpus, unsigned int cpuid);

/* The same with other code than the interpreter: from @code to @end. */
void hv_guest_create_with(struct hv_guest *guest, unsigned int vcpus, unsigned int cpuid,
			  const uint8_t *code, const uint8_t *end);
void hv_guest_destroy(struct hv_guest *guest);

/* KVM_CAP_HYPERV_DIRECT_TLBFLUSH on a vCPU: 0, or the error number. */
int hv_guest_ask(struct vcpu *vcpu);

struct hv_guest_order *hv_guest_order(struct vcpu *vcpu);

/* Runs the order that is in the vCPU's page to its end. */
void hv_guest_run(struct vcpu *vcpu);

/* L2 executes WRMSR; what to write to enable its hypercalls, and to disable them. */
void hv_guest_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value);
void hv_guest_enable_hypercalls(struct vcpu *vcpu);
void hv_guest_disable_hypercalls(struct vcpu *vcpu);

/* Puts a flush of VP 1, of form @form of hv_guest_forms, into the vCPU's order. */
void hv_guest_order_flush(struct vcpu *vcpu, enum hv_guest_op op, unsigned int form,
			  unsigned int count);

#define HV_GUEST_FORMS		6
#define HV_GUEST_FORM_FAST	2
#define HV_GUEST_FORM_SET	3	/* a VP set, and the next one, too */
#define HV_GUEST_FORM_ALL	5	/* of all processors, not VP 1 alone */
extern const char *const hv_guest_forms[HV_GUEST_FORMS];

/* Starts a thread on L1's CPU 1 in which vCPU 1 watches the page. */
void hv_guest_watch(struct hv_guest *guest);

/* Ends it; true if it never read a page that was mapped before a flush. */
bool hv_guest_watched(struct hv_guest *guest);

/* Keeps the calling thread on L1's CPU 0; starts one on CPU 1. */
void hv_guest_pin_to_cpu_0(void);
pthread_t hv_guest_thread(void *(*run)(void *), void *arg);

#endif
