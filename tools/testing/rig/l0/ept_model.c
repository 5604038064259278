// SPDX-License-Identifier: GPL-2.0-only
/*
 * What L1's processors may use of L1's EPTs: a model, kept beside the shadow EPT, of an
 * L0 that does not follow L1's changes but holds what it once read until it is told to
 * drop it.
 *
 *  - When L0 puts a leaf into the shadow EPT, the entries of L1's on the way to it, as
 *    they are then, are recorded for every processor of L1's.
 *  - A flush by hypercall takes records of what it names from all processors, INVEPT
 *    from the one that executes it: of one root or of all.
 *
 * A record that L1 has weakened since stays as it is when L0 reads the entry anew: the
 * processor was not told.
 *
 * The model errs on L1's side where it errs: leaves that L0 links to another root with the
 * table that they are in, and what L0 repairs in place, make no record.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../mmu.h"

#include "ept_model.h"

#define MAX_TABLES	8192

/* Of the entry of a leaf; a table's has zeroes there. */
#define EPT_MEMORY_TYPE	(GENMASK_ULL(5, 3) | VMX_EPT_IPAT_BIT)

DEFINE_SPINLOCK(l0_ept_lock);
LIST_HEAD(l0_epts);

/* The rig runs one L1 at a time. */
static struct kvm *owner;
static unsigned int nr_tables;

static unsigned int index_of(gfn_t gfn, unsigned int level)
{
	return (gfn / pages_of(level)) % EPT_ENTRIES;
}

/* What of an entry is judged. */
static u64 essence(u64 entry, unsigned int level)
{
	if (!(entry & VMX_EPT_RWX_MASK))
		return 0;
	entry &= VMX_EPT_RWX_MASK | EPT_MEMORY_TYPE | EPT_LARGE | EPT_FRAME;
	return level == 1 ? entry & ~EPT_LARGE : entry;
}

/* The entry for part @index of a large page, which is mapped by a table of @level. */
static u64 part_of(u64 large, unsigned int level, unsigned int index)
{
	if (!large)
		return 0;
	large += index * pages_of(level - 1) * PAGE_SIZE;
	return level == 2 ? large & ~EPT_LARGE : large;
}

/**
 * l0_ept_table_at() - where to read a table of L1's
 * @vcpu: L1's CPU
 * @gfn:  the table's page number
 *
 * Context: any.
 */
struct source l0_ept_table_at(struct kvm_vcpu *vcpu, gfn_t gfn)
{
	unsigned long hva = kvm_vcpu_gfn_to_hva(vcpu, gfn);

	if (kvm_is_error_hva(hva))
		return (struct source){ };
	return (struct source){ .known = true, .entries = (const u64 __user *)hva };
}

/**
 * l0_ept_read_entry() - what an entry is now
 * @source: of its table
 * @level:  of that
 * @index:  in it
 * @entry:  what matters of it; 0 if it is not present
 *
 * Context: page faults are disabled; L1's memory is that of the current process.
 * Return: true if it could be read.
 */
bool l0_ept_read_entry(const struct source *source, unsigned int level, unsigned int index,
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

/**
 * l0_ept_below() - where to read the entries below an entry
 * @vcpu:  L1's CPU
 * @entry: what it is now
 * @level: of its table
 *
 * Context: any.
 */
struct source l0_ept_below(struct kvm_vcpu *vcpu, u64 entry, unsigned int level)
{
	if (entry && !is_leaf(entry, level))
		return l0_ept_table_at(vcpu, gpa_to_gfn(entry & EPT_FRAME));
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

/**
 * l0_ept_drop_record() - L1 has flushed an entry, or was told that it should have
 * @table: its table
 * @index: in it; what is recorded below goes as well
 *
 * Context: holds l0_ept_lock.
 */
void l0_ept_drop_record(struct table *table, unsigned int index)
{
	if (child_of(table, index)) {
		free_table(table->children[index]);
		table->children[index] = NULL;
	}
	table->entries[index] = 0;
	__clear_bit(index, table->recorded);
	table->used--;
}

/**
 * l0_ept_split() - record each part of a large page by itself
 * @table: the table that maps it
 * @index: in it; parts that have a record keep it
 * @large: the entry
 *
 * Context: holds l0_ept_lock.
 * Return: the records of the parts; NULL if there is no memory.
 */
struct table *l0_ept_split(struct table *table, unsigned int index, u64 large)
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
			l0_ept_split(table, index, now);
		} else if (!child_of(table, index) && !l0_ept_split(table, index, before)) {
			return;
		}
		if (leaf)
			return;
		table = table->children[index];
	}
}

static void free_ept(struct ept *ept)
{
	l0_ept_drop_suspects(ept, L0_ALL_GFNS);
	free_table(ept->top);
	list_del(&ept->list);
	kfree(ept);
}

/**
 * l0_ept_find() - what a processor may use
 * @root: page number of the root table
 * @cpu:  L1's CPU
 *
 * Context: holds l0_ept_lock.
 * Return: NULL if that is nothing.
 */
struct ept *l0_ept_find(gfn_t root, unsigned int cpu)
{
	struct ept *ept;

	list_for_each_entry(ept, &l0_epts, list) {
		if (ept->root == root && ept->cpu == cpu)
			return ept;
	}
	return NULL;
}

