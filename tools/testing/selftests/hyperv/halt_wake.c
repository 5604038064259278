// SPDX-License-Identifier: GPL-2.0-only
/*
 * halt_wake: L2 executes HLT and an interrupt wakes it.
 *
 * KVM blocks the vCPU's thread in the kernel meanwhile, with the vCPU put, and
 * another thread sends an MSI. Before each HLT L2 gives RSP and FS base new
 * values, which live in the VMCS only, and looks at them after it.
 *
 * Proved: each wake is of one interrupt, delivered once, before the instruction
 * after HLT; L2 finds its state as it left it, also if its thread was moved to
 * another CPU in its sleep; the thread did sleep. With an interrupt that was
 * pending before HLT it does not sleep.
 *
 * Broken by: an event that is lost or repeated around a put and a load of the
 * vCPU; an eVMCS that is not the CPU's current one again, or keeps its clean
 * fields on another CPU, when the vCPU wakes.
 */
#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include "lib/ktap.h"
#include "lib/vm.h"
#include "lib/worker.h"

#define WAKES		25
#define HANG_SECONDS	5	/* ends a test that waits for a lost interrupt */
#define VECTOR		0x60
#define POLL_US		100
#define ASLEEP_US	400	/* longer than KVM polls before it blocks */

/* What the VMM and L2 share, in the vCPU's page of data. */
struct shared {
	uint64_t halts;		/* HLTs that L2 was about to execute */
	uint64_t wakes;		/* HLTs after which it went on */
	uint64_t hits;		/* interrupts handled */
	uint64_t errors;	/* RSP or FS base not what it was, or no interrupt at a wake */
	uint64_t step;		/* set by the VMM: L2 exits to it before each HLT */
};

static_assert(offsetof(struct shared, step) == 32, "the guest code knows the layout");

/*
 * r8: number of the HLT, r9: top of the stack, r10: FS base. The VMM looks at
 * wakes, so that is stored last. STI blocks the interrupt until HLT stands next.
 */
GUEST_CODE(halt_guest,
	"	mov	$0x80f, %ecx\n"		/* the APIC is on */
	"	mov	$0x1ff, %eax\n"
	"	xor	%edx, %edx\n"
	"	wrmsr\n"
	"	mov	%rsp, %r9\n"
	"	xor	%r8d, %r8d\n"
	"1:	cli\n"
	"	inc	%r8\n"
	"	mov	%r8d, %eax\n"
	"	and	$31, %eax\n"
	"	shl	$4, %eax\n"
	"	mov	%r9, %r11\n"
	"	sub	%rax, %r11\n"
	"	mov	%r11, %rsp\n"
	"	mov	%r8d, %r10d\n"
	"	shl	$12, %r10d\n"
	"	mov	%r10d, %eax\n"
	"	mov	%r8d, %edx\n"
	"	mov	$0xc0000100, %ecx\n"
	"	wrmsr\n"
	"	mov	%r8, (%rdi)\n"
	"	cmpq	$0, 32(%rdi)\n"
	"	je	2f\n"
	"	out	%al, $" VM_STRING(PORT_STEP) "\n"
	"2:	sti\n"
	"	hlt\n"
	"	cli\n"
	"	cmp	%r11, %rsp\n"
	"	jne	4f\n"
	"	mov	$0xc0000100, %ecx\n"
	"	rdmsr\n"
	"	cmp	%r10d, %eax\n"
	"	jne	4f\n"
	"	cmp	%r8d, %edx\n"
	"	jne	4f\n"
	"	cmp	%r8, 16(%rdi)\n"
	"	je	3f\n"
	"4:	incq	24(%rdi)\n"
	"3:	mov	%r8, 8(%rdi)\n"
	"	sti\n"
	"	jmp	1b\n"
	"halt_handler:\n"
	"	push	%rax\n"
	"	push	%rcx\n"
	"	push	%rdx\n"
	"	incq	16(%rdi)\n"
	VM_END_OF_INTERRUPT
	"	iretq\n");

extern const uint8_t halt_handler[];

struct sleeper {
	struct vm vm;
	struct vcpu vcpu;
	volatile struct shared *shared;
	pthread_t thread;
	volatile pid_t tid;
	long sleeps;		/* of the thread while it ran L2 */
};

