# SPDX-License-Identifier: GPL-2.0-only
"""The table of scenarios: reads scenarios.ini and refuses what it does not know."""

import configparser
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common import HERE, CannotRun

TABLE = HERE / "scenarios.ini"
FLAVOURS = ("stock-plain", "stock", "nested", "core", "full")
BENCHED = ("stock-plain", "stock", "nested")  # by default
OUR_CORE = ("core", "full")  # on a kernel of their own
OUR_CORE_IN = {"rig": "core", "debug": "core-debug"}
OUR_KVM = ("nested", "full")
GPA_FLUSH = "gpa-flush"  # the one word of "l0" that is for strict L0 and not for QEMU
NESTED_ENLIGHTENMENTS = ("hv-evmcs", "hv-emsr-bitmap", GPA_FLUSH)
KERNELS = ("rig", "debug", "guest", "cloud")
LONG = "long"  # a group
L1_SECONDS = 30  # for L1's boot and for its KVM, at least
DEBUG_MEMORY = 512  # MiB that the debug kernel takes more than the plain one
DEBUG_SLOWER = 8  # times
L0_KVMS = ("strict", "plain")
# Faults that nothing meets before L1 loads its KVM
LATE_FAULT = re.compile("hypercall gpa-flush |entry |lose |keep|tlb-lock |controls|rdmsr .* (?!fault)|cpuid 0x4000000a ebx ")
FAILURES = ("l1-panic", "l1-hang", "l1-died", "l0-panic", "l0-hang", "emulator")


@dataclass(frozen=True)
class Configuration:
    """What shapes L1 until it is up: scenarios that agree in it start from one boot."""

    cpu: str  # QEMU's -cpu argument
    gpa_flush: bool
    kernel: str
    cpus: int
    memory: int
    append: str
    l2: bool
    perf: bool
    l0_run: str
    l0_kvm: str
    faults: tuple[str, ...]

    @property
    def l2_kernel(self) -> str:
        return "guest" if self.kernel == "guest" else "rig"

    @property
    def slower(self) -> int:
        """How many times longer things may take."""
        return DEBUG_SLOWER if self.kernel.endswith("debug") else 1


@dataclass(frozen=True)
class Kvm:
    """The KVM of L1, once that is up."""

    modules: str | Path  # nested, stock, or the directory they come from
    load: bool
    parameters: str  # of kvm-intel.ko
    faults: tuple[str, ...]  # of L0, from then on


@dataclass(frozen=True)
class Scenario:
    """One run in L1. The fields are the keys of a row, which scenarios.ini explains; the last three are not."""

    name: str
    about: str
    l0: tuple[str, ...]
    flavour: str
    kernel: str
    cpus: int
    core_cpus: int
    memory: int
    append: str
    load: bool
    parameters: str
    l2: bool
    perf: bool
    l0_run: str
    l0_kvm: str
    faults: tuple[str, ...]
    run: tuple[str, ...]
    expect: tuple[str, ...]
    refuse: tuple[str, ...]
    allow: str
    expect_failure: str
    timeout: int
    twice: bool
    groups: tuple[str, ...]
    modules: Path | None = None  # a directory with kvm.ko and kvm-intel.ko to use in place of ours
    copy: bool = False  # of a row, in another flavour
    idle: bool = False  # its faults may find nothing to strike

    @property
    def title(self) -> str:
        return f"{self.name} on {self.flavour}" if self.copy else self.name

    @property
    def limit(self) -> int:
        """In seconds, for what it runs."""
        return self.timeout * self.configuration.slower

    @property
    def boot_limit(self) -> int:
        """For L1's boot, and again for its KVM."""
        return max(self.timeout, L1_SECONDS) * self.configuration.slower

    @property
    def long(self) -> bool:
        return LONG in self.groups

    @property
    def twin(self) -> bool:
        """A copy that is there to see how the peer does."""
        return self.copy and self.flavour == "stock"

    @property
    def configuration(self) -> Configuration:
        without = NESTED_ENLIGHTENMENTS if self.flavour == "stock-plain" else ()
        offered = [word for word in self.l0 if word not in without]
        return Configuration(
            cpu=",".join(word for word in offered if word != GPA_FLUSH),
            gpa_flush=GPA_FLUSH in offered,
            kernel=OUR_CORE_IN[self.kernel] if self.flavour in OUR_CORE else self.kernel,
            cpus=self.cpus,
            memory=self.memory,
            append=self.append,
            l2=self.l2,
            perf=self.perf,
            l0_run=self.l0_run,
            l0_kvm=self.l0_kvm,
            faults=tuple(fault for fault in self.faults if not LATE_FAULT.match(fault)),
        )

    @property
    def kvm(self) -> Kvm:
        modules = self.modules or ("nested" if self.flavour in OUR_KVM else "stock")
        return Kvm(modules, self.load, self.parameters, tuple(filter(LATE_FAULT.match, self.faults)))


