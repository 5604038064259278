// SPDX-License-Identifier: GPL-2.0-only
/*
 * L0 takes the clean fields at their word: it has a copy of every field and on
 * an entry loads only the groups that are not clean. Of an eVMCS that it does
 * not know its copy is garbage, and still it believes the bits. At an exit it
 * changes guest state and the exit information, and says so in the page.
 *
 * What of L0 is open, the model has every kind of:
 *
 *   - What an exit spends (SDM vol. 3, "Recording VM-Exit Information and
 *     Updating VM-Entry Control Fields") is garbage in L0's copy while the page
 *     shows the old value, or L0 writes what came of it back into the page.
 *   - L0 holds one eVMCS a CPU and loads another one whole, or any number.
 *   - The group that makes L0 load a field for which the TLFS names none.
 *
 * L1 has some eVMCSs, loads them on some CPUs, VMCLEARs one before it loads it
 * on another CPU, and calls of clean_fields.h what the kernel code calls.
 */
#include <stdio.h>
#include <string.h>

#include "clean_fields.h"
#include "l0_model.h"

#define NR_EVMCS	3
#define L1_CPUS		2
#define MAX_ITEMS	160
#define PAGE_BYTES	4096

/* What an exit spends; not by the header's name for it, which is under test. */
#define SPENT		(EVMCS_CONTROL_EVENT | EVMCS_CONTROL_ENTRY)
#define VALID_EVENT	0x80000000u	/* of the interruption information */
#define IA32E_MODE	0x00000200u	/* of the entry controls */
#define VP_ID_OFFSET	0x348

enum kind {
	CONTROL,	/* the SDM's types of VMCS fields, by encoding */
	EXIT_INFO,
	GUEST,
	HOST,
	VP_ID,		/* stored without the accessor */
	BITMAP,		/* not in the page: what the MSR bitmap's field points to */
};

struct item {
	struct evmcs_slot slot;
	enum kind kind;
};

struct evmcs {
	_Alignas(8) u8 page[PAGE_BYTES];
	u32 bitmap;

	/* What L1 last wrote or was told, and whether L0 must run with it. */
	u64 meant[MAX_ITEMS];
	bool matters[MAX_ITEMS];

	int cpu;	/* where it was loaded last; -1: nowhere since VMCLEAR */
	u64 copy[L1_CPUS][MAX_ITEMS];
};

static struct item items[MAX_ITEMS];
static unsigned int nr_items;

static struct {
	struct evmcs evmcs[NR_EVMCS];
	struct evmcs *held[L1_CPUS];	/* by an L0 that holds one a CPU */
	bool one_a_cpu, writes_back;
	u16 group[MAX_ITEMS];		/* that makes L0 load the item; 0: it always does */

	struct evmcs *current;		/* L1's, on this CPU: */
	int cpu;

	const u8 *input, *end;
	u64 random;
	char problem[160];
} m;

#define for_each_item(i)	for (unsigned int i = 0; i < nr_items; i++)

static void find_items(void)
{
	for (unsigned int i = 0; i < EVMCS_NR_INDICES; i++)
		if (evmcs_slots[i].offset)
			items[nr_items++] = (struct item){ evmcs_slots[i], i >> 5 & 3 };
	items[nr_items++] = (struct item){
		{ VP_ID_OFFSET, EVMCS_ENLIGHTENMENTSCONTROL, 4 }, VP_ID };
	items[nr_items++] = (struct item){ { 0, EVMCS_MSR_BITMAP, 4 }, BITMAP };
}

/* L0's own will: the same for the same input. */
static u64 will(void)
{
	m.random ^= m.random << 13;
	m.random ^= m.random >> 7;
	m.random ^= m.random << 17;
	return m.random;
}

static u8 take(void)
{
	return m.input < m.end ? *m.input++ : 0;
}

static u64 cut(u64 value, unsigned int i)
{
	return value & ~0ull >> (64 - 8 * items[i].slot.bytes);
}

static bool spent(unsigned int i)
{
	return items[i].slot.group & SPENT && !(items[i].slot.group & ~SPENT);
}

