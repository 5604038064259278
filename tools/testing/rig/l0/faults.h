/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults of L0, made on request: what a Hyper-V that lies or lacks something
 * looks like to L1. See faults.c for the requests.
 */
#ifndef HVNEST_L0_FAULTS_H
#define HVNEST_L0_FAULTS_H

#include <linux/kvm_host.h>

/* /sys/kernel/debug/l0 */
extern struct dentry *l0_debugfs;

void l0_faults_init(void);
void l0_faults_exit(void);
int l0_faults_add(const char *line);
ssize_t l0_take_line(const char __user *text, size_t size, int (*obey)(const char *line));

void l0_fault_cpuid(u32 leaf, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
u64 l0_fault_rdmsr(u32 msr, u64 value);
bool l0_fault_rdmsr_gp(u32 msr);
bool l0_fault_wrmsr(struct kvm_vcpu *vcpu, u32 msr, int *result);
bool l0_fault_hypercall(u16 code);
bool l0_fault_lose(void);
bool l0_fault_tlb_lock(void);
u64 l0_fault_tsc_behind(struct kvm_vcpu *vcpu);
bool l0_fault_keep(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access, u64 *held);
bool l0_fault_entry(u32 controls);
bool l0_fault_controls(void);

#endif /* HVNEST_L0_FAULTS_H */
