# SPDX-License-Identifier: GPL-2.0-only
"""What L1's own use of Hyper-V costs, on the kernel's own core and on ours: to boot, to call
Hyper-V, to take an interrupt, to read the clock. One table, and build/results/core.json."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import mean, stdev

import kernel
import report
from bench import RESOLUTION, TICKS_SLACK, TICKS_TOLERANCE, in_flavours, measure_all
from common import RESULTS, TEST_MODULES, CannotRun, say
from emulator import outer_machine
from scenarios import Scenario
from session import Outcome

FLAVOURS = ("stock", "nested", "core", "full")
# Ours, and the peer with the same KVM
AGAINST = {"core": "stock", "full": "nested"}

BOOT = "bench-core-boot"
# CPUs of L1, by what is measured
BOOTS = {"boot to init, 1 CPU": 1, "boot to init, 2 CPUs": 2}
# Two CPUs wait for each other now and then, by chance. L1 starts so much later each time, which L0's
# timer tells apart; the mean counts.
REPEATS = 5
LATER_US = 1700
CALLS = "bench-core-calls"
# What core_cost calls them
OPERATIONS = {
    "fast": "hypercall, input in registers",
    "memory": "hypercall, input in memory",
    "ept": "flush of an EPT",
    "ept-pages": "flush of 8 pages of an EPT",
    "interrupt": "interrupt to itself, with its EOI",
}
CLOCKS = {"hyperv_clocksource_tsc_page": "clock, TSC page", "hyperv_clocksource_msr": "clock, MSR"}
# L0's own: it fires whatever L1 does
NOT_OF_L1 = "EXTERNAL_INTERRUPT"


def _of_l1(by_reason: dict[str, float]) -> float:
    return round(sum(hits for reason, hits in by_reason.items() if reason != NOT_OF_L1), 2)


@dataclass(frozen=True)
class Cost:
    """A flavour's of one thing, in core.json."""

    ticks: float
    l0_exits: float  # without NOT_OF_L1
    l0_exits_by_reason: dict[str, float]
    chance: float = 0.0  # two standard errors of l0_exits, where that is a mean


def _cost(ticks: float, counts: dict[str, float]) -> Cost:
    """Of something that was done often: the exits of one, without what timers leave."""
    by_reason = {reason: round(hits, 2) for reason, hits in counts.items() if hits >= RESOLUTION}
    return Cost(ticks, _of_l1(by_reason), by_reason)


Costs = dict[str, dict[str, Cost]]  # by what is measured, and by flavour


def _lines(outcome: Outcome, *first: str) -> list[list[str]]:
    """What the commands of a run have printed with these words at the begin, without them."""
    lines = [line.split() for command in report.commands(outcome.console) for line in command.lines]
    return [words[len(first) :] for words in lines if words[: len(first)] == list(first)]


def _boots(cpus: int, flavours: Sequence[str]) -> list[Scenario]:
    """All that are to be run for one line of the table."""
    return [
        replace(row, name=f"{row.name}-{cpus}-{number}", cpus=cpus, l0_run=f"usleep {number * LATER_US};{row.l0_run}")
        for row in in_flavours(BOOT, flavours)
        for number in range(REPEATS)
    ]


def _read_boots(outcomes: Iterable[Outcome]) -> Cost:
    """The means; of ticks, of all exits, and of those of each reason."""
    ticks: list[float] = []
    counts: list[dict[str, float]] = []
    for outcome in outcomes:
        ((value,),) = _lines(outcome, "boot", "ticks")
        ticks.append(float(value))
        counts.append({reason: float(hits) for reason, hits in _lines(outcome, "boot", "l0")})
    reasons = sorted({reason for count in counts for reason in count})
    by_reason = {reason: round(mean(count.get(reason, 0.0) for count in counts), 1) for reason in reasons}
    sums = [_of_l1(count) for count in counts]
    return Cost(mean(ticks), mean(sums), by_reason, round(2 * stdev(sums) / math.sqrt(REPEATS), 1))


def _read_operation(outcome: Outcome, operation: str) -> Cost:
    ((ticks, _, _),) = _lines(outcome, "cost", operation)
    return _cost(float(ticks), {reason: float(hits) for reason, hits in _lines(outcome, "l0", operation)})


def _read_clocks(outcome: Outcome) -> dict[str, Cost]:
    """By a program, and by the kernel for a system call, which reads the clock once as well."""
    costs = {}
    for clock, exits in zip(_lines(outcome, "clock"), _lines(outcome, "exits", "l1"), strict=True):
        source, ticks, values = clock[0], dict(zip(clock[1::2], clock[2::2])), dict(zip(exits[::2], exits[1::2]))
        each = {reason: int(values[reason]) / int(values["reads"]) for reason in values if reason.isupper()}
        costs[CLOCKS[source]] = _cost(float(ticks["median"]), each)
        costs[f"{CLOCKS[source]}, system call"] = _cost(float(ticks["syscall"]), each)
    return costs


