// SPDX-License-Identifier: GPL-2.0-only
/*
 * An L0 that holds its guest to the rules of flushing.
 *
 * L1 may add to its EPT as it likes. When it takes something away, a processor may go
 * on using what the entry said before, until L1 has had it flushed (SDM vol. 3,
 * "Caching Translation Information"; TLFS, "Nested Virtualization"). The kernel's KVM
 * as L0 forgives much of that: it write-protects L1's tables and follows each change.
 * So a model is kept beside it, of what an L0 without that would still use.
 *
 *  - When L0 puts a leaf into the shadow EPT, the entries of L1's on the way to it, as
 *    they are then, are recorded for every processor of L1's.
 *  - A flush by hypercall takes records of what it names from all processors, INVEPT
 *    from the one that executes it: of one root or of all.
 *  - At each VM entry some records are looked at, of that processor and that root, in
 *    turns. An entry is weakened if L1's table has it now with fewer rights (or not
 *    present), another page, memory type or size; a large page that became a table is
 *    judged part by part. Accessed, dirty and ignored bits do not matter. If it leads to
 *    a table, all below it is weakened with it and counts as one.
 *
 * A weakened entry alone is no mistake: one processor may enter L2 while another is about
 * to flush what it has just changed. Nothing comes between those two there, so the
 * flush is missed if the entry is still weakened when each processor has been elsewhere
 * since: made a VM entry, halted, run L2 or user code. (That is so in a kernel
 * that is not preemptible.) It is said in L0's log then, and its records go.
 *
 * The model errs on L1's side where it errs: leaves that L0 links to another root with the
 * table that they are in, and what L0 repairs in place, make no record.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <linux/uaccess.h>

#include <asm/vmx.h>

#include "../mmu.h"

#include "ept.h"

/* So many entries a VM entry: L0's time is the emulator's. */
#define BUDGET		512
#define MAX_TABLES	8192
#define MAX_SUSPECTS	64
#define MAX_CPUS	64

#define EPT_RIGHTS	VMX_EPT_RWX_MASK
#define EPT_MEMORY_TYPE	(GENMASK_ULL(5, 3) | VMX_EPT_IPAT_BIT)
#define EPT_LARGE	BIT_ULL(7)
#define EPT_FRAME	GENMASK_ULL(51, 12)
#define EPT_INDEX_BITS	9
#define EPT_ENTRIES	(1 << EPT_INDEX_BITS)

/**
 * struct table - records of entries that one table of L1's had
 * @level:    1: its entries map pages of 4K
 * @used:     number of records
 * @recorded: which entries have one
 * @entries:  what they were; 0 without a record
 * @children: records of the entries below; or, below a large page, of those of its
 *            parts that are left, where not all is
 */
struct table {
	unsigned int level;
	unsigned int used;
	DECLARE_BITMAP(recorded, EPT_ENTRIES);
	u64 *entries;
	struct table **children;
};

/**
 * struct ept - what a processor of L1's may use of an EPT
 * @list:   in epts
 * @root:   page number of the root table
 * @cpu:    L1's CPU
 * @cursor: L2's page where the next VM entry goes on
 * @top:    records of the root table
 */
struct ept {
	struct list_head list;
	gfn_t root;
	unsigned int cpu;
	gfn_t cursor;
	struct table *top;
};

/**
 * struct suspect - an entry that is weakened and may still be flushed
 * @ept:     whose
 * @gfn:     L2's first page that it maps
 * @level:   of its table
 * @waiting: L1's CPUs that may be about to flush it
 */
struct suspect {
	struct ept *ept;
	gfn_t gfn;
	unsigned int level;
	u64 waiting;
};

/**
 * struct source - where to read what the entries of a table are now
 * @known:   it can be read
 * @entries: the table itself, or NULL where a large page is instead
 * @large:   the entry for that page; 0 if nothing is mapped
 */
struct source {
	bool known;
	const u64 __user *entries;
	u64 large;
};

/* The rig runs one L1 at a time. records_lock guards all below. */
static DEFINE_SPINLOCK(records_lock);
static LIST_HEAD(epts);
static struct kvm *owner;
static unsigned int nr_tables;
static struct suspect suspects[MAX_SUSPECTS];
static unsigned int nr_suspects;

