# SPDX-License-Identifier: GPL-2.0-only
"""The matrix: L1 with each flavour and number of CPUs, on an L0 that offers all, lacks one thing, or fails in one.

The smoke set is that of the L0 that offers all. build/results/matrix.json has a record for each run: what
was offered, and what became of it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import report
import runner
import scenarios
from common import RESULTS, CannotRun, say
from matrix_changes import Change, changes
from matrix_done import Done
from scenarios import OUR_CORE, OUR_KVM, Scenario
from session import Outcome

Record = dict[str, object]

TEMPLATE = "matrix"  # the row of the table
FLAVOURS = ("stock", "nested", "core", "full")
CPUS = (1, 2, 4)
RESULT = RESULTS / "matrix.json"

# What our modules and our core use where L0 offers all and does it
KVM_USES = "evmcs msr-bitmap direct-flush gpa-flush tsc-page guest-reenlightenment"
CORE_USES = (
    "hypercall-page vp-index frequencies reference-counter reference-tsc reenlightenment relaxed-timing vp-runtime vp-assist-page eoi gpa-flush"
)
# For QEMU: where L0 lacks something, it does not serve it either
ENFORCE = "hv-enforce-cpuid"


def _states(uses: str, changed: str) -> str:
    states = dict.fromkeys(uses.split(), "in-use") | dict(row.split("=") for row in changed.split())
    return " ".join(f"{name}={state}" for name, state in states.items())


def _commands(change: Change, cpus: int) -> tuple[str, ...]:
    """L1 works, so does its KVM, and both say what they use."""
    return (
        # Only an L1 that uses all passes the first.
        *([] if change.name else ["core_cpus"]),
        f"l1_alive {cpus}",
        "events",
        f"status {_states(KVM_USES, change.kvm)}",
        f"status --core {_states(CORE_USES, change.core)}",
    )


def _template() -> Scenario:
    return scenarios.select([TEMPLATE], [])[0]


def _offered(template: Scenario, change: Change) -> tuple[str, ...]:
    left = tuple(word for word in template.l0 if word not in change.off)
    return (*left, ENFORCE) if change.off else left


def _must_pass(flavour: str, change: Change) -> bool:
    """Whoever is ours has to cope with a change; without one all have to pass."""
    return not change.name or flavour in OUR_CORE and (flavour in OUR_KVM or not change.only_kvm)


def _product(wanted: Iterable[Change]) -> dict[Scenario, Change]:
    template = _template()
    return {
        replace(
            template,
            name="-".join(filter(None, [TEMPLATE, flavour, str(cpus), change.name])),
            flavour=flavour,
            cpus=cpus,
            l0=_offered(template, change),
            faults=change.faults,
            idle=change.idle or not _must_pass(flavour, change),
            # Many of those that need not pass hang, and each of them takes all the time it has.
            timeout=template.timeout if _must_pass(flavour, change) else template.timeout // 2,
            run=_commands(change, cpus),
        ): change
        for change in wanted
        for cpus in CPUS
        for flavour in FLAVOURS
    }


def smoke() -> list[Scenario]:
    """The runs on an L0 that offers all."""
    return list(_product([Change()]))


def record(outcome: Outcome) -> Record:
    """What matrix.json holds of a run."""
    scenario, result = outcome.scenario, report.report(outcome)
    return {
        "flavour": scenario.flavour,
        "cpus": scenario.cpus,
        "off": [word for word in _template().l0 if word not in scenario.l0],
        "broken": list(scenario.faults),
        "struck": [fault for fault, times in outcome.struck.items() if times],
        "booted": outcome.booted,
        "tests_passed": result.count - result.failed,
        "tests_failed": result.failed,
    }


def write(records: Sequence[Record]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"runs": records}, indent=2) + "\n")


def _works(of_run: Record) -> bool:
    return bool(of_run["booted"]) and not of_run["tests_failed"]


def _fate(of_run: Record) -> str:
    tests = f"{of_run['tests_passed']} tests passed, {of_run['tests_failed']} failed"
    return f"L1 {'booted' if of_run['booted'] else 'did not boot'}; {tests}"


class _Stream:
    """The KTAP of the matrix: runs that must pass are tests, the others are comments."""

    def __init__(self, cells: Mapping[Scenario, Change]) -> None:
        self.records: list[Record] = []
        self.failed = 0
        self._cells = cells
        self._number = 0
        print(f"KTAP version 1\n1..{sum(_must_pass(s.flavour, change) for s, change in cells.items())}", flush=True)

    def add(self, scenario: Scenario, of_run: Record, outcome: Outcome | None = None) -> None:
        """A run that has been done just now, or earlier."""
        self.records.append(of_run)
        passed = _works(of_run)
        when = f"{outcome.seconds:.1f} s" if outcome else "done earlier"
        if not _must_pass(scenario.flavour, self._cells[scenario]):
            print(f"# {scenario.name}: {_fate(of_run)}, {when}", flush=True)
        else:
            self._number += 1
            self.failed += not passed
            if outcome:
                print(report.render(self._number, outcome)[1], flush=True)
            else:
                print(f"# {scenario.name}: {when}\nok {self._number} {scenario.name}", flush=True)
        say(f"{len(self.records)} of {len(self._cells)}: {scenario.name}: {'works' if passed else 'FAILED'}, {when}")

    def sums(self) -> None:
        for flavour in FLAVOURS:
            runs = [of_run for of_run in self.records if of_run["flavour"] == flavour]
            booted = sum(bool(of_run["booted"]) for of_run in runs)
            failed = sum(not _works(of_run) for of_run in runs)
            print(f"# {flavour}: {len(runs)} runs, {booted} booted, {failed} failed", flush=True)


def run(names: Sequence[str], only_smoke: bool, jobs: int) -> int:
    """Do the product, or those of it whose names have one of these in them; go on where an earlier run stopped."""
    everything = _product(changes())
    cells = {scenario: change for scenario, change in everything.items() if not (only_smoke and change.name)}
    if names:
        cells = {scenario: change for scenario, change in cells.items() if any(name in scenario.name for name in names)}
    if not cells:
        raise CannotRun("no run of the matrix has such a name")
    done, stream = Done(everything), _Stream(cells)
    left = []
    for scenario in cells:
        earlier = done.get(scenario)
        if earlier:
            stream.add(scenario, earlier)
        else:
            left.append(scenario)
    for outcome in runner.run(left, jobs) if left else ():
        scenario, of_run = outcome.scenario, record(outcome)
        # What failed and must not is done again, as is what the emulator did not survive.
        if outcome.failure != "emulator" and (_works(of_run) or not _must_pass(scenario.flavour, cells[scenario])):
            done.add(scenario, of_run)
        stream.add(scenario, of_run, outcome)
    stream.sums()
    write(stream.records)
    return 1 if stream.failed else 0
