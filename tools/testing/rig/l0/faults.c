// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of L0, made on request. Without a request nothing differs from the
 * kernel's own KVM.
 *
 * A line written to /sys/kernel/debug/l0/faults adds a fault:
 *
 *	cpuid LEAF REG CLEAR SET	L1 reads REG (eax..edx) of the leaf as
 *					(value & ~CLEAR) | SET
 *	rdmsr MSR VALUE|fault		L1 reads the MSR as VALUE, of 32 bits; or, if it is a
 *					synthetic one, its read raises #GP
 *	wrmsr MSR CPU fault|ignore	L1's write to the MSR on its CPU number CPU, or on
 *					any where that is -1, raises #GP, or has no effect
 *	hypercall CODE FIRST LAST	L1's FIRST to LAST such hypercall returns
 *					HV_STATUS_INVALID_HYPERCALL_CODE and does
 *					nothing; CODE gpa-flush is either of 0xaf, 0xb0
 *	lose FIRST LAST			L1's FIRST to LAST flush of guest-physical
 *					mappings by a hypercall succeeds and does nothing
 *	keep				L2 is denied what L1's EPT allows by now, as long
 *					as L0 holds an entry with fewer rights: each time
 *					it tries L1 gets an EPT violation
 *	tlb-lock FIRST LAST		L0 takes TlbLockCount in the partition assist page
 *					for other than zero when it has served L2's FIRST
 *					to LAST TLB flush: L1 gets the exit for that
 *	tsc-behind CPU TICKS		the TSC of L1's CPU number CPU is so far behind that of
 *					the others, whatever L1 writes to it
 *	entry CONTROLS FIRST LAST	L1's FIRST to LAST VM entry on an enlightened
 *					VMCS fails, of those that have all bits of
 *					CONTROLS in its enlightenments control
 *	controls			L1 is offered VMX controls that an eVMCS cannot
 *					express, and may not use them
 *	clear				removes all faults
 *
 * Numbers are decimal or, with 0x, hexadecimal. LAST 0 means for ever. Reading the
 * file shows each line with the number of times that it struck.
 *
 * The faults are those of every guest of L0: the rig runs one L1 at a time.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <asm/hyperv-tlfs.h>

#include "ept.h"
#include "faults.h"

#define MAX_FAULTS	16
#define MAX_LINE	80

/* As a hypercall code: either that flushes guest-physical mappings */
#define GPA_FLUSH	0x10000

enum fault_kind {
	FAULT_CPUID,
	FAULT_RDMSR,
	FAULT_RDMSR_GP,
	FAULT_WRMSR,
	FAULT_HYPERCALL,
	FAULT_LOSE,
	FAULT_KEEP,
	FAULT_TLB_LOCK,
	FAULT_TSC_BEHIND,
	FAULT_ENTRY,
	FAULT_CONTROLS,
};

/**
 * struct fault - one line of the file
 * @line:   as it was written
 * @kind:   its first word
 * @what:   leaf, MSR, hypercall code, or enlightenments control
 * @reg:    cpuid: 0 (EAX) to 3 (EDX)
 * @clear:  cpuid: bits that read as 0
 * @set:    cpuid: bits that read as 1; rdmsr: the value
 * @cpu:    wrmsr, tsc-behind: L1's CPU; wrmsr: or -1
 * @ignore: wrmsr: no #GP
 * @ticks:  tsc-behind: of the TSC
 * @first:  hypercall, lose, tlb-lock, entry: the first use that fails, counted from 1
 * @last:   the last one, or 0
 * @uses:   uses seen so far
 * @hits:   how often the fault struck
 */
struct fault {
	char line[MAX_LINE];
	enum fault_kind kind;
	u32 what;
	unsigned int reg;
	u32 clear;
	u32 set;
	int cpu;
	bool ignore;
	u64 ticks;
	u64 first;
	u64 last;
	atomic64_t uses;
	atomic64_t hits;
};

/*
 * A fault is written before nr_faults covers it (release; readers acquire), and none
 * goes away while a guest runs: readers need no lock.
 */
static struct fault faults[MAX_FAULTS];
static unsigned int nr_faults;
static DEFINE_MUTEX(faults_lock);

struct dentry *l0_debugfs;
EXPORT_SYMBOL_GPL(l0_debugfs);

