// The TSC of L1's processors, one of which may be behind: a fault.
//
// in: arch/x86/kvm/vmx/vmx.c arch/x86/kvm/vmx/nested.c
// rule: offset 3
// rule: header 2

@offset@
identifier vcpu;
position p;
@@
- vmcs_write64@p(TSC_OFFSET, vcpu->arch.tsc_offset);
+ vmcs_write64(TSC_OFFSET, vcpu->arch.tsc_offset - l0_fault_tsc_behind(vcpu));

@header@
position p;
@@
#include "x86_ops.h"@p
+ #include "../l0/faults.h"
