# SPDX-License-Identifier: GPL-2.0-only
"""What a TLB flush of L2 costs, and whom it reaches: served by KVM, or by L0 on the kernel's
own KVM and on ours. One table, and build/results/direct_flush.json."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import kernel
import report
from bench import measure
from common import RESULTS, CannotRun, say
from emulator import outer_machine
from session import Outcome

FLAVOURS = ("stock", "nested")
ROW = "bench-directflush"
OFF = "off"  # on ours, for a VMM that does not ask

# Each defect of the kernel's own KVM, and the command of the row whose first case shows it
DEFECTS = {
    "B1": ("direct_flush first-entry", "flushes find the processors that they name"),
    "B2": ("direct_flush late", "the VMM asks when L2 has run already"),
    "B3": ("direct_flush_absent no-assist-page", "no direct flush without eVMCS"),
    "B4": ("direct_flush race", "one partition assist page for vCPUs that ask at once"),
    "B6": ("direct_flush identity", "VmId is no address of the kernel"),
    "kvm-hypercalls": ("direct_flush_rule kvm-calls", "a hypercall of KVM's is not taken for a flush"),
    "asked-in-l3": ("direct_flush_states asked-in-l3", "the hypercalls of L2's guest are L2's"),
    "in-l3": ("direct_flush_states in-l3", "a flush finds a processor that runs L2's guest"),
    "shadow-paging": ("direct_flush_absent", "no direct flush where KVM has shadow page tables (ept=0)"),
}


@dataclass(frozen=True)
class Figures:
    """What one flush takes."""

    l1_exits: float
    l0_vmcalls: float
    l0_vmresumes: float
    ticks: float


def _lines(outcome: Outcome, words: str) -> list[str]:
    for command in report.commands(outcome.console):
        if command.words.split(" || ")[0] == words:
            return command.lines
    raise CannotRun(f"{outcome.scenario.name} has not run '{words}'; its log is {outcome.log}")


def _figures(outcome: Outcome) -> tuple[int, dict[str, Figures]]:
    """How many flushes, and what each took with direct flush "on" and "off"."""
    found: dict[str, Figures] = {}
    flushes = 0
    for line in _lines(outcome, "direct_flush exits"):
        if not line.startswith("# direct-flush "):
            continue
        how, *rest = line.split()[2:]
        values = dict(zip(rest[::2], map(int, rest[1::2])))
        flushes = values["flushes"]
        names = {"l1_exits": "l1_exits", "l0_vmcalls": "vmcall", "l0_vmresumes": "vmresume", "ticks": "ticks"}
        found[how] = Figures(**{name: round(values[key] / flushes, 2) for name, key in names.items()})
    if found.keys() != {"on", "off"}:
        raise CannotRun(f"{outcome.scenario.name} has not measured a flush; its log is {outcome.log}")
    return flushes, found


def _fate(outcome: Outcome, words: str) -> str:
    """How the first case of a command went."""
    for line in _lines(outcome, words):
        if line.startswith("ok 1 ") and " # SKIP" not in line:
            return "passes"
        if line.startswith("not ok 1 "):
            return "fails"
    raise CannotRun(f"{outcome.scenario.name}: no case of '{words}' ran; its log is {outcome.log}")


def _table(rows: dict[str, Figures], missed: dict[str, int]) -> str:
    lines = [f"{'served by':34} {'L1 exits':>8} {'L0: VMCALL':>11} {'VMRESUME':>9} {'ticks':>8}  {'missed':>6}"]
    names = {OFF: "L1 (the VMM has not asked)", "stock": "L0, the kernel's own KVM in L1", "nested": "L0, ours in L1"}
    for name, row in rows.items():
        lines.append(
            f"{names[name]:34} {row.l1_exits:8.2f} {row.l0_vmcalls:11.2f} {row.l0_vmresumes:9.2f} {row.ticks:8.0f}"
            f"  {missed.get(name, 0):6}"
        )
    return "\n".join(lines)


def run(names: Sequence[str]) -> int:
    flavours = [name for name in FLAVOURS if name in names]
    if "nested" not in flavours:
        raise CannotRun("this suite needs the flavour nested, and compares with stock")
    rows: dict[str, Figures] = {}
    missed: dict[str, int] = {}
    fates: dict[str, dict[str, str]] = {defect: {} for defect in DEFECTS}
    flushes = 0
    for outcome in measure(ROW, flavours):
        flavour = outcome.scenario.flavour
        if outcome.direct_flush is None:
            raise CannotRun("L0 does not count flushes; run 'make strict'")
        flushes, figures = _figures(outcome)
        if flavour == "nested":
            rows[OFF] = figures["off"]
        rows[flavour] = figures["on"]
        missed[flavour] = outcome.direct_flush["missed"]
        for defect, (words, _) in DEFECTS.items():
            fates[defect][flavour] = _fate(outcome, words)
    rows = {name: rows[name] for name in (OFF, *flavours)}

    machine = outer_machine()
    result = {
        "kernel": kernel.build().release,
        "emulator": machine.version(),
        "cpu_model": machine.cpu_model,
        "flushes": flushes,
        "l1_exits_per_flush": {name: row.l1_exits for name, row in rows.items()},
        "per_flush": {name: asdict(row) for name, row in rows.items()},
        "vps_missed": missed,
        "defects": [{"id": defect, **fate} for defect, fate in fates.items()],
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "direct_flush.json").write_text(json.dumps(result, indent=2) + "\n")

    print(f"Linux {result['kernel']} on {result['emulator']}, {machine.cpu_model}: L2 flushes the TLB of a vCPU, {flushes} times\n")
    print(_table(rows, missed))
    print("\nmissed: virtual processors that a flush named and L0 did not find, in all tests of the run\n")
    for defect, (_, what) in DEFECTS.items():
        print(f"{defect:15} {what}: {', '.join(f'{name} {fate}' for name, fate in fates[defect].items())}")
    good = not missed["nested"] and not round(rows["nested"].l1_exits) and all(
        fate["nested"] == "passes" for fate in fates.values()
    )
    if not good:
        say("with ours a flush woke L1, missed a processor, or a test failed")
    return 0 if good else 1
