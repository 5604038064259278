// SPDX-License-Identifier: GPL-2.0-only
/*
 * An L0 that holds its guest to the rules of flushing.
 *
 * L1 may add to its EPT as it likes. When it takes something away, a processor may go
 * on using what the entry said before, until L1 has had it flushed (SDM vol. 3,
 * "Caching Translation Information"; TLFS, "Nested Virtualization"). The kernel's KVM
 * as L0 forgives much of that: it write-protects L1's tables and follows each change.
 * ept_model.c knows what an L0 without that would still use.
 *
 * At each VM entry some of what the processor may use under that root is looked at, in
 * turns. An entry is weakened if L1's table has it now with fewer rights (or not
 * present), another page, memory type or size; a large page that became a table is
 * judged part by part. Accessed, dirty and ignored bits do not matter. If it leads to
 * a table, all below it is weakened with it and counts as one.
 *
 * A weakened entry alone is no mistake: one processor may enter L2 while another is about
 * to flush what it has just changed. Nothing comes between those two there, so the
 * flush is missed if the entry is still weakened when each processor has been elsewhere
 * since: made a VM entry, halted, run L2 or user code. (That is so in a kernel
 * that is not preemptible.) L0's log says so then, and the records of the entry go.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/uaccess.h>

#include "../kvm_cache_regs.h"

#include "ept_model.h"

/* So many entries a VM entry: L0's time is the emulator's. */
#define BUDGET		128
#define MAX_SUSPECTS	64

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

static struct suspect suspects[MAX_SUSPECTS];
static unsigned int nr_suspects;

/**
 * l0_ept_drop_suspects() - these pages are flushed
 * @ept:   whose
 * @range: L2's pages
 *
 * Context: holds l0_ept_lock.
 */
void l0_ept_drop_suspects(const struct ept *ept, struct l0_gfn_range range)
{
	unsigned int i;

	for (i = nr_suspects; i-- > 0;) {
		const struct suspect *s = &suspects[i];

		if (s->ept == ept && s->gfn <= range.last &&
		    s->gfn + pages_of(s->level) - 1 >= range.first)
			suspects[i] = suspects[--nr_suspects];
	}
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

/* It is as it was. */
static void acquit(const struct ept *ept, gfn_t gfn, unsigned int level)
{
	struct suspect *suspect = find_suspect(ept, gfn, level);

	if (suspect)
		*suspect = suspects[--nr_suspects];
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

static void judge_weakened(struct visit *visit, struct table *table, unsigned int index,
			   gfn_t gfn, u64 now)
{
	struct ept *ept = visit->ept;
	struct l0_gfn_range range = { gfn, gfn + pages_of(table->level) - 1 };
	u64 before = table->entries[index];

	if (!is_missed(visit->vcpu, ept, gfn, table->level))
		return;
	pr_err_ratelimited("l0: CPU %u, EPT 0x%llx: L2's pages 0x%llx to 0x%llx were 0x%llx, are 0x%llx and not flushed\n",
			   ept->cpu, gfn_to_gpa(ept->root), range.first, range.last,
			   before, now);
	visit->missed++;
	l0_ept_drop_suspects(ept, range);
	l0_ept_drop_record(table, index);
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
		if (!l0_ept_read_entry(&source, level, i, &now))
			continue;
		if (!child && was_leaf && now && !is_leaf(now, level))
			child = l0_ept_split(table, i, before);
		/* What is left of a large page is judged below, while anything is there. */
		if (child && was_leaf ? !now : is_weaker(now, before)) {
			judge_weakened(visit, table, i, gfn, now);
			continue;
		}
		acquit(ept, gfn, level);
		if (!child)
			continue;
		if (!judge_table(visit, child, gfn, l0_ept_below(visit->vcpu, now, level)))
			return false;
		if (!child->used)
			l0_ept_drop_record(table, i);
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

	spin_lock(&l0_ept_lock);
	if (nr_suspects) {
		u64 busy = busy_cpus(vcpu);

		for (i = 0; i < nr_suspects; i++)
			suspects[i].waiting &= busy;
	}
	visit.ept = l0_ept_find(root, vcpu->vcpu_idx);
	if (visit.ept) {
		list_move(&visit.ept->list, &l0_epts);
		source = l0_ept_table_at(vcpu, root);
		pagefault_disable();
		/* The second time from the start */
		for (i = visit.ept->cursor ? 0 : 1; i < 2; i++) {
			if (!judge_table(&visit, visit.ept->top, 0, source))
				break;
			visit.ept->cursor = 0;
		}
		pagefault_enable();
	}
	spin_unlock(&l0_ept_lock);
	return visit.missed;
}

