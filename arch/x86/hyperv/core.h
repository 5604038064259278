/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the core share. What the rest of the kernel calls is declared in
 * asm/mshyperv.h and clocksource/hyperv_timer.h.
 */
#ifndef HV_CORE_H
#define HV_CORE_H

#include <linux/types.h>

struct dentry;

/*
 * enum hv_row - what Hyper-V offers, as far as the core knows it
 *
 * The names that the log, the status file and the boot parameter use are in status.c.
 */
enum hv_row {
	HV_ROW_HYPERCALL_PAGE,
	HV_ROW_VP_INDEX,
	HV_ROW_VP_RUNTIME,
	HV_ROW_FREQUENCIES,
	HV_ROW_INVARIANT_TSC,
	HV_ROW_REFERENCE_COUNTER,
	HV_ROW_REFERENCE_TSC,
	HV_ROW_REENLIGHTENMENT,
	HV_ROW_RELAXED_TIMING,
	HV_ROW_VP_ASSIST_PAGE,
	HV_ROW_EOI,
	HV_ROW_GPA_FLUSH,
	HV_ROW_TLB_FLUSH,
	HV_ROW_IPI,
	HV_ROW_SPINLOCKS,
	HV_ROW_STIMERS,
	HV_ROW_CRASH,
	HV_ROWS,
};

/**
 * enum hv_state - what became of a row
 * @HV_ABSENT:  Hyper-V does not offer it
 * @HV_OFF:     it does, and the boot parameter says no
 * @HV_REFUSED: it does, and it cannot be used
 * @HV_NATIVE:  it does, and the core does not know how: Linux's native way is used
 * @HV_UNUSED:  it could be used, and nobody has asked for it
 * @HV_IN_USE:  it is used
 */
enum hv_state {
	HV_ABSENT,
	HV_OFF,
	HV_REFUSED,
	HV_NATIVE,
	HV_UNUSED,
	HV_IN_USE,
};

/* status.c */
bool hv_row_wanted(enum hv_row row, bool offered);
void hv_row_native(enum hv_row row, bool offered);
void hv_row_unused(enum hv_row row, const char *why);
void hv_row_in_use(enum hv_row row);
__printf(2, 3) void hv_row_refused(enum hv_row row, const char *why, ...);
enum hv_state hv_row_state(enum hv_row row);
void hv_rows_say(void);

/* A unit of Hyper-V's times, HV_CLOCK_HZ of which are a second */
#define NS_PER_UNIT	(NSEC_PER_SEC / HV_CLOCK_HZ)

/* clock.c, frequency.c: called once, before there is a second CPU */
void hv_clock_init(void);
void hv_clock_stop(void);
u64 hv_tsc_hz(void);
void hv_frequency_init(void);
void hv_frequency_measure(void);
void hv_invariant_tsc_init(void);
void hv_relaxed_timing_init(void);

/* platform.c */
void hv_platform_init(void);
void hv_platform_pci_init(void);

/* hypercall.c */
int hv_hypercall_start(void);
void hv_hypercall_stop(void);
void hv_hypercall_suspend(void);
void hv_hypercall_resume(void);

/* vp_assist.c, eoi.c */
int hv_vp_assist_init(void);
void hv_vp_assist_start(unsigned int cpu);
void hv_vp_assist_stop(unsigned int cpu);
void hv_eoi_init(void);

/* vp_runtime.c */
void hv_vp_runtime_init(void);
void hv_vp_runtime_start(unsigned int cpu);
void hv_vp_runtime_create_file(struct dentry *directory);

/* reenlightenment.c */
void hv_reenlightenment_init(void);
void hv_reenlightenment_leave(unsigned int cpu);
void hv_reenlightenment_stop(void);
void hv_reenlightenment_resume(void);

/* init.c */
int hv_cpu_start(unsigned int cpu);
int hv_cpu_stop(unsigned int cpu);

/* shutdown.c, vectors.c, unsupported.c */
void hv_shutdown_init(void);
void hv_syscore_init(void);
void hv_kexec_call_handler(void);
void hv_crash_call_handler(struct pt_regs *regs);
void hv_vectors_init(void);
const char *hv_unsupported_partition(void);

#endif
