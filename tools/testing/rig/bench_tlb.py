# SPDX-License-Identifier: GPL-2.0-only
"""What it costs that pages of L2 go and come: flushes of EPT mappings, what L2 faults on
afterwards, and L0's exits, on the kernel's own KVM and on ours. One table, and
build/results/tlb.json."""

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
ROWS = ("bench-tlb", "bench-tlb-two-cpus")

# Why ours differs, by the workload's first word
REASONS = {
    "drop": "the page is named, not the whole guest: L2 faults on that page alone, however many it has",
    "balloon": "each range is named, pages that were not mapped included, and nothing else faults",
    "age": "each page that the kernel looks at is named, not the whole guest",
    "migrate": "hypercalls keep all CPUs coherent: the vCPU takes along what it has, INVVPID is left",
    "memslot": "the guest's new root is flushed once, by hypercall, instead of by INVEPT on each vCPU",
    "get": "the dirty pages are named, not the whole slot",
    "clear": "the dirty pages are named, not the whole slot",
}

# Cases of ept_nested that show a defect of the kernel's own KVM
DEFECTS = {
    "B5": "a page replaced while L3 runs, for L2",
    "B5-of-L3": "a page replaced while L2 runs, for L3",
    "B5-dirty-log": "the dirty log of what L3 writes",
}


@dataclass(frozen=True)
class Figures:
    """A workload's in tlb.json."""

    l0_exits: int
    msr_reads: int  # of those: ours leaves DEBUGCTL alone
    flush_space: int
    flush_list: int
    pages_named: int
    pages_changed: int
    invept: int
    l2_refaults: int
    ticks: int


Workloads = dict[tuple[str, int], dict[str, Figures]]


def _read_workloads(outcome: Outcome, workloads: Workloads) -> None:
    """Note the records of lib/ept_cost.h."""
    for command in report.commands(outcome.console):
        for line in command.lines:
            if not line.startswith("# tlb "):
                continue
            name, pages, *rest = line.split()[2:]
            values = dict(zip(rest[::2], map(int, rest[1::2])))
            figures = Figures(**{field: values[field] for field in Figures.__annotations__})
            workloads.setdefault((name, int(pages)), {})[outcome.scenario.flavour] = figures


def _fate(outcome: Outcome, case: str) -> str:
    """How a case of a test went."""
    for line in outcome.console:
        if line.startswith("ok ") and line.endswith(case):
            return "passes"
        if line.startswith("not ok ") and line.endswith(case):
            return "fails"
    raise CannotRun(f"{outcome.scenario.name} has not run '{case}'; its log is {outcome.log}")


def _table(workloads: Workloads) -> str:
    lines = [
        f"{'workload':20} {'pages':>5}  {'L1':8} {'L0 exits':>9} {'spaces':>7} {'lists':>6} {'named':>6} {'INVEPT':>7} {'refaults':>9} {'ticks':>10}"
    ]
    for (name, pages), flavours in workloads.items():
        for flavour, row in flavours.items():
            lines.append(
                f"{name:20} {pages:5}  {flavour:8} {row.l0_exits:9} {row.flush_space:7} {row.flush_list:6}"
                f" {row.pages_named:6} {row.invept:7} {row.l2_refaults:9} {row.ticks:10}"
            )
    return "\n".join(lines)


def _why(name: str, pages: int, stock: Figures, nested: Figures) -> str:
    """One line: what ours saves in a workload, and by what."""
    step = nested.l0_exits - stock.l0_exits
    reason = REASONS[name.split("-")[0]]
    reads = nested.msr_reads - stock.msr_reads
    return (
        f"{name} {pages}: {step:+} L0 exits ({step / stock.l0_exits:+.0%}), {reads:+} of them reads of DEBUGCTL;"
        f" L2 faults {stock.l2_refaults} -> {nested.l2_refaults}; {reason}"
    )


def run(names: Sequence[str]) -> int:
    flavours = [name for name in FLAVOURS if name in names]
    if not flavours:
        raise CannotRun(f"this suite is for {' and '.join(FLAVOURS)}: L0 must offer to flush")
    workloads: Workloads = {}
    missed = dict.fromkeys(flavours, 0)
    stale = 0
    fates: dict[str, dict[str, str]] = {defect: {} for defect in DEFECTS}
    for row in ROWS:
        for outcome in measure(row, flavours):
            flavour = outcome.scenario.flavour
            _read_workloads(outcome, workloads)
            if outcome.ept is None or outcome.stale is None:
                raise CannotRun("L0 does not count flushes; run 'make strict'")
            missed[flavour] += outcome.ept["missed"]
            stale += sum(outcome.stale.values()) if flavour == "nested" else 0
            if row == ROWS[0]:
                for defect, case in DEFECTS.items():
                    fates[defect][flavour] = _fate(outcome, case)

    machine = outer_machine()
    result = {
        "kernel": kernel.build().release,
        "emulator": machine.version(),
        "cpu_model": machine.cpu_model,
        "workloads": [
            {"name": name, "pages": pages, "flavours": {flavour: asdict(row) for flavour, row in rows.items()}}
            for (name, pages), rows in workloads.items()
        ],
        "strict": {"missed_flushes": missed, "stale_clean_fields": stale},
        "defects": [{"id": defect, **fate} for defect, fate in fates.items()],
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "tlb.json").write_text(json.dumps(result, indent=2) + "\n")

    print(f"Linux {result['kernel']} on {result['emulator']}, {machine.cpu_model}: pages of L2 go and come\n")
    print(_table(workloads))
    print(f"\nflushes missed, as L0 sees it: {', '.join(f'{name} {count}' for name, count in missed.items())}")
    for defect, case in DEFECTS.items():
        print(f"{case}: {', '.join(f'{name} {fate}' for name, fate in fates[defect].items())}")
    if len(flavours) < len(FLAVOURS):
        return 0
    print()
    dearer = False
    for (name, pages), rows in workloads.items():
        stock, nested = rows["stock"], rows["nested"]
        print(_why(name, pages, stock, nested))
        if nested.l0_exits > stock.l0_exits:
            say(f"{name} {pages}: {nested.l0_exits} L0 exits on nested, {stock.l0_exits} on stock")
            dearer = True
    return 1 if dearer else 0