/* The fault of this kind after @fault, or the first one after NULL. */
static struct fault *next_fault(struct fault *fault, enum fault_kind kind)
{
	/* Pairs with the release in add(). */
	struct fault *end = faults + smp_load_acquire(&nr_faults);

	for (fault = fault ? fault + 1 : faults; fault < end; fault++) {
		if (fault->kind == kind)
			return fault;
	}
	return NULL;
}

static bool strikes(struct fault *fault)
{
	u64 use = atomic64_inc_return(&fault->uses);

	if (use < fault->first || (fault->last && use > fault->last))
		return false;
	atomic64_inc(&fault->hits);
	return true;
}

/* For a kind that needs no more than to be counted. */
static bool any_strikes(enum fault_kind kind)
{
	struct fault *fault = NULL;

	while ((fault = next_fault(fault, kind))) {
		if (strikes(fault))
			return true;
	}
	return false;
}

/**
 * l0_fault_cpuid() - change what L1 reads
 * @leaf: CPUID leaf
 * @eax:  its registers, as L1 would see them; likewise the others
 * @ebx:  see @eax
 * @ecx:  see @eax
 * @edx:  see @eax
 *
 * Context: any.
 */
void l0_fault_cpuid(u32 leaf, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	u32 *regs[] = { eax, ebx, ecx, edx };
	struct fault *fault = NULL;

	while ((fault = next_fault(fault, FAULT_CPUID))) {
		u32 *reg = regs[fault->reg];

		if (fault->what != leaf)
			continue;
		*reg = (*reg & ~fault->clear) | fault->set;
		atomic64_inc(&fault->hits);
	}
}

/**
 * l0_fault_rdmsr() - change what L1 reads
 * @msr:   index
 * @value: what it would read
 *
 * Context: any.
 * Return: what it reads.
 */
u64 l0_fault_rdmsr(u32 msr, u64 value)
{
	struct fault *fault = NULL;

	while ((fault = next_fault(fault, FAULT_RDMSR))) {
		if (fault->what != msr)
			continue;
		atomic64_inc(&fault->hits);
		value = fault->set;
	}
	return value;
}

/**
 * l0_fault_rdmsr_gp() - does L1's read of a synthetic MSR raise #GP?
 * @msr: index
 *
 * Context: any.
 */
bool l0_fault_rdmsr_gp(u32 msr)
{
	struct fault *fault = NULL;

	while ((fault = next_fault(fault, FAULT_RDMSR_GP))) {
		if (fault->what != msr)
			continue;
		atomic64_inc(&fault->hits);
		return true;
	}
	return false;
}

/**
 * l0_fault_wrmsr() - does L1's write to a synthetic MSR go wrong?
 * @vcpu:   L1's CPU
 * @msr:    index
 * @result: what the write returns then: 1 raises #GP, 0 does nothing
 *
 * Context: any.
 */
bool l0_fault_wrmsr(struct kvm_vcpu *vcpu, u32 msr, int *result)
{
	struct fault *fault = NULL;

	while ((fault = next_fault(fault, FAULT_WRMSR))) {
		if (fault->what != msr || (fault->cpu >= 0 && fault->cpu != vcpu->vcpu_id))
			continue;
		atomic64_inc(&fault->hits);
		*result = !fault->ignore;
		return true;
	}
	return false;
}

static bool names_hypercall(const struct fault *fault, u16 code)
{
	if (fault->what == GPA_FLUSH)
		return code == HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_SPACE ||
		       code == HVCALL_FLUSH_GUEST_PHYSICAL_ADDRESS_LIST;
	return fault->what == code;
}

/**
 * l0_fault_hypercall() - does L0 refuse this hypercall?
 * @code: call code
 *
 * Context: any.
 */
bool l0_fault_hypercall(u16 code)
{
	struct fault *fault = NULL;

	while ((fault = next_fault(fault, FAULT_HYPERCALL))) {
		if (names_hypercall(fault, code) && strikes(fault))
			return true;
	}
	return false;
}

/**
 * l0_fault_lose() - does L0 only pretend to flush guest-physical mappings?
 *
 * Context: any.
 */
bool l0_fault_lose(void)
{
	return any_strikes(FAULT_LOSE);
}