def _exits(cost: Cost) -> str:
    return f"{cost.l0_exits:.0f} ±{cost.chance:.0f}" if cost.chance else f"{cost.l0_exits:.2f}"


def _table(costs: Costs, flavours: Sequence[str]) -> str:
    lines = [f"{'':34} {'ticks':>{11 * len(flavours)}} {'L0 exits':>{10 * len(flavours)}}"]
    columns = [f"{name:>10}" for name in flavours], [f"{name:>9}" for name in flavours]
    lines.append(f"{'':34} {' '.join(columns[0])} {' '.join(columns[1])}")
    for name, row in costs.items():
        ticks = " ".join(f"{row[flavour].ticks:10.0f}" for flavour in flavours)
        exits = " ".join(f"{_exits(row[flavour]):>9}" for flavour in flavours)
        lines.append(f"{name:34} {ticks} {exits}")
    return "\n".join(lines)


def _difference(peer: Cost, ours: Cost) -> str:
    """The exits, reason by reason, where they differ."""
    reasons = sorted(peer.l0_exits_by_reason.keys() | ours.l0_exits_by_reason.keys())
    pairs = {reason: (peer.l0_exits_by_reason.get(reason, 0), ours.l0_exits_by_reason.get(reason, 0)) for reason in reasons}
    return ", ".join(f"{reason} {old:g} -> {new:g}" for reason, (old, new) in pairs.items() if old != new)


def _dearer(name: str, row: dict[str, Cost], ours: str, theirs: str) -> bool:
    peer, cost = row[theirs], row[ours]
    problems = []
    if cost.ticks > peer.ticks * (1 + TICKS_TOLERANCE) + TICKS_SLACK:
        problems.append(f"{cost.ticks:.0f} ticks, {peer.ticks:.0f} on {theirs}")
    if cost.l0_exits > peer.l0_exits + math.hypot(cost.chance, peer.chance):
        problems.append(f"{_exits(cost)} L0 exits, {_exits(peer)} on {theirs}")
    if problems:
        say(f"{name} costs more on {ours}: {'; '.join(problems)}")
    return bool(problems)


def run(names: Sequence[str]) -> int:
    flavours = [name for name in FLAVOURS if name in names]
    if not set(flavours) & set(AGAINST):
        raise CannotRun(f"this suite is for {', '.join(AGAINST)}, and compares with {', '.join(AGAINST.values())}")
    if not TEST_MODULES.exists():
        raise CannotRun(f"{TEST_MODULES} has no modules; run 'make bench SUITE=core'")
    boots = {name: _boots(cpus, flavours) for name, cpus in BOOTS.items()}
    rows = [*(row for some in boots.values() for row in some), *in_flavours(CALLS, flavours)]
    say(f"{len(flavours)} flavours of L1, {len(rows)} runs, one after another")
    outcomes = {outcome.scenario.name: outcome for outcome in measure_all(rows)}
    costs: Costs = {}
    for name, some in boots.items():
        costs[name] = {flavour: _read_boots(outcomes[row.name] for row in some if row.flavour == flavour) for flavour in flavours}
    for flavour in flavours:
        calls = outcomes[f"{CALLS}-{flavour}"]
        for operation, name in OPERATIONS.items():
            costs.setdefault(name, {})[flavour] = _read_operation(calls, operation)
        for name, cost in _read_clocks(calls).items():
            costs.setdefault(name, {})[flavour] = cost

    machine = outer_machine()
    result = {
        "kernel": kernel.build().release,
        "emulator": machine.version(),
        "cpu_model": machine.cpu_model,
        "costs": [{"name": name, "flavours": {flavour: asdict(cost) for flavour, cost in row.items()}} for name, row in costs.items()],
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "core.json").write_text(json.dumps(result, indent=2) + "\n")

    print(f"Linux {result['kernel']} on {result['emulator']}, {machine.cpu_model}: what L1's kernel pays for its use of Hyper-V\n")
    print(_table(costs, flavours))
    good = True
    for ours, theirs in AGAINST.items():
        if not {ours, theirs} <= set(flavours):
            continue
        print(f"\nL0's exits, {theirs} -> {ours}, where they differ")
        for name, row in costs.items():
            if difference := _difference(row[theirs], row[ours]):
                print(f"{name}: {difference}")
            good &= not _dearer(name, row, ours, theirs)
    return 0 if good else 1