/* An item as memory has it, read without the accessor. */
static u64 shown(struct evmcs *evmcs, unsigned int i)
{
	u64 value = 0;

	memcpy(&value, items[i].kind == BITMAP ? (void *)&evmcs->bitmap :
	       evmcs->page + items[i].slot.offset, items[i].slot.bytes);
	return value;
}

static void show(struct evmcs *evmcs, unsigned int i, u64 value)
{
	memcpy(items[i].kind == BITMAP ? (void *)&evmcs->bitmap :
	       evmcs->page + items[i].slot.offset, &value, items[i].slot.bytes);
}

static u32 clean(const struct evmcs *evmcs)
{
	u32 bits;

	memcpy(&bits, evmcs->page + EVMCS_CLEAN_FIELDS_OFFSET, sizeof(bits));
	return bits;
}

static bool wrong(unsigned int i, const char *what, u64 value, u64 meant)
{
	snprintf(m.problem, sizeof(m.problem),
		 "eVMCS %d, CPU %d, offset 0x%x (%d bytes, group 0x%x): %s 0x%llx, not 0x%llx",
		 (int)(m.current - m.evmcs), m.cpu, items[i].slot.offset,
		 items[i].slot.bytes, items[i].slot.group, what,
		 (unsigned long long)value, (unsigned long long)meant);
	return false;
}

/* -- L0 ------------------------------------------------------------------ */

static void l0_forget(struct evmcs *evmcs, int cpu)
{
	for_each_item(i)
		evmcs->copy[cpu][i] = cut(will(), i);
	if (m.held[cpu] == evmcs)
		m.held[cpu] = NULL;
}

static bool l0_enter(void)
{
	bool whole = m.one_a_cpu && m.held[m.cpu] != m.current;
	u64 *copy = m.current->copy[m.cpu];

	m.held[m.cpu] = m.current;
	for_each_item(i) {
		if (whole || !(clean(m.current) & m.group[i]))
			copy[i] = shown(m.current, i);
		if (m.current->matters[i] && copy[i] != m.current->meant[i])
			return wrong(i, "L0 runs with", copy[i], m.current->meant[i]);
	}
	return true;
}

static void l0_report(unsigned int i, u64 value)
{
	m.current->copy[m.cpu][i] = value;
	m.current->meant[i] = value;
	m.current->matters[i] = true;
	show(m.current, i, value);
}

static void l0_spend(unsigned int i)
{
	u64 value = m.current->copy[m.cpu][i];

	if (!m.writes_back) {
		m.current->copy[m.cpu][i] = cut(will(), i);
		m.current->matters[i] = false;
		return;
	}
	/* The interruption information stands before the other two. */
	if (items[i].slot.group == EVMCS_CONTROL_ENTRY)
		value ^= will() & IA32E_MODE;
	else if (items[i].slot.offset == 0x320)
		value &= ~(u64)VALID_EVENT;
	l0_report(i, value);
}

static void l0_exit(void)
{
	for_each_item(i) {
		if (spent(i))
			l0_spend(i);
		else if (items[i].kind == EXIT_INFO ||
			 (items[i].kind == GUEST && will() % 8 == 0))
			l0_report(i, cut(will() % 4, i));
	}
}

/* L0 gives up in the middle of loading: some fields are loaded, others not. */
static void l0_fail(void)
{
	for_each_item(i) {
		u64 random = will();

		if (random & 1)
			m.current->copy[m.cpu][i] = shown(m.current, i);
		else if (random & 2)
			m.current->copy[m.cpu][i] = cut(random >> 2, i);
	}
	m.held[m.cpu] = m.current;
}

/* -- L1 ------------------------------------------------------------------ */

/* Often what is there already, or close to it, and often too wide. */
static u64 take_value(unsigned int i)
{
	u8 how = take();
	u64 value = 0;

	switch (how >> 4) {
	default:
		return how & 3;
	case 12:
		return shown(m.current, i);
	case 13:
		return items[i].slot.bytes == 8 ? ~0ull :
		       shown(m.current, i) | 1ull << 8 * items[i].slot.bytes;
	case 14:
		return shown(m.current, i) ^ 1ull << (take() & 63);
	case 15:
		for (int byte = 0; byte < 8; byte++)
			value = value << 8 | take();
		return value;
	}
}