/**
 * l0_fault_tlb_lock() - does L0 find the TLB locked after it served a flush of L2's?
 *
 * Context: any.
 */
bool l0_fault_tlb_lock(void)
{
	return any_strikes(FAULT_TLB_LOCK);
}

/**
 * l0_fault_keep() - is L2 denied an access although L1's EPT allows it?
 * @vcpu:   L1's CPU, in L2
 * @gpa:    what L2 accesses
 * @access: how; rights as an EPT entry has them
 * @held:   what it may do to the page, if it is denied this
 *
 * Context: any; L1's memory is that of the current process.
 */
bool l0_fault_keep(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access, u64 *held)
{
	struct fault *fault = next_fault(NULL, FAULT_KEEP);

	if (!fault || !l0_ept_holds_less(vcpu, gpa, access, held))
		return false;
	atomic64_inc(&fault->hits);
	return true;
}
EXPORT_SYMBOL_GPL(l0_fault_keep);

/**
 * l0_fault_tsc_behind() - how far is this CPU's TSC behind?
 * @vcpu: L1's CPU
 *
 * Context: any.
 * Return: ticks to take from its TSC offset.
 */
u64 l0_fault_tsc_behind(struct kvm_vcpu *vcpu)
{
	struct fault *fault = NULL;

	while ((fault = next_fault(fault, FAULT_TSC_BEHIND))) {
		if (fault->cpu != vcpu->vcpu_id)
			continue;
		atomic64_inc(&fault->hits);
		return fault->ticks;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(l0_fault_tsc_behind);

/**
 * l0_fault_entry() - does L0 refuse this VM entry?
 * @controls: enlightenments control of the eVMCS
 *
 * Context: any.
 */
bool l0_fault_entry(u32 controls)
{
	struct fault *fault = NULL;

	while ((fault = next_fault(fault, FAULT_ENTRY))) {
		if ((controls & fault->what) == fault->what && strikes(fault))
			return true;
	}
	return false;
}
EXPORT_SYMBOL_GPL(l0_fault_entry);

/**
 * l0_fault_controls() - shall L0 not filter the VMX controls that it offers?
 *
 * Context: any.
 */
bool l0_fault_controls(void)
{
	struct fault *fault = next_fault(NULL, FAULT_CONTROLS);

	if (fault)
		atomic64_inc(&fault->hits);
	return fault;
}
EXPORT_SYMBOL_GPL(l0_fault_controls);

static bool parse_cpuid(struct fault *fault, const char *args)
{
	static const char * const names[] = { "eax", "ebx", "ecx", "edx" };
	char reg[4];
	int index;

	if (sscanf(args, "%i %3s %i %i", &fault->what, reg, &fault->clear,
		   &fault->set) != 4)
		return false;
	index = match_string(names, ARRAY_SIZE(names), reg);
	fault->reg = index;
	fault->kind = FAULT_CPUID;
	return index >= 0;
}

static bool parse_rdmsr(struct fault *fault, const char *args)
{
	char how[8];

	fault->kind = FAULT_RDMSR_GP;
	if (sscanf(args, "%i %7s", &fault->what, how) == 2 && !strcmp(how, "fault"))
		return true;
	fault->kind = FAULT_RDMSR;
	return sscanf(args, "%i %i", &fault->what, &fault->set) == 2;
}

static bool parse_wrmsr(struct fault *fault, const char *args)
{
	char how[8];

	if (sscanf(args, "%i %i %7s", &fault->what, &fault->cpu, how) != 3)
		return false;
	fault->ignore = !strcmp(how, "ignore");
	fault->kind = FAULT_WRMSR;
	return fault->ignore || !strcmp(how, "fault");
}

static bool parse_when(struct fault *fault, const char *args)
{
	return sscanf(args, "%llu %llu", &fault->first, &fault->last) == 2 && fault->first;
}

static bool parse_tsc_behind(struct fault *fault, const char *args)
{
	fault->kind = FAULT_TSC_BEHIND;
	return sscanf(args, "%i %llu", &fault->cpu, &fault->ticks) == 2;
}

static bool parse_uses(struct fault *fault, const char *args, enum fault_kind kind)
{
	fault->kind = kind;
	return sscanf(args, "%i %llu %llu", &fault->what, &fault->first,
		      &fault->last) == 3 && fault->first;
}

static bool parse_hypercall(struct fault *fault, const char *args)
{
	fault->kind = FAULT_HYPERCALL;
	fault->what = GPA_FLUSH;
	if (str_has_prefix(args, "gpa-flush "))
		return parse_when(fault, args + strlen("gpa-flush "));
	return parse_uses(fault, args, FAULT_HYPERCALL);
}

static bool parse_counted(struct fault *fault, const char *args, enum fault_kind kind)
{
	fault->kind = kind;
	return parse_when(fault, args);
}

static bool parse(struct fault *fault, const char *line)
{
	strscpy(fault->line, line, sizeof(fault->line));
	if (str_has_prefix(line, "cpuid "))
		return parse_cpuid(fault, line + strlen("cpuid "));
	if (str_has_prefix(line, "rdmsr "))
		return parse_rdmsr(fault, line + strlen("rdmsr "));
	if (str_has_prefix(line, "wrmsr "))
		return parse_wrmsr(fault, line + strlen("wrmsr "));
	if (str_has_prefix(line, "hypercall "))
		return parse_hypercall(fault, line + strlen("hypercall "));
	if (str_has_prefix(line, "lose "))
		return parse_counted(fault, line + strlen("lose "), FAULT_LOSE);
	if (str_has_prefix(line, "tlb-lock "))
		return parse_counted(fault, line + strlen("tlb-lock "), FAULT_TLB_LOCK);
	if (str_has_prefix(line, "tsc-behind "))
		return parse_tsc_behind(fault, line + strlen("tsc-behind "));
	if (str_has_prefix(line, "entry "))
		return parse_uses(fault, line + strlen("entry "), FAULT_ENTRY);
	fault->kind = strcmp(line, "keep") ? FAULT_CONTROLS : FAULT_KEEP;
	return fault->kind == FAULT_KEEP || !strcmp(line, "controls");
}

static int add(const char *line)
{
	struct fault *fault;

	if (!strcmp(line, "clear")) {
		WRITE_ONCE(nr_faults, 0);
		return 0;
	}
	if (nr_faults == MAX_FAULTS)
		return -ENOSPC;
	fault = &faults[nr_faults];
	memset(fault, 0, sizeof(*fault));
	if (!parse(fault, line)) {
		pr_err("l0: not a fault: %s\n", line);
		return -EINVAL;
	}
	/* The fault is complete: see next_fault(). */
	smp_store_release(&nr_faults, nr_faults + 1);
	return 0;
}

/**
 * l0_faults_add() - add a fault
 * @line: as written to the file
 *
 * Context: may sleep.
 * Return: 0 or a negative error number.
 */
int l0_faults_add(const char *line)
{
	int error;

	mutex_lock(&faults_lock);
	error = add(line);
	mutex_unlock(&faults_lock);
	return error;
}

/**
 * l0_take_line() - a line was written to a file of L0's in debugfs
 * @text: in user space
 * @size: of it
 * @obey: does what the line says; returns 0 or a negative error number
 *
 * Context: may sleep.
 * Return: @size or a negative error number.
 */
ssize_t l0_take_line(const char __user *text, size_t size, int (*obey)(const char *line))
{
	char line[MAX_LINE];
	int error;

	if (size >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, text, size))
		return -EFAULT;
	line[size] = '\0';
	error = obey(strim(line));
	return error ?: size;
}

static ssize_t faults_write(struct file *file, const char __user *text,
			    size_t size, loff_t *pos)
{
	return l0_take_line(text, size, l0_faults_add);
}

static int faults_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	mutex_lock(&faults_lock);
	for (i = 0; i < nr_faults; i++)
		seq_printf(m, "%llu %s\n", atomic64_read(&faults[i].hits),
			   faults[i].line);
	mutex_unlock(&faults_lock);
	return 0;
}

DEFINE_SHOW_STORE_ATTRIBUTE(faults);

void l0_faults_init(void)
{
	l0_debugfs = debugfs_create_dir("l0", NULL);
	debugfs_create_file("faults", 0600, l0_debugfs, NULL, &faults_fops);
}

void l0_faults_exit(void)
{
	debugfs_remove_recursive(l0_debugfs);
}
