// The accessors: access.h takes the place of the kernel's vmx_onhyperv.h, of
// which every VMCS read and write in KVM goes through a few inline functions.
//
// in: arch/x86/kvm/vmx/vmx.c arch/x86/kvm/vmx/vmx_ops.h
// rule: header 2

@header@
position p;
@@
- #include "vmx_onhyperv.h"@p
+ #include "evmcs/access.h"