static gfn_t pages_of(unsigned int level)
{
	return 1ull << (EPT_INDEX_BITS * (level - 1));
}

static unsigned int index_of(gfn_t gfn, unsigned int level)
{
	return (gfn / pages_of(level)) % EPT_ENTRIES;
}

static bool is_leaf(u64 entry, unsigned int level)
{
	return level == 1 || entry & EPT_LARGE;
}

/* What of an entry is judged. */
static u64 essence(u64 entry, unsigned int level)
{
	if (!(entry & EPT_RIGHTS))
		return 0;
	entry &= EPT_RIGHTS | EPT_MEMORY_TYPE | EPT_LARGE | EPT_FRAME;
	return level == 1 ? entry & ~EPT_LARGE : entry;
}

static bool is_weaker(u64 now, u64 before)
{
	return before & ~now & EPT_RIGHTS || (before ^ now) & ~EPT_RIGHTS;
}

/* The entry for part @index of a large page, which is mapped by a table of @level. */
static u64 part_of(u64 large, unsigned int level, unsigned int index)
{
	if (!large)
		return 0;
	large += index * pages_of(level - 1) * PAGE_SIZE;
	return level == 2 ? large & ~EPT_LARGE : large;
}

static struct source table_at(struct kvm_vcpu *vcpu, gfn_t gfn)
{
	unsigned long hva = kvm_vcpu_gfn_to_hva(vcpu, gfn);

	if (kvm_is_error_hva(hva))
		return (struct source){ };
	return (struct source){ .known = true, .entries = (const u64 __user *)hva };
}

/* Context: page faults are disabled. */
static bool read_entry(const struct source *source, unsigned int level, unsigned int index,
		       u64 *entry)
{
	u64 value;

	if (!source->known)
		return false;
	if (!source->entries) {
		*entry = part_of(source->large, level + 1, index);
		return true;
	}
	if (__get_user(value, source->entries + index))
		return false;
	*entry = essence(value, level);
	return true;
}

static struct source source_below(struct kvm_vcpu *vcpu, u64 entry, unsigned int level)
{
	if (entry && !is_leaf(entry, level))
		return table_at(vcpu, gpa_to_gfn(entry & EPT_FRAME));
	return (struct source){ .known = true, .large = entry };
}

static struct table *new_table(unsigned int level)
{
	struct table *table;

	if (nr_tables == MAX_TABLES) {
		pr_err_once("l0: no more records of EPTs\n");
		return NULL;
	}
	table = kzalloc(sizeof(*table), GFP_ATOMIC);
	if (!table)
		return NULL;
	table->level = level;
	table->entries = (u64 *)get_zeroed_page(GFP_ATOMIC);
	if (level > 1)
		table->children = (struct table **)get_zeroed_page(GFP_ATOMIC);
	if (!table->entries || (level > 1 && !table->children)) {
		free_page((unsigned long)table->entries);
		free_page((unsigned long)table->children);
		kfree(table);
		return NULL;
	}
	nr_tables++;
	return table;
}

static struct table *child_of(const struct table *table, unsigned int index)
{
	return table->children ? table->children[index] : NULL;
}

static void free_table(struct table *table)
{
	unsigned int i;

	if (!table)
		return;
	for_each_set_bit(i, table->recorded, EPT_ENTRIES)
		free_table(child_of(table, i));
	free_page((unsigned long)table->entries);
	free_page((unsigned long)table->children);
	kfree(table);
	nr_tables--;
}

static void set_record(struct table *table, unsigned int index, u64 entry)
{
	if (!__test_and_set_bit(index, table->recorded))
		table->used++;
	table->entries[index] = entry;
}

static void drop_record(struct table *table, unsigned int index)
{
	if (child_of(table, index)) {
		free_table(table->children[index]);
		table->children[index] = NULL;
	}
	table->entries[index] = 0;
	__clear_bit(index, table->recorded);
	table->used--;
}

/* Records each part of a large page by itself; those that have a record keep it. */
static struct table *split(struct table *table, unsigned int index, u64 large)
{
	struct table *child = table->children[index];
	unsigned int i;