def _expand(words: str, sets: configparser.SectionProxy) -> list[str]:
    """Replace the name of a feature set by its flags, however deep."""
    flags: list[str] = []
    for word in words.split():
        flags += _expand(sets[word], sets) if word in sets else [word]
    return flags


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _scenario(name: str, row: configparser.SectionProxy, sets: configparser.SectionProxy) -> Scenario:
    scenario = Scenario(
        name=name,
        about=row["about"],
        l0=tuple(_expand(row["l0"], sets)),
        flavour=row["flavour"],
        kernel=row["kernel"],
        cpus=row.getint("cpus"),
        core_cpus=row.getint("core-cpus"),
        memory=row.getint("memory"),
        append=row["append"],
        load=row.getboolean("load"),
        parameters=row["parameters"],
        l2=row.getboolean("l2"),
        perf=row.getboolean("perf"),
        l0_run=row["l0-run"],
        l0_kvm=row["l0-kvm"],
        faults=_lines(row["faults"]),
        run=tuple(part.strip() for part in row["run"].split(";") if part.strip()),
        expect=_lines(row["expect"]),
        refuse=_lines(row["refuse"]),
        allow=row["allow"],
        expect_failure=row["expect-failure"],
        timeout=row.getint("timeout"),
        twice=row.getboolean("twice"),
        groups=tuple(row["groups"].split()),
    )
    if scenario.flavour not in FLAVOURS:
        raise ValueError(f"flavour '{scenario.flavour}' is none of {', '.join(FLAVOURS)}")
    if scenario.flavour in OUR_CORE and scenario.kernel not in OUR_CORE_IN:
        raise ValueError(f"flavour '{scenario.flavour}' brings its kernel with it")
    if scenario.kernel not in KERNELS:
        raise ValueError(f"kernel '{scenario.kernel}' is none of {', '.join(KERNELS)}")
    if scenario.l0_kvm not in L0_KVMS:
        raise ValueError(f"l0-kvm '{scenario.l0_kvm}' is none of {', '.join(L0_KVMS)}")
    if scenario.faults and scenario.l0_kvm != "strict":
        raise ValueError("faults need l0-kvm = strict")
    if GPA_FLUSH in scenario.l0 and scenario.l0_kvm != "strict":
        raise ValueError(f"{GPA_FLUSH} needs l0-kvm = strict")
    if scenario.expect_failure and scenario.expect_failure not in FAILURES:
        raise ValueError(f"expect-failure '{scenario.expect_failure}' is none of {', '.join(FAILURES)}")
    for pattern in (*scenario.expect, *scenario.refuse, scenario.allow):
        re.compile(pattern)
    return scenario


def load(path: Path = TABLE) -> list[Scenario]:
    table = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=None)
    table.read_string(path.read_text(), source=str(path))
    known = set(table.defaults())
    scenarios = []
    for name in table.sections():
        if name == "l0":
            continue
        row = table[name]
        unknown = set(row) - known
        if unknown:
            raise CannotRun(f"{path}: [{name}]: unknown key '{min(unknown)}'; the keys are those of [DEFAULT]")
        try:
            scenarios.append(_scenario(name, row, table["l0"]))
        except (ValueError, re.error) as err:
            raise CannotRun(f"{path}: [{name}]: {err}") from err
    return scenarios


def select(names: list[str], groups: list[str]) -> list[Scenario]:
    """The scenarios of these names and groups, in the table's order."""
    table = load()
    missing = set(names) - {s.name for s in table} | set(groups) - {g for s in table for g in s.groups}
    if missing:
        raise CannotRun(f"no scenario or group '{min(missing)}'; 'rig list' shows all")
    return [s for s in table if s.name in names or set(groups) & set(s.groups)]


def twins(chosen: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios of our modules once more, on the kernel's own; not where that takes long for what it tells."""
    return [
        # Whether eVMCS is in use is no question to the peer, only what comes of it.
        replace(s, flavour="stock", copy=True, run=tuple(re.sub(r" --evmcs \w+", "", command) for command in s.run))
        for s in chosen
        if s.flavour == "nested" and s.kernel == "rig" and not s.long
    ]


def on_our_core(chosen: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios of our modules once more, on our core, and mostly with more CPUs."""
    return [
        replace(s, flavour="full", copy=True, cpus=max(s.cpus, s.core_cpus))
        for s in chosen
        if s.flavour == "nested" and s.kernel == "rig"
    ]


def with_debug_kernel(chosen: Sequence[Scenario]) -> list[Scenario]:
    """Those that run our modules or our core on the rig's plain kernel, on the debug kernel instead."""
    return [
        replace(s, kernel="debug", memory=s.memory + DEBUG_MEMORY, twice=False)
        for s in chosen
        if s.kernel == "rig" and s.flavour in (*OUR_KVM, *OUR_CORE)
    ]


def by_configuration(scenarios: Sequence[Scenario]) -> dict[Configuration, dict[Kvm, list[Scenario]]]:
    groups: dict[Configuration, dict[Kvm, list[Scenario]]] = {}
    for scenario in scenarios:
        groups.setdefault(scenario.configuration, {}).setdefault(scenario.kvm, []).append(scenario)
    return groups
