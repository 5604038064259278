# SPDX-License-Identifier: GPL-2.0-only
"""L2's CPUID in detail: its spread, L0's exits over many of it, and how much of it is L1's
time; and what it costs an L2 that uses CR8 that the others go without a TPR shadow. One
table, and build/results/cpuid.json."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import kernel
import report
from bench import RESOLUTION, TICKS_TOLERANCE, measure
from common import RESULTS, say
from emulator import outer_machine
from session import Outcome


@dataclass
class Figures:
    """A flavour's in cpuid.json, in ticks of the emulated TSC."""

    ticks_min: int = 0
    ticks_median: int = 0
    ticks_p99: int = 0
    l1_window_ticks: int = 0  # from the nested exit delivered until VMRESUME trapped
    l1_pure_ticks: int = 0  # what of it L1 ran itself
    l0_exits: float = 0.0
    l0_exits_by_reason: dict[str, float] | None = None
    other_l0_exits: dict[str, float] | None = None  # timers, interrupts, the control channel


def _read_exits(outcome: Outcome, figures: Figures) -> int:
    """Note the ticks as L2 saw them and what L0 counted; return the number of exits."""
    bench, paths = report.commands(outcome.console)
    seen = json.loads("\n".join(bench.lines))
    figures.ticks_min, figures.ticks_median, figures.ticks_p99 = (seen[f"ticks_{what}"] for what in ("min", "median", "p99"))
    counts = {reason: float(hits) for _, _, reason, hits in (line.split() for line in paths.lines if line.startswith("l0 "))}
    on_path = {reason: round(hits, 2) for reason, hits in counts.items() if hits >= RESOLUTION}
    figures.l0_exits_by_reason = on_path
    figures.l0_exits = round(sum(on_path.values()), 2)
    figures.other_l0_exits = {reason: hits for reason, hits in counts.items() if reason not in on_path}
    return int(seen["exits"])


def _table(flavours: dict[str, Figures]) -> str:
    lines = [f"{'L1':12} {'min':>8} {'median':>8} {'p99':>8} {'L1 window':>10} {'L1 itself':>10} {'L0 exits':>9}  by reason"]
    for name, row in flavours.items():
        reasons = ", ".join(f"{reason} {hits:.2f}" for reason, hits in (row.l0_exits_by_reason or {}).items())
        lines.append(
            f"{name:12} {row.ticks_min:8} {row.ticks_median:8} {row.ticks_p99:8} {row.l1_window_ticks:10} {row.l1_pure_ticks:10}"
            f" {row.l0_exits:9.2f}  {reasons}"
        )
    return "\n".join(lines)


def _against_stock(flavours: dict[str, Figures]) -> str:
    stock, nested = flavours["stock"], flavours["nested"]
    return (
        f"nested : stock = {nested.ticks_median / stock.ticks_median:.3f} in all,"
        f" {nested.l1_window_ticks / stock.l1_window_ticks:.3f} in L1's window"
    )


def _read_cr8(outcome: Outcome) -> dict[str, float]:
    """Ticks for raising and lowering CR8 once: alone, and with interrupts in between."""
    (command,) = report.commands(outcome.console)
    words = [line.split() for line in command.lines]
    return {name: float(value) for _, name, value in (w for w in words if len(w) == 3 and w[1].startswith("ticks_per_pair"))}


def _cr8_is_dearer(stock: dict[str, float], nested: dict[str, float]) -> bool:
    """By more than what an interrupt at another moment may make."""
    return any(nested[name] > ticks * (1 + TICKS_TOLERANCE) for name, ticks in stock.items())


def run(names: Sequence[str]) -> int:
    flavours = {name: Figures() for name in names}
    exits = 0
    for outcome in measure("bench-cpuid", names):
        exits = _read_exits(outcome, flavours[outcome.scenario.flavour])
    for outcome in measure("bench-cpuid-window", names):
        figures = flavours[outcome.scenario.flavour]
        figures.l1_window_ticks, figures.l1_pure_ticks = outcome.window["window"], outcome.window["pure"]

    cr8 = {outcome.scenario.flavour: _read_cr8(outcome) for outcome in measure("bench-cr8", names)}

    machine, ours = outer_machine(), flavours.get("nested")
    result = {
        "kernel": kernel.build().release,
        "emulator": machine.version(),
        "cpu_model": machine.cpu_model,
        "exits": exits,
        "l0_cost_of_inherent_exits": ours.ticks_median - ours.l1_window_ticks if ours else None,
        "flavours": {name: asdict(figures) for name, figures in flavours.items()},
        "cr8": cr8,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "cpuid.json").write_text(json.dumps(result, indent=2) + "\n")

    print(f"Linux {result['kernel']} on {result['emulator']}, {machine.cpu_model}: L2 executes CPUID {exits} times; ticks\n")
    print(_table(flavours))
    if {"stock", "nested"} <= flavours.keys():
        print(f"\n{_against_stock(flavours)}")
    print("\nL2 raises and lowers CR8: ticks a time, and with an interrupt now and then")
    for name, ticks in cr8.items():
        print(f"{name:12} {' '.join(f'{value:8.1f}' for value in ticks.values())}")
    if {"stock", "nested"} <= cr8.keys() and _cr8_is_dearer(cr8["stock"], cr8["nested"]):
        say("CR8 costs more on nested than on stock")
        return 1
    return 0
