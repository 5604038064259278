# SPDX-License-Identifier: GPL-2.0-only
"""Turn the outcome of a scenario into KTAP: what L1 printed, and what we check in it."""

import re
from dataclasses import dataclass, field

from scenarios import OUR_KVM
from session import Outcome

LAST_LINES = 30
KTAP_LINE = re.compile(r"\s*(KTAP version|TAP version|1\.\.\d+|(not )?ok \d+|#|Bail out!)")
# A kernel that says one of these has failed, whatever its tests say.
# KASAN and KFENCE, DEBUG_ATOMIC_SLEEP and DEBUG_PREEMPT begin with BUG, lockdep and
# RCU with BUG, WARNING or INFO.
KERNEL_PROBLEM = (
    r"Kernel panic|BUG: |kernel BUG at|Oops: |WARNING: |general protection fault|UBSAN: |ODEBUG: "
    r"|INFO: (task .* blocked|trying to register|lockdep is turned off|.*detected )"
)
SKIPPED = 4  # exit code of a kselftest that did not run


@dataclass
class Command:
    """What one command of a scenario printed in L1."""

    words: str
    lines: list[str] = field(default_factory=list)
    status: int | None = None


def commands(console: list[str]) -> list[Command]:
    """Cut L1's console into the commands that ran."""
    found: list[Command] = []
    for line in console:
        if line.startswith("@l1 run "):
            found.append(Command(line.removeprefix("@l1 run ")))
        elif line.startswith("@l1 status ") and found:
            found[-1].status = int(line.removeprefix("@l1 status "))
        elif found and found[-1].status is None:
            found[-1].lines.append(line)
    return found


class Report:
    """The subtests of one scenario."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0
        self.failed = 0

    @property
    def passed(self) -> bool:
        return not self.failed

    def result(self, ok: bool, name: str, skip: str = "") -> None:
        self.count += 1
        self.failed += not ok
        # '#' would start a directive
        name = name.replace("#", "")
        self.lines.append(f"{'ok' if ok else 'not ok'} {self.count} {name}{f' # SKIP {skip}' if skip else ''}")

    def note(self, lines: list[str]) -> None:
        self.lines += [f"# {line}" for line in lines]

    def command(self, command: Command) -> None:
        for line in command.lines:
            self.lines.append(f"  {line}" if KTAP_LINE.match(line) else f"  # {line}")
        skip = command.status == SKIPPED
        self.result(skip or command.status == 0, command.words, "the test says why" if skip else "")


def _l0_says(outcome: Outcome) -> list[str]:
    """Which flushes were missed, from the log of L0's kernel."""
    log = outcome.log.parent / "l0-kernel.log" if outcome.log else None
    if not log or not log.exists():
        return []
    return [line for line in log.read_text(errors="replace").splitlines() if "not flushed" in line]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


