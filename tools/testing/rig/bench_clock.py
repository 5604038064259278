# SPDX-License-Identifier: GPL-2.0-only
"""What it costs to read the clock in L0, L1 and L2, with Hyper-V's TSC page and without it, and
what becomes of L2's clock when L1 is migrated, and where a TSC of L1 is behind. Two tables, and
build/results/clock.json."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import clock_migrations
import kernel
import report
import runner
import scenarios
from bench import measure
from common import RESULTS, CannotRun, say
from emulator import outer_machine
from session import Outcome

ROW = "bench-clock"
ROW_NO_HYPERV = "bench-clock-no-hyperv"  # for stock-plain: as if L1 knew no Hyper-V at all
ROW_BEHIND = "fault-tsc-behind"

PAGE = "hyperv_clocksource_tsc_page"
MSR = "hyperv_clocksource_msr"
KVM = "kvm-clock"
# What clock_exits calls the clocks that L2's kernel calls so
BARE = {KVM: "kvmclock", PAGE: "hv-page", MSR: "hv-msr"}
# Those that L1's KVM offers, but cannot let L2's programs read
NOT_VALID = {KVM: "kvm-clock without master clock", PAGE: "hyperv_clocksource_tsc_page not valid"}
SHORT = {
    PAGE: "Hyper-V's page",
    NOT_VALID[PAGE]: "Hyper-V's page, not valid",
    MSR: "Hyper-V's MSR",
    KVM: "KVM's, master clock",
    NOT_VALID[KVM]: "KVM's, no master clock",
}

# With the page a read in L2 may take so many times the ticks of one in L1
L2_TO_L1 = 1.1
NO_EXIT = 0.01  # a read: so little is left of what L1 does besides
# A step of L2's clock of this many years is the kernel's subtraction that wraps, and no delay
CENTURIES = 100
STEP = re.compile(r"one of \d+ ms forward \(([\d.]+) years\)")


@dataclass(frozen=True)
class Read:
    """A row of the table, and of clock.json."""

    level: str
    flavour: str | None  # of L1; None where that is no question
    source: str  # as the kernel at this level calls it, or of NOT_VALID
    vdso: bool  # programs read it themselves: it costs less than a system call
    ticks: float
    l0_exits: float | None  # None: this level has none below it
    l1_exits: float | None
    l1_source: str | None  # what L1's kernel reads meanwhile, for a read of L2


class Reader:
    """Makes reads of what clock_read and clock_exits print, in the order of the row's commands."""

    def __init__(self, outcome: Outcome) -> None:
        self.flavour = outcome.scenario.flavour
        self.reads: list[Read] = []
        self._l1_clock: dict[str, str] | None = None
        self._exits: dict[str, tuple[bool, float, float]] = {}  # of the bare clocks: valid, L1's, L0's
        self._log = outcome.log
        for command in report.commands(outcome.console):
            for line in command.lines:
                self._line(line.removeprefix("# ").split(), command.words.startswith("boot-l2"))

    def _line(self, words: list[str], in_l2: bool) -> None:
        if words[:1] == ["clock"] and in_l2:
            self._note("L2", BARE.get(words[1], ""), words)
        elif words[:1] == ["clock"]:
            self._l1_clock, self._exits = words, {}
        elif words[:1] == ["exits"]:
            name, values = words[1], dict(zip(words[2::2], words[3::2]))
            l1, l0 = (int(values[level]) / int(values["reads"]) for level in ("l1", "l0"))
            self._exits[name] = values["valid"] == "yes", l1, l0
            if name == "l1" and self._l1_clock:
                self._note("L1", name, self._l1_clock)

    def _note(self, level: str, bare: str, words: Sequence[str]) -> None:
        if bare not in self._exits or not self._l1_clock:
            raise CannotRun(f"nobody has counted the exits of {words[1]}; see {self._log}")
        valid, l1_exits, l0_exits = self._exits[bare]
        source = words[1] if valid else NOT_VALID[words[1]]
        below = (l1_exits, self._l1_clock[1]) if level == "L2" else (None, None)
        self.reads.append(Read(level, self.flavour, source, *_cost(words), l0_exits, *below))


def _cost(words: Sequence[str]) -> tuple[bool, float]:
    """Whether the vDSO serves a read, and its ticks, from a line of clock_read."""
    values = dict(zip(words[2::2], map(float, words[3::2])))
    return values["min"] < values["syscall"], values["median"]


def _read_of_l0(outcome: Outcome) -> Read:
    """L0 has read its clock before it started L1."""
    for line in outcome.console:
        if line.startswith("@fork l1"):
            break
        if line.startswith("clock "):
            words = line.split()
            return Read("L0", None, words[1], *_cost(words), None, None, None)
    raise CannotRun(f"L0 has not read its clock; see {outcome.log}")


