# SPDX-License-Identifier: GPL-2.0-only
"""The ways in which the matrix changes L0: each enlightenment switched off, and each made to fail at its first use.

With each goes what our core and our modules have to say then, in their tables of enlightenments.
"""

from dataclasses import dataclass

# Words of QEMU's -cpu without which it refuses another one
REQUIRED_BY = {
    "hv-vapic": ("hv-evmcs", "hv-tlbflush-direct"),
    "hv-vpindex": ("hv-synic", "hv-tlbflush", "hv-ipi"),
    "hv-time": ("hv-stimer",),
    "hv-synic": ("hv-stimer",),
    "hv-stimer": ("hv-stimer-direct",),
    "hv-tlbflush": ("hv-tlbflush-ext",),
}


@dataclass(frozen=True)
class Change:
    """One way in which L0 is not as in the smoke set."""

    name: str = ""
    off: tuple[str, ...] = ()  # words of the row's l0
    faults: tuple[str, ...] = ()
    core: str = ""  # what our core says then: NAME=STATE...
    kvm: str = ""  # what our modules say
    only_kvm: bool = False  # the kernel's own KVM need not cope with it
    idle: bool = False  # our core never meets the fault


# What our core says without a word, and what our modules say
OFF = {
    "hv-relaxed": ("relaxed-timing=absent", ""),
    "hv-vapic": ("vp-assist-page=absent eoi=absent", "evmcs=absent msr-bitmap=absent direct-flush=absent"),
    "hv-spinlocks=0x1fff": ("", ""),
    "hv-vpindex": ("vp-index=absent reenlightenment=refused", ""),
    "hv-runtime": ("vp-runtime=absent", ""),
    "hv-time": ("reference-counter=absent reference-tsc=absent", "tsc-page=off"),
    "hv-synic": ("stimers=absent", ""),
    "hv-stimer": ("stimers=absent", ""),
    "hv-stimer-direct": ("", ""),
    "hv-tlbflush": ("tlb-flush=absent", ""),
    "hv-ipi": ("ipi=absent", ""),
    "hv-frequencies": ("frequencies=absent reenlightenment=refused", ""),
    "hv-reenlightenment": ("reenlightenment=absent", "guest-reenlightenment=absent"),
    "hv-reset": ("", ""),
    "hv-tlbflush-ext": ("", ""),
    "hv-tlbflush-direct": ("", "direct-flush=absent"),
    "hv-xmm-input": ("", ""),
    "hv-crash": ("crash-msrs=absent", ""),
    "hv-evmcs": ("", "evmcs=absent msr-bitmap=absent direct-flush=absent"),
    "hv-emsr-bitmap": ("", "msr-bitmap=absent"),
    "gpa-flush": ("gpa-flush=absent", "gpa-flush=absent"),
}

NO_HYPERCALLS = "hypercall-page=refused gpa-flush=refused"
NO_FREQUENCIES = "frequencies=refused reenlightenment=refused"
NO_ASSIST_PAGE = "vp-assist-page=refused"
NO_EVMCS = "evmcs=refused msr-bitmap=refused direct-flush=refused"