def report(outcome: Outcome) -> Report:
    """Check everything that the scenario's row asks for."""
    scenario, result = outcome.scenario, Report()
    ran = commands(outcome.console)
    for command in ran:
        if command.status is not None:
            result.command(command)
    wanted = scenario.expect_failure
    if wanted:
        result.result(outcome.failure == wanted, f"the rig reports {wanted}")
    else:
        result.result(not outcome.failure and len(ran) == len(scenario.run), "L1 runs to its end")
        problems = [
            line
            for line in outcome.console
            if re.search(KERNEL_PROBLEM, line) and not (scenario.allow and re.search(scenario.allow, line))
        ]
        result.result(not problems, "no kernel in L1 or L2 complains")
    if outcome.failure:
        result.note([f"{outcome.failure}: {outcome.explanation}"])
    for pattern in scenario.expect:
        found = sum(1 for line in outcome.console if re.search(pattern, line))
        if scenario.faults:
            result.result(found == 1, f"expect once {pattern}")
        else:
            result.result(found > 0, f"expect {pattern}")
    for pattern in scenario.refuse:
        result.result(not any(re.search(pattern, line) for line in outcome.console), f"refuse {pattern}")
    if outcome.stale is not None and scenario.flavour in OUR_KVM:
        result.result(not outcome.stale, "no stale clean fields in L0")
        result.note([f"stale: {name} {count}" for name, count in outcome.stale.items()])
    # A preemptible L1 may enter L2 between a change and its flush.
    if outcome.ept is not None and scenario.flavour in OUR_KVM and scenario.kernel != "debug":
        result.result(not outcome.ept["missed"], "no missed flush in L0")
        result.note([f"flushes: {_counts(outcome.ept)}"])
        result.note(_l0_says(outcome))
    if outcome.direct_flush is not None and scenario.flavour in OUR_KVM:
        result.result(not outcome.direct_flush["missed"], "no direct flush misses a processor of L2")
        if outcome.direct_flush["served"]:
            result.note([f"direct flushes: {_counts(outcome.direct_flush)}"])
    for fault in () if scenario.idle else scenario.faults:
        result.result(outcome.struck.get(fault, 0) > 0, f"the fault strikes: {fault}")
    if scenario.twice:
        skip = "" if outcome.start == "quick" else "a cold start depends on when the host answers"
        result.result(bool(skip) or outcome.difference == "", "a second run prints the same, byte for byte", skip)
        result.note([outcome.difference] if outcome.difference else [])
    if not result.passed:
        result.note([f"the last lines of L1's console; all of it is in {outcome.log}:", *outcome.console[-LAST_LINES:]])
    return result


def render(number: int, outcome: Outcome) -> tuple[bool, str]:
    """The KTAP of one scenario as a top-level test."""
    result = report(outcome)
    name = outcome.scenario.title
    head = [f"# Subtest: {name}", "KTAP version 1", f"1..{result.count}"]
    body = [f"  {line}" for line in head + result.lines]
    verdict = "ok" if result.passed else "not ok"
    return result.passed, "\n".join([*body, f"# {name}: {outcome.seconds:.1f} s", f"{verdict} {number} {name}"])


def lives(outcome: Outcome) -> bool:
    """L1 reached its end, and L2 did what it should. "status" tells of our modules only."""
    ran = commands(outcome.console)
    return (
        not outcome.failure
        and len(ran) == len(outcome.scenario.run)
        and all(command.status in (0, SKIPPED) for command in ran if command.words.split()[0] != "status")
    )


def render_twin(outcome: Outcome) -> str:
    """A line on how the peer does; no test of ours."""
    fate = "lives" if lives(outcome) else f"dies ({outcome.explanation or 'a command failed'})"
    counts = outcome.stale or {}
    stale = f", stale clean fields: {', '.join(f'{name} {n}' for name, n in counts.items())}" if counts else ""
    flushes = f", flushes: {_counts(outcome.ept)}" if outcome.ept else ""
    direct = outcome.direct_flush or {}
    direct_flushes = f", direct flushes: {_counts(direct)}" if direct.get("served") else ""
    return (
        f"# {outcome.scenario.title}: {fate}{stale}{flushes}{direct_flushes}, "
        f"{outcome.seconds:.1f} s"
    )


def record(outcome: Outcome) -> dict[str, object]:
    """What build/results/rig.json holds of a run."""
    return {
        "name": outcome.scenario.name,
        "flavour": outcome.scenario.flavour,
        "faults": list(outcome.scenario.faults),
        "start": outcome.start,
        "long": outcome.scenario.long,
        "seconds": round(outcome.seconds, 2),
        "cpu_seconds": round(outcome.cpu_seconds, 2),
        "passed": report(outcome).passed,
        "lives": lives(outcome),
        "stale": outcome.stale or {},
        "missed_flushes": (outcome.ept or {}).get("missed", 0),
        "missed_vps": (outcome.direct_flush or {}).get("missed", 0),
    }
