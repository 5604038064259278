// SPDX-License-Identifier: GPL-2.0-only
/* hv_guest.c: see hv_guest.h. */
#include "hv_guest.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "evmcs.h"
#include "ktap.h"

/* The page is at this linear address; its table, and the two frames that take turns. */
#define WINDOW		0x40000000
#define WINDOW_PD	0x18000
#define WINDOW_PT	0x19000
#define FRAME_EVEN	0x1a000
#define FRAME_ODD	0x1b000
#define PTE		0x3

/* What the frames hold, and what both vCPUs know of each other. */
#define SHARED		0x1c000

#define MAX_ENTRIES	256

/* Behind each remap the generation is one higher; odd ones have the odd frame. */
struct shared {
	uint64_t generation;	/* that vCPU 0 has mapped and flushed */
	uint64_t seen;		/* that vCPU 1 has read */
	uint64_t stop;
	uint64_t wrong;		/* reads of the other frame */
	uint64_t watching;
};

static_assert(offsetof(struct hv_guest_order, count) == 56 &&
	      offsetof(struct hv_guest_order, xmm0) == 64 &&
	      offsetof(struct hv_guest_order, xmm1) == 80 &&
	      offsetof(struct hv_guest_order, result) == 96, "the guest code knows the layout");
static_assert(HV_GUEST_CALL == 1 && HV_GUEST_WRMSR == 2 && HV_GUEST_REMAP == 3 &&
	      HV_GUEST_WATCH == 4 && HV_GUEST_CALLS == 5 && HV_GUEST_READ_CALL == 6,
	      "the guest code knows the operations");
static_assert(VM_MEM_SIZE + offsetof(struct hv_guest_order, result) == HV_GUEST_MMIO,
	      "behind the memory, at the offset of the result");
static_assert(sizeof(struct hv_guest_call) == 24, "the guest code knows the layout");
static_assert(FRAME_EVEN + 0x1000 == FRAME_ODD && !(FRAME_EVEN & 0x1000),
	      "one bit of the entry tells the frames apart");

#define LOAD_REGISTERS							\
	"	mov	8(%rdi), %rax\n"				\
	"	mov	16(%rdi), %rbx\n"				\
	"	mov	24(%rdi), %rcx\n"				\
	"	mov	32(%rdi), %rdx\n"				\
	"	mov	40(%rdi), %rsi\n"				\
	"	mov	48(%rdi), %r8\n"				\
	"	movdqu	64(%rdi), %xmm0\n"				\
	"	movdqu	80(%rdi), %xmm1\n"

/* As whoever fills it does: KVM as L0 refuses an input that L1's EPT does not map yet. */
#define TOUCH_INPUT							\
	"	lock orq $0, 0x1d000\n"

