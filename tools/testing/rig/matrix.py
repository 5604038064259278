# SPDX-License-Identifier: GPL-2.0-only
"""The matrix: L1 with each flavour and number of CPUs, on an L0 that offers all, lacks one thing, or fails in one.

The smoke set is that of the L0 that offers all. build/results/matrix.json has a record for each run: what
was offered, and what became of it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import report
import scenarios
from common import RESULTS
from scenarios import OUR_CORE, Scenario
from session import Outcome

TEMPLATE = "matrix"  # the row of the table
FLAVOURS = ("stock", "nested", "core", "full")
CPUS = (1, 2, 4)
RESULT = "matrix.json"

# What our modules and our core say where L0 offers all and does it: NAME=STATE
KVM_USES = ("evmcs", "msr-bitmap", "direct-flush", "gpa-flush", "tsc-page", "guest-reenlightenment")
CORE_USES = (
    ("hypercall-page", "vp-index", "frequencies", "reference-counter", "reference-tsc", "reenlightenment")
    + ("relaxed-timing", "vp-assist-page", "eoi", "gpa-flush")
)


@dataclass(frozen=True)
class Change:
    """What is another way than in the smoke set."""

    name: str = ""
    off: tuple[str, ...] = ()  # words of the row's l0
    faults: tuple[str, ...] = ()
    kvm: tuple[str, ...] = ()  # what our modules say then, of what they use otherwise: NAME=STATE
    core: tuple[str, ...] = ()  # likewise our core


def _rows(uses: Sequence[str], changed: Sequence[str]) -> str:
    states = dict.fromkeys(uses, "in-use") | dict(row.split("=") for row in changed)
    return " ".join(f"{name}={state}" for name, state in states.items())


def _commands(change: Change, cpus: int) -> tuple[str, ...]:
    """L1 works, so does its KVM, and both say what they use."""
    return (
        # Only an L1 that uses all passes the first
        *([] if change.name else ["core_cpus"]),
        f"l1_alive {cpus}",
        "events",
        f"status {_rows(KVM_USES, change.kvm)}",
        f"status --core {_rows(CORE_USES, change.core)}",
    )


def _scenarios(changes: Sequence[Change]) -> list[Scenario]:
    (template,) = scenarios.select([TEMPLATE], [])
    return [
        replace(
            template,
            name="-".join(filter(None, [TEMPLATE, flavour, str(cpus), change.name])),
            flavour=flavour,
            cpus=cpus,
            l0=tuple(word for word in template.l0 if word not in change.off),
            faults=change.faults,
            run=_commands(change, cpus),
        )
        for change in changes
        for cpus in CPUS
        for flavour in FLAVOURS
    ]


def smoke() -> list[Scenario]:
    """The runs on an L0 that offers all: each has to pass."""
    return _scenarios([Change()])


def record(outcome: Outcome) -> dict[str, object]:
    """What matrix.json holds of a run."""
    (template,) = scenarios.select([TEMPLATE], [])
    scenario, result = outcome.scenario, report.report(outcome)
    return {
        "flavour": scenario.flavour,
        "cpus": scenario.cpus,
        "off": [word for word in template.l0 if word not in scenario.l0],
        "broken": list(scenario.faults),
        "booted": outcome.booted,
        "tests_passed": result.count - result.failed,
        "tests_failed": result.failed,
    }


def write(records: Sequence[dict[str, object]]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / RESULT).write_text(json.dumps({"runs": records}, indent=2) + "\n")
