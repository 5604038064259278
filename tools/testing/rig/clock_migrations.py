# SPDX-License-Identifier: GPL-2.0-only
"""For 'rig bench clock': what becomes of L2's clocks when L1 is migrated to TSCs of other frequencies."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import report
from bench import measure
from common import CannotRun, say

ROW = "bench-clock-migrate"
VCPUS = 2
LINE = re.compile(
    r"# migration (\w+) from (\d+) to (\d+) kHz: backward (\d+) cross (\d+) unstable \d+"
    r" longest \d+ ns error (-?\d+) ns stopped (\d+) ns emulated (\d+) ns"
)

MAX_ERROR_US = 1000
LONGER = 1.05  # times that of the kernel's own KVM L2 may be stopped, and a time slice
SLICE_US = 30  # of L0's one CPU, as the row sets it: what waits for one waits for one more by chance
SHORTER = 0.1  # times that of the kernel's own core our core may let RDTSC be trapped
OUR_CORE = "full"


@dataclass(frozen=True)
class Migration:
    """One of clock.json's."""

    flavour: str
    clock: str
    vcpus: int
    khz_from: int
    khz_to: int
    backward_steps: int
    error_us: float  # of L2's clock since the first of them, after this one
    stopped_us: float
    emulated_us: float


def run(flavours: Sequence[str]) -> list[Migration]:
    """In these flavours of L1 and in the one with our core, which is told of migrations sooner."""
    migrations = []
    for outcome in measure(ROW, [*flavours, OUR_CORE]):
        lines = [line for command in report.commands(outcome.console) for line in command.lines]
        found = [match for line in lines if (match := LINE.match(line))]
        if not found:
            raise CannotRun(f"{outcome.scenario.name} has not migrated L1; its log is {outcome.log}")
        for clock, *numbers in (match.groups() for match in found):
            old, new, backward, cross, *ns = map(int, numbers)
            us = (value / 1e3 for value in ns)
            migrations.append(Migration(outcome.scenario.flavour, clock, VCPUS, old, new, backward + cross, *us))
    return migrations


@dataclass(frozen=True)
class Sum:
    """Of the migrations of one L1 with one clock in L2: a row of the table."""

    flavour: str
    clock: str
    count: int
    backward: int
    error: float
    stopped: float
    longest: float
    emulated: float


def sums(migrations: Sequence[Migration]) -> list[Sum]:
    found = []
    for flavour, clock in dict.fromkeys((m.flavour, m.clock) for m in migrations):
        some = [m for m in migrations if (m.flavour, m.clock) == (flavour, clock)]
        stopped = [m.stopped_us for m in some]
        found.append(
            Sum(
                flavour,
                clock,
                len(some),
                sum(m.backward_steps for m in some),
                max((m.error_us for m in some), key=abs),
                statistics.median(stopped),
                max(stopped),
                statistics.median(m.emulated_us for m in some),
            )
        )
    return found


def table(rows: Sequence[Sum]) -> str:
    lines = [
        f"{'L2 reads':10} {'L1':8} {'migrations':>10} {'steps back':>10} {'error us':>10}"
        f" {'stopped us':>10} {'at most':>8} {'RDTSC trapped us':>16}"
    ]
    for row in rows:
        lines.append(
            f"{row.clock:10} {row.flavour:8} {row.count:10} {row.backward:10} {row.error:10.1f}"
            f" {row.stopped:10.1f} {row.longest:8.1f} {row.emulated:16.1f}"
        )
    return "\n".join(lines)


def good(rows: Sequence[Sum]) -> bool:
    """Ours: no step back, hardly an error, L2 is stopped no longer than on the kernel's own KVM, and on our core RDTSC
    is trapped for far less time than on the kernel's own.

    Our core's L1 stops L2 at once, while L0's one CPU is still at work that began the migration: for how long L2 is
    stopped there does not compare with an L1 that waits first.
    """
    complaints = []
    stock = {row.clock: row for row in rows if row.flavour == "stock"}
    for row in rows:
        if row.flavour == "stock":
            continue
        name, theirs = f"{row.clock} on {row.flavour}", stock.get(row.clock)
        if row.backward or abs(row.error) >= MAX_ERROR_US:
            complaints.append(f"{name}: {row.backward} steps back, an error of {row.error} us")
        if theirs and row.flavour != OUR_CORE and row.stopped > LONGER * theirs.stopped + SLICE_US:
            complaints.append(f"{name}: L2 is stopped for {row.stopped} us, on stock for {theirs.stopped} us")
        if theirs and row.flavour == OUR_CORE and row.emulated > SHORTER * theirs.emulated:
            complaints.append(f"{name}: RDTSC is trapped for {row.emulated} us, on stock for {theirs.emulated} us")
    for complaint in complaints:
        say(complaint)
    return not complaints