/* R9 counts. 0x1c000: struct shared; 0x19000: the window's entry. */
GUEST_CODE(hv_guest_code,
	"1:	mov	(%rdi), %eax\n"
	"	mov	56(%rdi), %r9\n"
	"	cmp	$1, %eax\n"
	"	je	11f\n"
	"	cmp	$2, %eax\n"
	"	je	12f\n"
	"	cmp	$3, %eax\n"
	"	je	13f\n"
	"	cmp	$4, %eax\n"
	"	je	14f\n"
	"	cmp	$5, %eax\n"
	"	je	15f\n"
	"	cmp	$6, %eax\n"
	"	je	16f\n"
	"9:	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"	jmp	1b\n"

	"11:	" TOUCH_INPUT
	LOAD_REGISTERS
	"	vmcall\n"
	"	mov	%rax, 96(%rdi)\n"
	"	dec	%r9\n"
	"	jnz	11b\n"
	"	jmp	9b\n"

	"12:	mov	24(%rdi), %ecx\n"
	"	mov	8(%rdi), %eax\n"
	"	mov	12(%rdi), %edx\n"
	"	wrmsr\n"
	"	jmp	9b\n"

	"13:	" TOUCH_INPUT
	"	xorq	$0x1000, 0x19000\n"
	LOAD_REGISTERS
	"	vmcall\n"
	"	mov	%rax, 96(%rdi)\n"
	"	mov	0x1c000, %rax\n"
	"	inc	%rax\n"
	"	mov	%rax, 0x1c000\n"
	"2:	pause\n"
	"	cmp	%rax, 0x1c008\n"
	"	jne	2b\n"
	"	dec	%r9\n"
	"	jnz	13b\n"
	"	jmp	9b\n"

	/* The frame's first word is its parity. */
	"14:	movq	$1, 0x1c020\n"
	"	mov	0x1c008, %r9\n"
	"3:	pause\n"
	"	mov	" VM_STRING(WINDOW) ", %rbx\n"
	"	cmpq	$0, 0x1c010\n"
	"	jne	9b\n"
	"	mov	0x1c000, %rax\n"
	"	cmp	%r9, %rax\n"
	"	je	3b\n"
	"	mov	" VM_STRING(WINDOW) ", %rbx\n"
	"	mov	%rax, %r9\n"
	"	xor	%rax, %rbx\n"
	"	and	$1, %ebx\n"
	"	add	%rbx, 0x1c018\n"
	"	mov	%rax, 0x1c008\n"
	"	jmp	3b\n"

	"15:	mov	$0x1f000, %r10d\n"
	"4:	" LOAD_REGISTERS
	"	mov	(%r10), %rax\n"
	"	mov	8(%r10), %rcx\n"
	"	vmcall\n"
	"	mov	%rax, 16(%r10)\n"
	"	add	$24, %r10\n"
	"	dec	%r9\n"
	"	jnz	4b\n"
	"	jmp	9b\n"

	"16:	" TOUCH_INPUT
	"	mov	" VM_STRING(HV_GUEST_MMIO) ", %eax\n"
	LOAD_REGISTERS
	"	vmcall\n"
	"	mov	%rax, 96(%rdi)\n"
	"	dec	%r9\n"
	"	jnz	16b\n"
	"	jmp	9b\n");

static struct shared *shared_of(struct hv_guest *guest)
{
	return vm_at(&guest->vm, SHARED);
}

struct hv_guest_order *hv_guest_order(struct vcpu *vcpu)
{
	return vm_at(vcpu->vm, VM_DATA(vcpu->id));
}

static struct kvm_cpuid2 *new_cpuid(void)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + MAX_ENTRIES * sizeof(cpuid->entries[0]));

	if (!cpuid)
		ktap_bail("no memory for the CPUID table");
	cpuid->nent = MAX_ENTRIES;
	return cpuid;
}

static void add(struct kvm_cpuid2 *to, const struct kvm_cpuid_entry2 *entry)
{
	if (to->nent == MAX_ENTRIES)
		ktap_bail("the CPUID table is full");
	to->entries[to->nent++] = *entry;
}

/* KVM's own leaves, whose signature KVM looks for at each 0x100 from 0x40000000 on. */
static void add_kvm_leaves(struct kvm_cpuid2 *to, const struct kvm_cpuid2 *supported, uint32_t base)
{
	for (uint32_t i = 0; i < supported->nent; i++) {
		struct kvm_cpuid_entry2 entry = supported->entries[i];

		if (entry.function >> 8 != 0x400000)
			continue;
		entry.function = base | (entry.function & 0xff);
		if (!(entry.function & 0xff))
			entry.eax = base | 1;
		add(to, &entry);
	}
}

static void add_hyperv_leaves(struct kvm_cpuid2 *to, int kvm, bool flush_hint)
{
	struct kvm_cpuid2 *hyperv = new_cpuid();

	vm_ioctl(kvm, KVM_GET_SUPPORTED_HV_CPUID, hyperv);
	for (uint32_t i = 0; i < hyperv->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &hyperv->entries[i];

		/* The vendor that guests look for, not KVM's word for what it emulates. */
		if (entry->function == 0x40000000) {
			memcpy(&entry->ebx, "Micr", 4);
			memcpy(&entry->ecx, "osof", 4);
			memcpy(&entry->edx, "t Hv", 4);
		}
		if (entry->function == 0x40000004 && !flush_hint)
			entry->eax &= ~4u;
		if (entry->function <= 0x4000000a)
			add(to, entry);
	}
	free(hyperv);
}