# CPU 0 is the first that boots; reenlightenment is asked for wherever KVM is loaded.
BROKEN = (
    Change("os-id-faults", faults=("wrmsr 0x40000000 0 fault",), core=NO_HYPERCALLS, kvm="gpa-flush=refused"),
    Change("os-id-ignored", faults=("wrmsr 0x40000000 0 ignore",), core=NO_HYPERCALLS, kvm="gpa-flush=refused"),
    Change("hypercall-page-faults", faults=("wrmsr 0x40000001 0 fault",), core=NO_HYPERCALLS, kvm="gpa-flush=refused"),
    Change("hypercall-page-ignored", faults=("wrmsr 0x40000001 0 ignore",), core=NO_HYPERCALLS, kvm="gpa-flush=refused"),
    Change("vp-index-faults", faults=("rdmsr 0x40000002 fault",), core="vp-index=refused reenlightenment=refused"),
    Change("vp-runtime-faults", faults=("rdmsr 0x40000010 fault",), core="vp-runtime=refused"),
    Change("counter-faults", faults=("rdmsr 0x40000020 fault",), core="reference-counter=refused reference-tsc=refused", kvm="tsc-page=off"),
    Change("tsc-page-faults", faults=("wrmsr 0x40000021 0 fault",), core="reference-tsc=refused", kvm="tsc-page=off"),
    Change("tsc-page-ignored", faults=("wrmsr 0x40000021 0 ignore",), core="reference-tsc=refused", kvm="tsc-page=off"),
    Change("tsc-frequency-faults", faults=("rdmsr 0x40000022 fault",), core=NO_FREQUENCIES),
    Change("apic-frequency-faults", faults=("rdmsr 0x40000023 fault",), core=NO_FREQUENCIES),
    Change("eoi-faults", faults=("wrmsr 0x40000070 0 fault",), idle=True),
    Change("icr-faults", faults=("wrmsr 0x40000071 0 fault",), idle=True),
    Change("tpr-faults", faults=("wrmsr 0x40000072 0 fault",), idle=True),
    Change("assist-page-faults", faults=("wrmsr 0x40000073 0 fault",), core=NO_ASSIST_PAGE, kvm=NO_EVMCS),
    Change("assist-page-ignored", faults=("wrmsr 0x40000073 0 ignore",), core=NO_ASSIST_PAGE, kvm=NO_EVMCS),
    Change("synic-faults", faults=("wrmsr 0x40000080 0 fault",), idle=True),
    Change("stimer-faults", faults=("wrmsr 0x400000b0 0 fault",), idle=True),
    Change("reenlightenment-faults", faults=("wrmsr 0x40000106 -1 fault",), core="reenlightenment=refused"),
    Change("reenlightenment-ignored", faults=("wrmsr 0x40000106 -1 ignore",), core="reenlightenment=refused"),
    Change("tsc-emulation-faults", faults=("wrmsr 0x40000107 -1 fault",), core="reenlightenment=refused"),
    Change("tsc-emulation-ignored", faults=("wrmsr 0x40000107 -1 ignore",), core="reenlightenment=refused"),
    Change("tsc-emulation-status-faults", faults=("rdmsr 0x40000108 fault",)),
    Change("crash-faults", faults=("rdmsr 0x40000105 fault",), idle=True),
    Change("tlb-flush-refused", faults=("hypercall 0x2 1 0", "hypercall 0x3 1 0"), idle=True),
    Change("ipi-refused", faults=("hypercall 0xb 1 0",), idle=True),
    Change("gpa-flush-refused", faults=("hypercall gpa-flush 1 0",), kvm="gpa-flush=refused", only_kvm=True),
    Change("evmcs-no-version", faults=("cpuid 0x4000000a eax 0xffff 0",), kvm=NO_EVMCS, only_kvm=True),
    Change("evmcs-refused", faults=("entry 0 1 0",), kvm=NO_EVMCS, only_kvm=True),
    Change("msr-bitmap-refused", faults=("entry 2 1 0",), kvm="msr-bitmap=refused", only_kvm=True),
    Change("direct-flush-refused", faults=("entry 1 1 0",), kvm="direct-flush=refused", only_kvm=True),
)


def _without(word: str) -> tuple[str, ...]:
    """The word, and those that QEMU refuses without it."""
    words = [word]
    for one in words:
        words += [other for other in REQUIRED_BY.get(one, ()) if other not in words]
    return tuple(words)


def changes() -> list[Change]:
    """All, the first of them none."""
    off = [Change(f"no-{word.split('=')[0]}", off=_without(word), core=core, kvm=kvm) for word, (core, kvm) in OFF.items()]
    return [Change(), *off, *BROKEN]