static struct ept *make_ept(gfn_t root, unsigned int cpu, unsigned int levels)
{
	struct ept *ept = l0_ept_find(root, cpu);

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
	list_add(&ept->list, &l0_epts);
	return ept;
}

static void free_all(void)
{
	struct ept *ept, *next;

	list_for_each_entry_safe(ept, next, &l0_epts, list)
		free_ept(ept);
}

/*
 * The entries of L1's on the way to a page, as they are now. Returns false if the page is
 * not mapped, or that cannot be told.
 */
static bool read_path(struct kvm_vcpu *vcpu, gfn_t root, unsigned int levels, gfn_t gfn,
		      u64 *path)
{
	struct source source = l0_ept_table_at(vcpu, root);
	bool complete = false;
	unsigned int level;

	pagefault_disable();
	for (level = levels; level && !complete; level--) {
		if (!l0_ept_read_entry(&source, level, index_of(gfn, level), &path[level]) ||
		    !path[level])
			break;
		complete = is_leaf(path[level], level);
		source = l0_ept_below(vcpu, path[level], level);
	}
	pagefault_enable();
	return complete;
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
	unsigned int cpus = atomic_read(&vcpu->kvm->online_vcpus), cpu;

	if (!read_path(vcpu, root, levels, gfn, path))
		return;

	spin_lock(&l0_ept_lock);
	if (vcpu->kvm != owner)
		free_all();
	owner = vcpu->kvm;
	for (cpu = 0; cpu < min_t(unsigned int, cpus, MAX_CPUS); cpu++) {
		struct ept *ept = make_ept(root, cpu, levels);

		if (ept)
			record_path(ept->top, gfn, path);
	}
	spin_unlock(&l0_ept_lock);
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
		bool known = l0_ept_read_entry(&source, level, i, &now);
		struct table *child = child_of(table, i);
		struct source below = { };

		if (last < range.first)
			continue;
		if (first > range.last)
			break;
		if (!child && (first < range.first || last > range.last))
			child = l0_ept_split(table, i, before);
		if (!child) {
			changed += now != before;
			l0_ept_drop_record(table, i);
			continue;
		}
		if (known && !is_leaf(before, level) && is_weaker(now, before))
			below.known = true;
		else if (known)
			below = l0_ept_below(vcpu, now, level);
		changed += forget(vcpu, child, first, range, below);
		if (!child->used)
			l0_ept_drop_record(table, i);
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
	const struct source unknown = { }, table = l0_ept_table_at(vcpu, root);
	struct ept *ept, *next;
	u64 changed = 0;
	unsigned int i;

	spin_lock(&l0_ept_lock);
	pagefault_disable();
	list_for_each_entry_safe(ept, next, &l0_epts, list) {
		if (ept->root != root)
			continue;
		for (i = 0; i < nr_ranges; i++) {
			changed += forget(vcpu, ept->top, 0, ranges[i],
					  ept->cpu == vcpu->vcpu_idx ? table : unknown);
			l0_ept_drop_suspects(ept, ranges[i]);
		}
		if (!ept->top->used)
			free_ept(ept);
	}
	pagefault_enable();
	spin_unlock(&l0_ept_lock);
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

	spin_lock(&l0_ept_lock);
	list_for_each_entry_safe(ept, next, &l0_epts, list) {
		if (ept->cpu == vcpu->vcpu_idx && (root == L0_ALL_ROOTS || ept->root == root))
			free_ept(ept);
	}
	spin_unlock(&l0_ept_lock);
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

static u64 rights_of_path(const u64 *path, unsigned int level)
{
	u64 rights = path[level];

	while (!is_leaf(path[level], level))
		rights &= path[--level];
	return rights & VMX_EPT_RWX_MASK;
}

/* What is not held can be asked for: it denies nothing. */
static u64 rights_held(const struct table *table, gfn_t gfn)
{
	u64 rights = VMX_EPT_RWX_MASK;

	while (table) {
		unsigned int index = index_of(gfn, table->level);
		const struct table *child = child_of(table, index);
		u64 entry = table->entries[index];

		if (!test_bit(index, table->recorded))
			return VMX_EPT_RWX_MASK;
		/* Below a large page each part has rights of its own. */
		if (!child || !is_leaf(entry, table->level))
			rights &= entry;
		table = child;
	}
	return rights;
}

/**
 * l0_ept_holds_less() - does what a processor holds deny what L1's EPT allows?
 * @vcpu:   L1's CPU, in L2
 * @gpa:    what L2 accesses
 * @access: how; rights as an entry has them
 * @held:   the rights that the processor has by what it holds
 *
 * Context: any; L1's memory is that of the current process.
 */
bool l0_ept_holds_less(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access, u64 *held)
{
	gfn_t root = gpa_to_gfn(vcpu->arch.mmu->root.pgd & EPT_FRAME), gfn = gpa_to_gfn(gpa);
	u64 path[PT64_ROOT_MAX_LEVEL + 1];
	bool denied = false;
	struct ept *ept;

	spin_lock(&l0_ept_lock);
	ept = l0_ept_find(root, vcpu->vcpu_idx);
	if (ept && read_path(vcpu, root, ept->top->level, gfn, path) &&
	    !(access & ~rights_of_path(path, ept->top->level))) {
		*held = rights_held(ept->top, gfn);
		denied = access & ~*held;
	}
	spin_unlock(&l0_ept_lock);
	return denied;
}