	if (!child)
		child = new_table(table->level - 1);
	if (!child)
		return NULL;
	for (i = 0; i < EPT_ENTRIES; i++) {
		if (!test_bit(i, child->recorded))
			set_record(child, i, part_of(large, table->level, i));
	}
	table->children[index] = child;
	return child;
}

/* What is there of an entry that is weaker than its record is not recorded. */
static void record_path(struct table *table, gfn_t gfn, const u64 *path)
{
	for (;;) {
		unsigned int level = table->level, index = index_of(gfn, level);
		u64 before = table->entries[index], now = path[level];
		bool leaf = is_leaf(now, level);

		if (!before || !is_leaf(before, level)) {
			if (before && is_weaker(now, before))
				return;
			if (!leaf && !child_of(table, index))
				table->children[index] = new_table(level - 1);
			if (!leaf && !child_of(table, index))
				return;
			set_record(table, index, now);
		} else if (leaf && !child_of(table, index)) {
			if (!is_weaker(now, before))
				set_record(table, index, now);
		} else if (leaf) {
			split(table, index, now);
		} else if (!child_of(table, index) && !split(table, index, before)) {
			return;
		}
		if (leaf)
			return;
		table = table->children[index];
	}
}

static void drop_suspects(const struct ept *ept, struct l0_gfn_range range)
{
	unsigned int i;

	for (i = nr_suspects; i-- > 0;) {
		const struct suspect *s = &suspects[i];

		if (s->ept == ept && s->gfn <= range.last &&
		    s->gfn + pages_of(s->level) - 1 >= range.first)
			suspects[i] = suspects[--nr_suspects];
	}
}

static void free_ept(struct ept *ept)
{
	drop_suspects(ept, L0_ALL_GFNS);
	free_table(ept->top);
	list_del(&ept->list);
	kfree(ept);
}

static struct ept *find_ept(gfn_t root, unsigned int cpu)
{
	struct ept *ept;

	list_for_each_entry(ept, &epts, list) {
		if (ept->root == root && ept->cpu == cpu)
			return ept;
	}
	return NULL;
}

static struct ept *make_ept(gfn_t root, unsigned int cpu, unsigned int levels)
{
	struct ept *ept = find_ept(root, cpu);

	if (ept)
		return ept;
	ept = kzalloc(sizeof(*ept), GFP_ATOMIC);
	if (!ept)
		return NULL;
	ept->root = root;
	ept->cpu = cpu;
	ept->top = new_table(levels);
	if (!ept->top) {
		kfree(ept);
		return NULL;
	}
	list_add(&ept->list, &epts);
	return ept;
}

static void free_all(void)
{
	struct ept *ept, *next;

	list_for_each_entry_safe(ept, next, &epts, list)
		free_ept(ept);
}

/**
 * l0_ept_record() - L0 will not ask for one of L2's pages again
 * @vcpu:   L1's CPU
 * @root:   page number of the EPT's root table
 * @levels: of the EPT
 * @gfn:    L2's page
 *
 * Context: any; L1's memory is that of the current process.
 */
void l0_ept_record(struct kvm_vcpu *vcpu, gfn_t root, unsigned int levels, gfn_t gfn)
{
	u64 path[PT64_ROOT_MAX_LEVEL + 1];
	struct source source = table_at(vcpu, root);
	unsigned int level, cpus = atomic_read(&vcpu->kvm->online_vcpus), cpu;
	bool complete = false;

	pagefault_disable();
	for (level = levels; level && !complete; level--) {
		if (!read_entry(&source, level, index_of(gfn, level), &path[level]) ||
		    !path[level])
			break;
		complete = is_leaf(path[level], level);
		source = source_below(vcpu, path[level], level);
	}
	pagefault_enable();
	if (!complete)
		return;

	spin_lock(&records_lock);
	if (vcpu->kvm != owner)
		free_all();
	owner = vcpu->kvm;
	for (cpu = 0; cpu < min_t(unsigned int, cpus, MAX_CPUS); cpu++) {
		struct ept *ept = make_ept(root, cpu, levels);

		if (ept)
			record_path(ept->top, gfn, path);
	}
	spin_unlock(&records_lock);
}

/*
 * Drops the records of a range. Returns how many of them differ from what the
 * entries are now, if @source tells.
 */
