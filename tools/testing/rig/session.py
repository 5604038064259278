# SPDX-License-Identifier: GPL-2.0-only
"""One boot of L0 and the L1s in it: follows what they print, and ends what hangs."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import images
from common import RIG
from emulator import Ended, outer_machine
from scenarios import Scenario

L0_BOOT_SECONDS = 120  # until L0's init answers
L0_STEP_SECONDS = 60  # for what L0 does between two L1s, and to end one on request
RUNS_KEPT = 20


@dataclass
class Outcome:
    """How a scenario's L1 went. `failure` is empty when L1 reached its end."""

    scenario: Scenario
    failure: str = ""
    explanation: str = ""
    console: list[str] = field(default_factory=list)
    seconds: float = 0.0
    log: Path | None = None


class L0Failed(Exception):
    """The outer machine or L0 is of no more use."""

    def __init__(self, failure: str, explanation: str) -> None:
        super().__init__(explanation)
        self.failure = failure


class Session:
    """Boots L0 with the images of some scenarios and yields their outcomes in order."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self.scenarios = scenarios
        self.directory = _new_directory()
        self._initrd = images.build(scenarios, self.directory)
        self._machine = outer_machine()(self.directory)

    def stop(self) -> None:
        """End it from another thread."""
        self._machine.stop()

    def run(self) -> Iterator[Outcome]:
        with self._machine, (self.directory / "console.log").open("w") as self._log:
            self._machine.start(self._initrd, images.memory_of_l0(self.scenarios))
            broken: L0Failed | None = None
            for scenario in self.scenarios:
                outcome = Outcome(scenario, log=self.directory / f"{scenario.name}.log")
                if broken:
                    outcome.failure, outcome.explanation = "not-run", f"not run, because {broken}"
                else:
                    broken = self._follow(outcome)
                    outcome.log.write_text("\n".join(outcome.console) + "\n")
                yield outcome

    def _follow(self, outcome: Outcome) -> L0Failed | None:
        """Watch one L1 from its start to its end; returns why L0 is lost, if it is."""
        name = outcome.scenario.name
        try:
            if outcome.scenario is self.scenarios[0]:
                self._until("@l0 ready", L0_BOOT_SECONDS, "L0 did not boot", outcome.console)
            self._until(f"@l0 start {name}", L0_STEP_SECONDS, "L0 did not start L1", outcome.console)
            begin = time.monotonic()
            try:
                self._until_end_of_l1(outcome)
            finally:
                outcome.seconds = time.monotonic() - begin
        except L0Failed as failed:
            outcome.failure, outcome.explanation = failed.failure, str(failed)
            outcome.console += self._machine.kernel_lines()
            return failed
        return None

    def _until_end_of_l1(self, outcome: Outcome) -> None:
        console, limit = outcome.console, outcome.scenario.timeout
        end = f"@l0 end {outcome.scenario.name} "
        if self._until(end, limit, "", console):
            if "@l1 end" in console:
                return
            if any("Kernel panic" in line for line in console):
                outcome.failure, outcome.explanation = "l1-panic", "L1 panicked"
            else:
                outcome.failure, outcome.explanation = "l1-died", "L1 ended before its commands did"
            return
        outcome.failure, outcome.explanation = "l1-hang", f"L1 did not end within {limit} s"
        self._machine.order("kill")
        self._until(end, L0_STEP_SECONDS, f"{outcome.explanation}, nor did L0 obey the order to end it", console)

    def _until(self, marker: str, seconds: float, problem: str, console: list[str]) -> bool:
        """Collect lines until one starts with the marker. Out of time: raise, or
        return False where no problem is named.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._machine.read_line(min(left, 1))
            except Ended:
                raise L0Failed("emulator", "the emulator ended") from None
            if line is None:
                if self._machine.panicked():
                    raise L0Failed("l0-panic", "L0 panicked")
                continue
            print(line, file=self._log, flush=True)
            if line.startswith(marker):
                return True
            console.append(line)
        if self._machine.stands_still():
            raise L0Failed("emulator", f"the emulator stands still ({seconds:.0f} s)")
        if problem:
            raise L0Failed("l0-hang", f"{problem} ({seconds:.0f} s)")
        return False


def _new_directory() -> Path:
    """A directory for this run; the oldest runs make room."""
    runs = RIG / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    for path in sorted(runs.iterdir())[:-RUNS_KEPT]:
        shutil.rmtree(path, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=time.strftime("%m%d-%H%M%S-"), dir=runs))