static void create(struct sleeper *sleeper)
{
	struct kvm_sregs sregs;

	memset(sleeper, 0, sizeof(*sleeper));
	vm_create(&sleeper->vm, halt_guest, halt_guest_end);
	vm_set_gate(&sleeper->vm, VECTOR, VM_CODE + (halt_handler - halt_guest));
	vcpu_create(&sleeper->vcpu, &sleeper->vm, 0);
	vm_ioctl(sleeper->vcpu.fd, KVM_GET_SREGS, &sregs);
	sregs.apic_base |= 1 << 10;	/* x2APIC */
	vm_ioctl(sleeper->vcpu.fd, KVM_SET_SREGS, &sregs);
	sleeper->shared = vm_at(&sleeper->vm, VM_DATA(0));
}

static void destroy(struct sleeper *sleeper)
{
	vcpu_destroy(&sleeper->vcpu);
	vm_destroy(&sleeper->vm);
}

static void send_msi(struct sleeper *sleeper)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };

	if (vm_ioctl(sleeper->vm.fd, KVM_SIGNAL_MSI, &msi) != 1)
		ktap_diag("the APIC did not take the MSI");
}

static long sleeps_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static void *sleeper_thread(void *arg)
{
	struct sleeper *sleeper = arg;

	sleeper->tid = gettid();
	sleeper->sleeps = -sleeps_so_far();
	vcpu_run_to_port(&sleeper->vcpu, PORT_STEP);
	sleeper->sleeps += sleeps_so_far();
	return NULL;
}

static void wait_for(volatile uint64_t *counter, uint64_t value)
{
	while (*counter < value)
		usleep(POLL_US);
}

static bool counts_are(struct sleeper *sleeper, uint64_t n)
{
	volatile struct shared *shared = sleeper->shared;

	if (shared->wakes == n && shared->hits == n && !shared->errors)
		return true;
	ktap_diag("%llu wakes, %llu interrupts, expected %llu of each; %llu errors",
		  (unsigned long long)shared->wakes, (unsigned long long)shared->hits,
		  (unsigned long long)n, (unsigned long long)shared->errors);
	return false;
}

/* Wakes L2 again and again; with @move each time on another CPU. */
static void check_wakes(bool move, const char *name)
{
	struct sleeper sleeper;
	bool ok = true;

	create(&sleeper);
	if (pthread_create(&sleeper.thread, NULL, sleeper_thread, &sleeper))
		ktap_bail("no thread for the vCPU");
	for (unsigned int i = 1; i <= WAKES && ok; i++) {
		wait_for(&sleeper.shared->halts, i);
		usleep(ASLEEP_US);
		if (move)
			worker_move(sleeper.tid, i & 1);
		/* After the last wake L2 exits, which ends the thread. */
		sleeper.shared->step = i == WAKES;
		send_msi(&sleeper);
		wait_for(&sleeper.shared->wakes, i);
		ok = counts_are(&sleeper, i);
	}
	if (!ok)
		ktap_bail("%s: L2 is in an unknown state", name);
	pthread_join(sleeper.thread, NULL);
	ktap_diag("%u wakes, the thread slept %ld times", WAKES, sleeper.sleeps);
	ok = counts_are(&sleeper, WAKES) && sleeper.sleeps >= WAKES / 2;
	ktap_ok(ok, "%s", name);
	destroy(&sleeper);
}

static void check_pending(void)
{
	struct sleeper sleeper;
	bool ok = true;
	long sleeps;

	create(&sleeper);
	sleeper.shared->step = 1;
	vcpu_run_to_port(&sleeper.vcpu, PORT_STEP);
	sleeps = sleeps_so_far();
	for (unsigned int i = 1; i <= WAKES && ok; i++) {
		send_msi(&sleeper);
		vcpu_run_to_port(&sleeper.vcpu, PORT_STEP);
		ok = counts_are(&sleeper, i);
	}
	sleeps = sleeps_so_far() - sleeps;
	if (sleeps)
		ktap_diag("the thread slept %ld times", sleeps);
	ktap_ok(ok && !sleeps, "HLT with an interrupt pending does not sleep");
	destroy(&sleeper);
}

int main(void)
{
	const char *moved = "woken on another CPU";

	ktap_plan(3);
	alarm(HANG_SECONDS);
	check_pending();
	check_wakes(false, "woken by an interrupt");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		ktap_skip(moved, "needs two CPUs");
	else
		check_wakes(true, moved);
	return ktap_exit();
}
