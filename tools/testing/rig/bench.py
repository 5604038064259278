# SPDX-License-Identifier: GPL-2.0-only
"""What one L2 exit costs with each flavour of L1: one table, and build/results/run.json."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import kernel
import report
import runner
import scenarios
from common import MODULES, RESULTS, TOP, CannotRun, say
from emulator import outer_machine
from scenarios import Scenario
from session import Outcome

# What a flavour changes against the one before it in the table
CHANGE = {
    "stock": "L0 offers eVMCS and the enlightened MSR bitmap: it takes L2's state from memory and skips what is marked clean",
    "nested": "our modules: a VMCS access in L1 is one load or store instead of a table lookup, nothing is marked dirty that did not change, and L0 maps no virtual-APIC page for an L2 that does not use CR8",
}
# What it means that L0 sees fewer exits of a reason
SAVED = {
    "MSR_READ": "L1 no longer reads an MSR that L0 intercepts: DEBUGCTL, where nothing can have set it",
    "MSR_WRITE": "L1 no longer writes an MSR that L0 intercepts",
    "VMREAD": "L1 no longer traps to read the VMCS",
    "VMWRITE": "L1 no longer traps to write the VMCS",
    "VMPTRLD": "L1 no longer traps to switch the VMCS",
    "INVEPT": "L1 no longer traps to flush EPT translations",
}
# Less than so many L0 exits an L2 exit may be what is left of timers and first touches
RESOLUTION = 0.02
# "Not above stock": the emulator's own noise
TICKS_TOLERANCE = 0.01
TICKS_SLACK = 50


@dataclass(frozen=True)
class Figures:
    """A row of the table, and of run.json."""

    name: str
    ticks_per_exit: float
    l1_ticks_per_exit: float | None
    l0_exits_per_l2_exit: float
    l0_exits: dict[str, float]


def _figures(outcome: Outcome) -> tuple[int, Figures]:
    """Read cpuid_bench's records: the exits of a run, and what each of them cost."""
    ticks: dict[int, float] = {}
    hits: dict[int, dict[str, int]] = {}
    for command in report.commands(outcome.console):
        records = [line.split() for line in command.lines]
        values = {words[0]: words[1] for words in records if len(words) == 2}
        exits = int(values["exits"])
        ticks[exits] = min(float(values["ticks_per_exit"]), ticks.get(exits, math.inf))
        counts = {words[1]: int(words[4]) for words in records if words[:1] == ["l0"]}
        # Timer ticks and pages that L1 touches for the first time only add
        best = hits.setdefault(exits, counts)
        hits[exits] = {reason: min(best.get(reason, 0), counts.get(reason, 0)) for reason in best | counts}
    few, many = min(hits), max(hits)
    between = {reason: hits[many][reason] - hits[few].get(reason, 0) for reason in sorted(hits[many])}
    per_exit = {reason: n / (many - few) for reason, n in between.items()}
    l0_exits = {reason: round(value, 2) for reason, value in per_exit.items() if value >= RESOLUTION}
    return many, Figures(outcome.scenario.flavour, ticks[many], None, round(sum(l0_exits.values()), 2), l0_exits)


def _raw_counts(outcome: Outcome) -> list[dict[str, object]]:
    """L0's own counts, reason by reason, in the order in which they were taken."""
    counts: list[dict[str, object]] = []
    for line in outcome.console:
        if line.startswith("@count "):
            _, name, *pairs = line.split()
            hits = dict(pair.split("=") for pair in pairs)
            counts.append({"run": name, "l0_exits": {int(reason): int(n) for reason, n in hits.items()}})
    return counts


def _why(before: Figures, after: Figures) -> str:
    """One line: what the step from one flavour to the next saves, and by what."""
    step = after.ticks_per_exit - before.ticks_per_exit
    changes = []
    for reason in sorted(before.l0_exits.keys() | after.l0_exits.keys()):
        old, new = before.l0_exits.get(reason, 0.0), after.l0_exits.get(reason, 0.0)
        if old != new:
            meaning = f" ({SAVED[reason]})" if new < old and reason in SAVED else ""
            changes.append(f"{reason} {old:.2f} -> {new:.2f}{meaning}")
    exits = ", ".join(changes) if changes else "the same exits, each of them cheaper" if step < 0 else "the same exits"
    return f"{before.name} -> {after.name}: {step:+.0f} ticks ({step / before.ticks_per_exit:+.1%}); {exits}; {CHANGE[after.name]}"