static void set_cpuid(struct vcpu *vcpu, unsigned int shown)
{
	struct kvm_cpuid2 *supported = new_cpuid(), *cpuid = new_cpuid();

	vm_ioctl(vcpu->vm->kvm, KVM_GET_SUPPORTED_CPUID, supported);
	cpuid->nent = 0;
	for (uint32_t i = 0; i < supported->nent; i++) {
		if (supported->entries[i].function >> 8 != 0x400000)
			add(cpuid, &supported->entries[i]);
	}
	if (shown & HV_GUEST_HYPERV)
		add_hyperv_leaves(cpuid, vcpu->vm->kvm, shown & HV_GUEST_FLUSH_HINT);
	if (shown & HV_GUEST_KVM)
		add_kvm_leaves(cpuid, supported, shown & HV_GUEST_HYPERV ? 0x40000100 : 0x40000000);
	vm_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid);
	free(cpuid);
	free(supported);
}

void hv_guest_create_with(struct hv_guest *guest, unsigned int vcpus, unsigned int cpuid,
			  const uint8_t *code, const uint8_t *end)
{
	memset(guest, 0, sizeof(*guest));
	vm_create(&guest->vm, code, end);
	for (guest->vcpus = 0; guest->vcpus < vcpus; guest->vcpus++) {
		vcpu_create(&guest->vcpu[guest->vcpus], &guest->vm, guest->vcpus);
		set_cpuid(&guest->vcpu[guest->vcpus], cpuid);
	}
}

void hv_guest_create(struct hv_guest *guest, unsigned int vcpus, unsigned int cpuid)
{
	uint64_t *pdpt, *even, *odd;

	hv_guest_create_with(guest, vcpus, cpuid, hv_guest_code, hv_guest_code_end);
	pdpt = vm_at(&guest->vm, VM_PAGE_TABLES + 0x1000);
	pdpt[WINDOW >> 30] = WINDOW_PD | PTE;
	*(uint64_t *)vm_at(&guest->vm, WINDOW_PD) = WINDOW_PT | PTE;
	*(uint64_t *)vm_at(&guest->vm, WINDOW_PT) = FRAME_EVEN | PTE;
	even = vm_at(&guest->vm, FRAME_EVEN);
	odd = vm_at(&guest->vm, FRAME_ODD);
	*even = 0;
	*odd = 1;
}

const char *hv_guest_no_direct_flush(unsigned int cpus)
{
	struct hv_guest guest;
	int error;

	if (!evmcs_in_use())
		return "direct flush needs the enlightened VMCS";
	if (sysconf(_SC_NPROCESSORS_ONLN) < (long)cpus)
		return "needs two CPUs";
	hv_guest_create(&guest, 1, HV_GUEST_AWARE);
	error = hv_guest_ask(&guest.vcpu[0]);
	hv_guest_destroy(&guest);
	return error ? "KVM refuses KVM_CAP_HYPERV_DIRECT_TLBFLUSH: Hyper-V does not offer it, or it is off" : NULL;
}

void hv_guest_destroy(struct hv_guest *guest)
{
	while (guest->vcpus)
		vcpu_destroy(&guest->vcpu[--guest->vcpus]);
	vm_destroy(&guest->vm);
}

int hv_guest_ask(struct vcpu *vcpu)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HYPERV_DIRECT_TLBFLUSH };

	return ioctl(vcpu->fd, KVM_ENABLE_CAP, &cap) ? errno : 0;
}

void hv_guest_run(struct vcpu *vcpu)
{
	vcpu_run_to_port(vcpu, PORT_STEP);
}

void hv_guest_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct hv_guest_order *order = hv_guest_order(vcpu);

	order->op = HV_GUEST_WRMSR;
	order->rcx = msr;
	order->rax = value;
	hv_guest_run(vcpu);
}

