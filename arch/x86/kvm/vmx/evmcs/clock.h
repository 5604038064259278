/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hyper-V's reference TSC page as the base of the guests' clocks: clock.c; a CPU whose TSC
 * is behind: tsc_behind.c; L1 is migrated: reenlightenment.c.
 */
#ifndef HVNEST_EVMCS_CLOCK_H
#define HVNEST_EVMCS_CLOCK_H

#include <linux/ktime.h>
#include <linux/types.h>

#include "tsc_page.h"

struct kvm;
struct kvm_vcpu;

/*
 * For kvm-intel.ko's table: its rows may be others now. Set before there is a VM, and cleared
 * when nothing changes any more.
 */
extern void (*evmcs_clock_changed_op)(void);

/**
 * struct evmcs_clock_state - what there is to say of the guests' clocks
 * @clocksource: mode of L1's, VDSO_CLOCKMODE_*
 * @valid:       the TSC page has a sequence
 * @behind:      a CPU was seen whose TSC is behind
 * @cpu:         that CPU
 * @behind_us:   so far, in microseconds
 * @notified:    Hyper-V tells of migrations
 * @migrations:  seen
 * @from_khz:    frequency of the TSC before the last of them
 * @to_khz:      and after it
 */
struct evmcs_clock_state {
	int clocksource;
	bool valid;
	bool behind;
	int cpu;
	u64 behind_us;
	bool notified;
	unsigned int migrations;
	unsigned int from_khz;
	unsigned int to_khz;
};

void evmcs_clock_state(struct evmcs_clock_state *state);
void evmcs_clock_changed(void);

/* clock.c */
bool evmcs_clock_sample(struct evmcs_tsc_sample *sample);
bool evmcs_read_tsc_page(bool for_base, u64 cycle_last, u64 *tsc, u64 *time);
u64 evmcs_clock_hz(u64 otherwise);
void evmcs_clock_tick(int mode, u64 cycle_last, u64 raw_ns);
void evmcs_clock_rebase(void);
void evmcs_clock_rewrite_page(struct kvm *kvm, bool move);
void evmcs_clock_current(void);
void evmcs_clock_stop(void);

/* tsc_behind.c */
bool evmcs_tsc_is_behind(void);
void evmcs_tsc_behind_check(void);
void evmcs_tsc_behind_check_all(void);
void evmcs_tsc_behind_tick(u64 raw_ns, u64 cycle_last);
ktime_t evmcs_ktime_get_raw(void);
void evmcs_tsc_behind_cpu_on(void);
void evmcs_tsc_behind_load(struct kvm_vcpu *vcpu, int mode, u64 cycle_last);
bool evmcs_tsc_behind_base(u64 tsc);
void evmcs_tsc_behind_state(struct evmcs_clock_state *state);
void evmcs_tsc_behind_stop(void);

/* reenlightenment.c */
void evmcs_migration_start(void (*notifier)(void));
void evmcs_migration_stop(void);
void evmcs_migration_begin(void);
void evmcs_migration_switch(void);
void evmcs_migration_rebase(struct kvm *kvm, void (*rebase)(struct kvm *kvm));
void evmcs_migration_end(void);
bool evmcs_migration_holds(struct kvm_vcpu *vcpu);
void evmcs_migration_look(void);
void evmcs_migration_state(struct evmcs_clock_state *state);

#endif /* HVNEST_EVMCS_CLOCK_H */