def _table(rows: Sequence[Figures]) -> str:
    lines = [f"{'L1':12} {'ticks/L2 exit':>13}  {'L0 exits/L2 exit':>16}  by reason"]
    for row in rows:
        reasons = ", ".join(f"{reason} {value:.2f}" for reason, value in row.l0_exits.items())
        lines.append(f"{row.name:12} {row.ticks_per_exit:13.1f}  {row.l0_exits_per_l2_exit:16.2f}  {reasons}")
    return "\n".join(lines)


def _not_above_stock(rows: Sequence[Figures]) -> bool:
    named = {row.name: row for row in rows}
    if not {"stock", "nested"} <= named.keys():
        return True
    stock, nested = named["stock"], named["nested"]
    limit = stock.ticks_per_exit * (1 + TICKS_TOLERANCE) + TICKS_SLACK
    if nested.l0_exits_per_l2_exit > stock.l0_exits_per_l2_exit or nested.ticks_per_exit > limit:
        say("nested costs more than stock")
        return False
    return True


def _check(outcome: Outcome) -> bool:
    """An L1 that failed, or lacks what its flavour stands for, gives no figures."""
    evmcs = any("Using Hyper-V Enlightened VMCS" in line for line in outcome.console)
    result = report.report(outcome)
    if result.passed and evmcs == (outcome.scenario.flavour != "stock-plain"):
        return True
    say(f"{outcome.scenario.name} gives no figures:")
    print("\n".join(result.lines))
    if result.passed:
        print(f"# eVMCS is {'in' if evmcs else 'not in'} use")
    return False


def in_flavours(row: str, flavours: Sequence[str]) -> list[Scenario]:
    """A row of the table in each flavour of L1."""
    unknown = set(flavours) - set(scenarios.FLAVOURS)
    if unknown:
        raise CannotRun(f"no flavour '{min(unknown)}'; there are {', '.join(scenarios.FLAVOURS)}")
    (template,) = scenarios.select([row], [])
    release = kernel.build().release
    if "nested" in flavours and not (MODULES / release).exists():
        raise CannotRun(
            f"no modules of ours for {release}; build them with 'tools/build/modules --kernel-dir"
            f" {kernel.KERNEL.relative_to(TOP)}', or measure without: rig bench --flavours stock-plain,stock"
        )
    return [replace(template, name=f"{row}-{flavour}", flavour=flavour) for flavour in flavours]


def measure_all(rows: Sequence[Scenario]) -> Iterator[Outcome]:
    """Run scenarios, one after another; yields their outcomes in this order."""
    outcomes = {}
    # Those that share an L1 come first.
    for outcome in runner.run(rows, jobs=1):
        if not _check(outcome):
            raise NoFigures
        say(f"{outcome.scenario.name}: {outcome.seconds:.0f} s")
        outcomes[outcome.scenario.name] = outcome
    yield from (outcomes[row.name] for row in rows)


def measure(row: str, flavours: Sequence[str]) -> Iterator[Outcome]:
    """Run a row of the table in each flavour of L1, one after another; yields them in this order."""
    rows = in_flavours(row, flavours)
    say(f"{row}: {len(flavours)} flavours of L1, one after another")
    yield from measure_all(rows)


class NoFigures(Exception):
    """A run failed, and has said why."""


def run(flavours: Sequence[str]) -> int:
    figures, raw, consoles, exits = [], {}, [], 0
    for outcome in measure("bench", flavours):
        exits, measured = _figures(outcome)
        figures.append(measured)
        raw[measured.name] = _raw_counts(outcome)
        consoles += [f"== {measured.name}", *outcome.console]

    machine, release = outer_machine(), kernel.build().release
    result = {
        "kernel": release,
        "emulator": machine.version(),
        "cpu_model": machine.cpu_model,
        "exits": exits,
        "flavours": [asdict(row) for row in figures],
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "run.json").write_text(json.dumps(result, indent=2) + "\n")
    (RESULTS / "run-l0-counts.json").write_text(json.dumps(raw, indent=2) + "\n")
    (RESULTS / "run-console.log").write_text("".join(f"{line}\n" for line in consoles))

    print(f"Linux {release} on {result['emulator']}, {machine.cpu_model}: a 64-bit L2 executes CPUID in a loop ({exits} times)\n")
    print(_table(figures))
    print()
    for before, after in zip(figures, figures[1:]):
        print(_why(before, after))
    return 0 if _not_above_stock(figures) else 1
