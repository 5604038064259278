# SPDX-License-Identifier: GPL-2.0-only
"""What the host and the machine say to each other: follows L0 and L1 up to where they
wait, sends them on, and finds what went wrong.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from emulator import Ended, Machine, Process
from scenarios import Scenario

L0_SECONDS = 300  # until L0's init asks for an L1
L0_START_SECONDS = 60  # until it starts that L1


@dataclass
class Outcome:
    """How a scenario's run went. `failure` is empty when L1 reached its end."""

    scenario: Scenario
    start: str  # quick or cold
    failure: str = ""
    explanation: str = ""
    console: list[str] = field(default_factory=list)
    stale: dict[str, int] | None = None  # None: L0 does not count
    struck: dict[str, int] = field(default_factory=dict)  # how often each of its faults did
    ept: dict[str, int] | None = None  # L0's l0/ept; None: L0 does not count
    direct_flush: dict[str, int] | None = None  # L0's l0/direct_flush, likewise
    window: dict[str, int] = field(default_factory=dict)  # L0's l0/window
    difference: str | None = None  # between two runs; None: there was one
    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of them the machine ran: the others are the host's other work
    log: Path | None = None

    @property
    def booted(self) -> bool:
        """L1 came up to its init."""
        return "@fork l1" in self.console


class Failed(Exception):
    """The machine did not get to where it should."""

    def __init__(self, failure: str, explanation: str) -> None:
        super().__init__(explanation)
        self.failure = failure


class Session:
    """A machine, and all that it has printed; a fork knows what its template printed."""

    def __init__(self, machine: Machine, console: list[str] | None = None) -> None:
        self.machine = machine
        self.console = list(console or [])
        self.began = time.monotonic()
        self._log = machine.directory / "console.log"

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.machine.__exit__()
        self._log.write_text("".join(f"{line}\n" for line in self.console))

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def fork(self, name: str, order: str) -> "Session":
        """A copy of this session's machine, to which the order is given."""
        directory = self.machine.directory.parent / name
        try:
            return Session(self.machine.fork(directory, order), self.console)
        except Ended:
            raise Failed("emulator", "the emulator ended when it was to be forked") from None

    def order(self, words: str) -> None:
        """Send a machine on that was not forked."""
        assert isinstance(self.machine, Process)
        self.machine.order(words)

    def until_l0_is_up(self) -> None:
        if not self._until("@fork l0", L0_SECONDS):
            raise Failed("l0-hang", f"L0 did not boot ({L0_SECONDS} s)")

    def until_l1_is_up(self, seconds: float) -> None:
        if not self._until("@l0 start", L0_START_SECONDS):
            raise Failed("l0-hang", f"L0 did not start L1 ({L0_START_SECONDS} s)")
        if not self._until("@fork l1", seconds):
            raise Failed("l1-hang", f"L1 did not ask for a scenario within {seconds:.0f} s")

    def until_kvm_is_loaded(self, seconds: float) -> None:
        if not self._until("@fork kvm", seconds):
            raise Failed("l1-hang", f"L1 did not load its KVM within {seconds:.0f} s")

    def end_of(self, scenario: Scenario) -> Outcome:
        """Follow the scenario's commands to L1's end."""
        try:
            if not self._until("@l0 end", scenario.limit):
                raise Failed("l1-hang", f"L1 did not end within {scenario.limit} s")
            if "@l1 end" not in self.console:
                raise self._l1_ended()
        except Failed as failed:
            return self.outcome(scenario, failed)
        return self.outcome(scenario)

    def outcome(self, scenario: Scenario, failed: Failed | None = None) -> Outcome:
        return Outcome(
            scenario,
            self.machine.start,
            failed.failure if failed else "",
            str(failed or ""),
            self.console,
            self._stale(),
            self._struck(),
            self._counted("ept") or None,
            self._counted("direct-flush") or None,
            self._counted("window"),
            seconds=self.seconds,
            cpu_seconds=self.machine.cpu_seconds(),
            log=self._log,
        )

    def _l1_ended(self) -> Failed:
        if any("Kernel panic" in line for line in self.console):
            return Failed("l1-panic", "L1 panicked")
        return Failed("l1-died", "L1 ended before its commands did")

    def _until(self, marker: str, seconds: float) -> bool:
        """Collect lines until one starts with the marker; False when out of time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self.machine.read_line(min(left, 1))
            except Ended:
                raise Failed("emulator", "the emulator ended") from None
            if line is None:
                if self.machine.panicked():
                    self.console += self.machine.kernel_lines()
                    raise Failed("l0-panic", "L0 panicked")
                continue
            self.console.append(line)
            if line.startswith(marker):
                return True
            if line.startswith("@l0 problem"):
                raise Failed("l0-problem", line)
            if line.startswith("@l0 end"):
                raise self._l1_ended()
        if self.machine.stands_still():
            raise Failed("emulator", f"the emulator stands still ({seconds:.0f} s)")
        return False

    def _stale(self) -> dict[str, int] | None:
        """The stale clean fields that L0 counted; None when it does not count."""
        if "@l0 strict" not in self.console:
            return None
        counted = [line.split()[2:] for line in self.console if line.startswith("@l0 stale ")]
        return {name: int(count) for name, count in counted}

    def _counted(self, what: str) -> dict[str, int]:
        """What one of L0's files had in it; nothing when L0 does not count."""
        figures = [line.split()[2:] for line in self.console if line.startswith(f"@l0 {what} ")]
        return {name: int(value) for name, value in figures}

    def _struck(self) -> dict[str, int]:
        """How often each fault struck."""
        counted = [line.split(maxsplit=3)[2:] for line in self.console if line.startswith("@l0 fault ")]
        return {fault: int(hits) for hits, fault in counted}
