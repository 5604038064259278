/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of what each of L1's processors may use of L1's EPTs: ept_model.c keeps it,
 * ept_judge.c compares it with what the EPTs say now.
 */
#ifndef HVNEST_L0_EPT_MODEL_H
#define HVNEST_L0_EPT_MODEL_H

#include <linux/kvm_host.h>
#include <linux/spinlock.h>

#include <asm/vmx.h>

#include "ept.h"

/* L1's CPUs beyond are not judged. */
#define MAX_CPUS	64

#define EPT_LARGE	BIT_ULL(7)
#define EPT_FRAME	GENMASK_ULL(51, 12)
#define EPT_INDEX_BITS	9
#define EPT_ENTRIES	BIT(EPT_INDEX_BITS)

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
 * @list:   in l0_epts
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

/* Guards the model, and the judge's list of suspects. */
extern spinlock_t l0_ept_lock;
/* Whoever is in use comes first. */
extern struct list_head l0_epts;

static inline gfn_t pages_of(unsigned int level)
{
	return 1ull << (EPT_INDEX_BITS * (level - 1));
}

static inline bool is_leaf(u64 entry, unsigned int level)
{
	return level == 1 || entry & EPT_LARGE;
}

/* Less than before, or something else */
static inline bool is_weaker(u64 now, u64 before)
{
	return before & ~now & VMX_EPT_RWX_MASK || (before ^ now) & ~VMX_EPT_RWX_MASK;
}

static inline struct table *child_of(const struct table *table, unsigned int index)
{
	return table->children ? table->children[index] : NULL;
}

struct source l0_ept_table_at(struct kvm_vcpu *vcpu, gfn_t gfn);
struct source l0_ept_below(struct kvm_vcpu *vcpu, u64 entry, unsigned int level);
bool l0_ept_read_entry(const struct source *source, unsigned int level, unsigned int index,
		       u64 *entry);

struct ept *l0_ept_find(gfn_t root, unsigned int cpu);
struct table *l0_ept_split(struct table *table, unsigned int index, u64 large);
void l0_ept_drop_record(struct table *table, unsigned int index);

/* ept_judge.c */
void l0_ept_drop_suspects(const struct ept *ept, struct l0_gfn_range range);

#endif /* HVNEST_L0_EPT_MODEL_H */