void hv_guest_enable_hypercalls(struct vcpu *vcpu)
{
	hv_guest_wrmsr(vcpu, HV_MSR_GUEST_OS_ID, HV_GUEST_OS);
	hv_guest_wrmsr(vcpu, HV_MSR_HYPERCALL, HV_GUEST_CALL_PAGE | 1);
}

void hv_guest_disable_hypercalls(struct vcpu *vcpu)
{
	hv_guest_wrmsr(vcpu, HV_MSR_HYPERCALL, 0);
}

const char *const hv_guest_forms[HV_GUEST_FORMS] = {
	"address space", "list", "address space, fast", "address space of a set", "list of a set",
	"all processors",
};

void hv_guest_order_flush(struct vcpu *vcpu, enum hv_guest_op op, unsigned int form,
			  unsigned int count)
{
	static const uint64_t call[HV_GUEST_FORMS] = {
		HV_FLUSH_SPACE, HV_FLUSH_LIST | HV_REPEAT(1), HV_FLUSH_SPACE | HV_FAST,
		HV_FLUSH_SPACE_EX | HV_VARIABLE(1), HV_FLUSH_LIST_EX | HV_VARIABLE(1) | HV_REPEAT(1),
		HV_FLUSH_SPACE,
	};
	/* Address space, flags, mask of VP 1; or VP set of one bank; then addresses. */
	const uint64_t plain[] = { 0, HV_FLUSH_ALL_SPACES, 1 << 1, WINDOW };
	const uint64_t set[] = { 0, HV_FLUSH_ALL_SPACES, 0, 1 << 0, 1 << 1, WINDOW };
	const uint64_t all[] = { 0, HV_FLUSH_ALL_SPACES | HV_FLUSH_ALL_CPUS, 0 };
	struct hv_guest_order *order = hv_guest_order(vcpu);
	void *input = vm_at(vcpu->vm, HV_GUEST_INPUT);

	order->op = op;
	order->count = count;
	order->rcx = call[form];
	order->rdx = HV_GUEST_INPUT;
	order->r8 = 0;
	if (form == HV_GUEST_FORM_SET || form == HV_GUEST_FORM_SET + 1)
		memcpy(input, set, sizeof(set));
	else if (form == HV_GUEST_FORM_ALL)
		memcpy(input, all, sizeof(all));
	else
		memcpy(input, plain, sizeof(plain));
	if (form == HV_GUEST_FORM_FAST) {
		order->rdx = plain[0];
		order->r8 = plain[1];
		order->xmm0[0] = plain[2];
	}
}

void hv_guest_pin_to_cpu_0(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		ktap_bail("sched_setaffinity to CPU 0: %s", strerror(errno));
}

pthread_t hv_guest_thread(void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t cpus;

	/* From its first instruction: to move it later would take until the next tick. */
	CPU_ZERO(&cpus);
	CPU_SET(1, &cpus);
	if (pthread_attr_init(&attr) || pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus) ||
	    pthread_create(&thread, &attr, run, arg))
		ktap_bail("no thread for vCPU 1 on CPU 1");
	pthread_attr_destroy(&attr);
	return thread;
}

static void *watch(void *guest)
{
	struct vcpu *vcpu = &((struct hv_guest *)guest)->vcpu[1];

	hv_guest_order(vcpu)->op = HV_GUEST_WATCH;
	hv_guest_run(vcpu);
	return NULL;
}

void hv_guest_watch(struct hv_guest *guest)
{
	volatile struct shared *shared = shared_of(guest);

	shared->stop = 0;
	shared->wrong = 0;
	shared->watching = 0;
	guest->watcher = hv_guest_thread(watch, guest);
	while (!shared->watching)
		sched_yield();
}

bool hv_guest_watched(struct hv_guest *guest)
{
	volatile struct shared *shared = shared_of(guest);

	shared->stop = 1;
	pthread_join(guest->watcher, NULL);
	if (shared->wrong)
		ktap_diag("vCPU 1 read %llu pages that were mapped before a flush",
			  (unsigned long long)shared->wrong);
	return !shared->wrong;
}