static void mean(unsigned int i, u64 value)
{
	m.current->meant[i] = cut(value, i);
	m.current->matters[i] = true;
}

static bool l1_store(unsigned int i, u64 value)
{
	bool needless = !spent(i) && shown(m.current, i) == cut(value, i);
	u32 before = clean(m.current);

	mean(i, value);
	evmcs_store(m.current->page, items[i].slot, value);
	if (needless && clean(m.current) != before)
		return wrong(i, "a reload without need: clean fields",
			     clean(m.current), before);
	return true;
}

static bool l1_write(void)
{
	unsigned int i = take() % nr_items;
	u64 value = take_value(i);

	if (items[i].kind < VP_ID)
		return l1_store(i, value);
	if (shown(m.current, i) != cut(value, i)) {
		mean(i, value);
		show(m.current, i, value);
		evmcs_dirty(m.current->page, items[i].slot.group);
	}
	return true;
}

/* An event, often the one of the entry before. */
static bool l1_inject(void)
{
	u8 how = take();

	for_each_item(i)
		if (items[i].slot.group == EVMCS_CONTROL_EVENT &&
		    !l1_store(i, (how & 1) | VALID_EVENT))
			return false;
	return true;
}

static bool l1_read(void)
{
	unsigned int i = take() % nr_items;
	u64 value;

	if (items[i].kind >= VP_ID)
		return true;
	value = evmcs_fetch(m.current->page, items[i].slot);
	return value == m.current->meant[i] ||
	       wrong(i, "L1 reads", value, m.current->meant[i]);
}

static void l1_clear(struct evmcs *evmcs)
{
	if (evmcs->cpu >= 0)
		l0_forget(evmcs, evmcs->cpu);
	evmcs_forget(evmcs->page);
	evmcs->cpu = -1;
}

static void l1_load(struct evmcs *evmcs, int cpu)
{
	if (evmcs->cpu >= 0 && evmcs->cpu != cpu)
		l1_clear(evmcs);
	evmcs->cpu = cpu;
	m.current = evmcs;
	m.cpu = cpu;
}

static bool l1_enter(void)
{
	if (!l0_enter())
		return false;
	l0_exit();
	evmcs_after_entry(m.current->page, true);
	return true;
}

static bool step(void)
{
	u8 what = take();

	switch (what & 15) {
	case 7:
		return l1_read();
	case 8:
	case 9:
		return l1_inject();
	case 10:
		l1_clear(m.current);
		l1_load(m.current, m.cpu);
		return true;
	case 11:
		l0_fail();
		evmcs_after_entry(m.current->page, false);
		return true;
	case 12:
		l1_load(&m.evmcs[(what >> 4) % NR_EVMCS], take() % L1_CPUS);
		return true;
	case 13:
	case 14:
	case 15:
		return l1_enter();
	default:
		return l1_write();
	}
}

const char *l0_model_run(const u8 *input, size_t size)
{
	u8 kind;

	if (!nr_items)
		find_items();
	memset(&m, 0, sizeof(m));
	m.input = input;
	m.end = input + size;
	kind = take();
	m.one_a_cpu = kind & 1;
	m.writes_back = kind & 2;
	m.random = 0x9e3779b97f4a7c15 + kind;
	for_each_item(i)
		m.group[i] = items[i].slot.group != EVMCS_ALL ? items[i].slot.group :
			     1 << will() % 16;

	/* A new eVMCS is a page of zeroes, VMCLEARed before its first use. */
	for (int e = 0; e < NR_EVMCS; e++) {
		struct evmcs *evmcs = &m.evmcs[e];

		for (int cpu = 0; cpu < L1_CPUS; cpu++)
			l0_forget(evmcs, cpu);
		memset(evmcs->matters, true, sizeof(evmcs->matters));
		evmcs->cpu = -1;
		l1_clear(evmcs);
	}
	l1_load(&m.evmcs[0], 0);

	while (m.input < m.end)
		if (!step())
			return m.problem;
	return NULL;
}