static u64 forget(struct kvm_vcpu *vcpu, struct table *table, gfn_t base,
		  struct l0_gfn_range range, struct source source)
{
	unsigned int level = table->level, i;
	u64 changed = 0;

	for_each_set_bit(i, table->recorded, EPT_ENTRIES) {
		gfn_t first = base + i * pages_of(level), last = first + pages_of(level) - 1;
		u64 before = table->entries[i], now = before;
		bool known = read_entry(&source, level, i, &now);
		struct table *child = child_of(table, i);
		struct source below = { };

		if (last < range.first)
			continue;
		if (first > range.last)
			break;
		if (!child && (first < range.first || last > range.last))
			child = split(table, i, before);
		if (!child) {
			changed += now != before;
			drop_record(table, i);
			continue;
		}
		if (known && !is_leaf(before, level) && is_weaker(now, before))
			below.known = true;
		else if (known)
			below = source_below(vcpu, now, level);
		changed += forget(vcpu, child, first, range, below);
		if (!child->used)
			drop_record(table, i);
	}
	return changed;
}

/**
 * l0_ept_forget() - L1 has flushed ranges by a hypercall
 * @vcpu:      L1's CPU
 * @root:      page number of the EPT's root table
 * @ranges:    L2's pages
 * @nr_ranges: how many
 *
 * Context: may sleep.
 * Return: how many entries in them L0 held and L1 had changed.
 */
u64 l0_ept_forget(struct kvm_vcpu *vcpu, gfn_t root, const struct l0_gfn_range *ranges,
		  unsigned int nr_ranges)
{
	const struct source unknown = { }, table = table_at(vcpu, root);
	struct ept *ept, *next;
	u64 changed = 0;
	unsigned int i;

	spin_lock(&records_lock);
	pagefault_disable();
	list_for_each_entry_safe(ept, next, &epts, list) {
		if (ept->root != root)
			continue;
		for (i = 0; i < nr_ranges; i++) {
			changed += forget(vcpu, ept->top, 0, ranges[i],
					  ept->cpu == vcpu->vcpu_idx ? table : unknown);
			drop_suspects(ept, ranges[i]);
		}
		if (!ept->top->used)
			free_ept(ept);
	}
	pagefault_enable();
	spin_unlock(&records_lock);
	return changed;
}

/**
 * l0_ept_forget_context() - L1 has executed INVEPT
 * @vcpu: L1's CPU: what others may use stays
 * @root: page number of the root table, or L0_ALL_ROOTS
 *
 * Context: may sleep.
 */
void l0_ept_forget_context(struct kvm_vcpu *vcpu, gfn_t root)
{
	struct ept *ept, *next;

	spin_lock(&records_lock);
	list_for_each_entry_safe(ept, next, &epts, list) {
		if (ept->cpu == vcpu->vcpu_idx && (root == L0_ALL_ROOTS || ept->root == root))
			free_ept(ept);
	}
	spin_unlock(&records_lock);
}

/* Nothing that L1 began on this CPU before is still to be finished. */
static bool was_elsewhere(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->arch.mp_state) != KVM_MP_STATE_RUNNABLE || is_guest_mode(vcpu) ||
	       (READ_ONCE(vcpu->preempted) && !READ_ONCE(vcpu->arch.preempted_in_kernel));
}

/* L1's CPUs that may be about to flush. */
static u64 busy_cpus(struct kvm_vcpu *entering)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u64 busy = 0;

	kvm_for_each_vcpu(i, vcpu, entering->kvm) {
		if (i < MAX_CPUS && vcpu != entering && !was_elsewhere(vcpu))
			busy |= BIT_ULL(i);
	}
	return busy;
}

static struct suspect *find_suspect(const struct ept *ept, gfn_t gfn, unsigned int level)
{
	unsigned int i;

	for (i = 0; i < nr_suspects; i++) {
		if (suspects[i].ept == ept && suspects[i].gfn == gfn &&
		    suspects[i].level == level)
			return &suspects[i];
	}
	return NULL;
}