def _jump(outcome: Outcome) -> str:
    """What the test of L2's clock says of a CPU of L1 whose TSC is behind."""
    for command in report.commands(outcome.console):
        if command.words != "kvmclock":
            continue
        years = [float(found[1]) for line in command.lines if (found := STEP.search(line))]
        if any(step >= CENTURIES for step in years):
            return "happens"
        if command.status == 0:
            return "does not"
    raise CannotRun(f"{outcome.scenario.name}: kvmclock has come to no end; its log is {outcome.log}")


def _jumps(flavours: Sequence[str]) -> dict[str, str]:
    (template,) = scenarios.select([ROW_BEHIND], [])
    say(f"{ROW_BEHIND}: {len(flavours)} flavours of L1, one after another")
    rows = [replace(template, name=f"{ROW_BEHIND}-{flavour}", flavour=flavour) for flavour in flavours]
    return {outcome.scenario.flavour: _jump(outcome) for outcome in runner.run(rows, jobs=1)}


def _number(value: float | None) -> str:
    """Nothing at all is not what rounds to it."""
    return "" if value is None else f"{value:.2f}" if value else "0"


def _table(reads: Sequence[Read]) -> str:
    lines = [f"{'in':3} {'L1':12} {'L1 reads':15} {'clock':26} {'vDSO':4} {'ticks':>9} {'L0 exits':>9} {'L1 exits':>9}"]
    for row in reads:
        source, l1_source = (SHORT.get(name or "", name or "") for name in (row.source, row.l1_source))
        lines.append(
            f"{row.level:3} {row.flavour or '':12} {l1_source:15} {source:26} {'yes' if row.vdso else 'no':4} {row.ticks:9.1f}"
            f" {_number(row.l0_exits):>9} {_number(row.l1_exits):>9}".rstrip()
        )
    return "\n".join(lines)


def _good(reads: Sequence[Read]) -> bool:
    """With the page in use on ours, a read in L2 takes no exit, and hardly more than one in L1."""
    ours = [row for row in reads if row.flavour == "nested"]
    in_l1 = [row.ticks for row in ours if row.level == "L1" and row.source == PAGE]
    in_l2 = [row for row in ours if row.level == "L2" and row.l1_source == PAGE and row.source in (KVM, PAGE)]
    if not in_l1 or {row.source for row in in_l2} != {KVM, PAGE}:
        say("L1 and L2 have not read a clock with Hyper-V's TSC page on nested")
        return False
    good = True
    for row in in_l2:
        print(f"{SHORT[row.source]} in L2 on ours, L1 on the page: {row.ticks / in_l1[0]:.2f} times the ticks of L1's read")
        if max(row.l0_exits, row.l1_exits) > NO_EXIT:
            say(f"{row.source}: a read in L2 takes exits on nested: L0's {row.l0_exits}, L1's {row.l1_exits}")
            good = False
        if row.ticks > L2_TO_L1 * in_l1[0]:
            say(f"{row.source}: {row.ticks} ticks in L2 on nested, {in_l1[0]} in L1; at most {L2_TO_L1} times as many are allowed")
            good = False
    return good


def run(names: Sequence[str]) -> int:
    flavours = [name for name in ("stock", "nested") if name in names]
    if "nested" not in flavours:
        raise CannotRun("this suite needs the flavour nested, and compares with stock and stock-plain")
    reads: list[Read] = []
    if "stock-plain" in names:
        for outcome in measure(ROW_NO_HYPERV, ["stock-plain"]):
            reads += Reader(outcome).reads
    for outcome in measure(ROW, flavours):
        # It is the same L0 for all of them.
        if not any(row.level == "L0" for row in reads):
            reads.append(_read_of_l0(outcome))
        reads += Reader(outcome).reads
    reads.sort(key=lambda row: row.level)
    migrations = clock_migrations.run(flavours)
    jumps = _jumps(flavours)

    machine = outer_machine()
    result = {
        "kernel": kernel.named("guest").release,
        "emulator": machine.version(),
        "cpu_model": machine.cpu_model,
        "reads": [asdict(row) for row in reads],
        "migrations": [asdict(migration) for migration in migrations],
        "jump_253y": jumps,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "clock.json").write_text(json.dumps(result, indent=2) + "\n")

    print(f"Linux {result['kernel']} on {result['emulator']}, {machine.cpu_model}: a program reads the clock\n")
    print(_table(reads))
    print()
    good = _good(reads)
    sums = clock_migrations.sums(migrations)
    print("\nL1 is migrated to TSCs from -30 % to +30 % of its frequency while L2 reads the time on two vCPUs\n")
    print(clock_migrations.table(sums))
    print()
    good &= clock_migrations.good(sums)
    print(f"L2's clock jumps by centuries where a TSC of L1 is behind: {', '.join(f'{name} {fate}' for name, fate in jumps.items())}")
    if jumps["nested"] != "does not":
        say("L2's clock jumps on nested")
        good = False
    return 0 if good else 1