/* Is a weakened entry's flush missed by now? */
static bool is_missed(struct kvm_vcpu *vcpu, struct ept *ept, gfn_t gfn, unsigned int level)
{
	struct suspect *suspect = find_suspect(ept, gfn, level);
	u64 waiting = suspect ? suspect->waiting : busy_cpus(vcpu);

	if (waiting && !suspect && nr_suspects < MAX_SUSPECTS)
		suspects[nr_suspects++] = (struct suspect){ ept, gfn, level, waiting };
	return !waiting;
}

/**
 * struct visit - a look at the records of an EPT
 * @vcpu:   L1's CPU, which enters L2
 * @ept:    its EPT
 * @budget: entries to look at
 * @missed: entries that were not flushed
 */
struct visit {
	struct kvm_vcpu *vcpu;
	struct ept *ept;
	unsigned int budget;
	u64 missed;
};

static void judge_entry(struct visit *visit, struct table *table, unsigned int index,
			gfn_t gfn, u64 now)
{
	struct ept *ept = visit->ept;
	struct l0_gfn_range range = { gfn, gfn + pages_of(table->level) - 1 };
	u64 before = table->entries[index];

	if (!is_weaker(now, before)) {
		if (nr_suspects && find_suspect(ept, gfn, table->level))
			drop_suspects(ept, range);
		return;
	}
	if (!is_missed(visit->vcpu, ept, gfn, table->level))
		return;
	pr_err_ratelimited("l0: CPU %u, EPT 0x%llx: L2's pages 0x%llx to 0x%llx were 0x%llx, are 0x%llx and not flushed\n",
			    ept->cpu, gfn_to_gpa(ept->root), range.first, range.last, before, now);
	visit->missed++;
	drop_suspects(ept, range);
	drop_record(table, index);
}

/* False when the budget is spent: the cursor is where to go on. */
static bool judge_table(struct visit *visit, struct table *table, gfn_t base,
			struct source source)
{
	unsigned int level = table->level, i = 0;
	struct ept *ept = visit->ept;

	if (ept->cursor > base)
		i = (ept->cursor - base) / pages_of(level);
	for_each_set_bit_from(i, table->recorded, EPT_ENTRIES) {
		struct table *child = child_of(table, i);
		gfn_t gfn = base + i * pages_of(level);
		u64 before = table->entries[i], now;
		bool was_leaf = is_leaf(before, level);

		if (!visit->budget) {
			ept->cursor = gfn;
			return false;
		}
		visit->budget--;
		if (!read_entry(&source, level, i, &now))
			continue;
		if (!child && was_leaf && now && !is_leaf(now, level))
			child = split(table, i, before);
		if (!child || !now || (!was_leaf && is_weaker(now, before))) {
			judge_entry(visit, table, i, gfn, now);
			continue;
		}
		if (!judge_table(visit, child, gfn, source_below(visit->vcpu, now, level)))
			return false;
		if (!child->used)
			drop_record(table, i);
	}
	return true;
}

/**
 * l0_ept_judge() - L1 is about to enter L2
 * @vcpu: L1's CPU
 * @root: page number of the EPT's root table
 *
 * Context: may sleep.
 * Return: how many entries L1 has weakened and not flushed, as found now.
 */
u64 l0_ept_judge(struct kvm_vcpu *vcpu, gfn_t root)
{
	struct visit visit = { .vcpu = vcpu, .budget = BUDGET };
	struct source source;
	unsigned int i;

	spin_lock(&records_lock);
	if (nr_suspects) {
		u64 busy = busy_cpus(vcpu);

		for (i = 0; i < nr_suspects; i++)
			suspects[i].waiting &= busy;
	}
	visit.ept = find_ept(root, vcpu->vcpu_idx);
	if (visit.ept) {
		list_move(&visit.ept->list, &epts);
		source = table_at(vcpu, root);
		pagefault_disable();
		/* The second time from the start */
		for (i = visit.ept->cursor ? 0 : 1; i < 2; i++) {
			if (!judge_table(&visit, visit.ept->top, 0, source))
				break;
			visit.ept->cursor = 0;
		}
		pagefault_enable();
	}
	spin_unlock(&records_lock);
	return visit.missed;
}

/**
 * l0_ept_forget_all() - the module goes
 *
 * Context: no VM is left.
 */
void l0_ept_forget_all(void)
{
	free_all();
}
