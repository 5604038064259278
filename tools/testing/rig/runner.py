# SPDX-License-Identifier: GPL-2.0-only
"""Run scenarios: quick, in forks of an L1 that has booted, or cold, each from power-on."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Queue

import images
from common import RIG, CannotRun, say
from emulator import Process, can_fork, outer_machine
from scenarios import Configuration, Kvm, Scenario, by_configuration
from session import Failed, Outcome, Session

RUNS_KEPT = 20

Task = Callable[[], Iterator[Outcome]]


def run(scenarios: Sequence[Scenario], jobs: int) -> Iterator[Outcome]:
    """Yield outcomes as they come."""
    # Whatever is missing shows here, before the first boot.
    run = Run(scenarios)
    try:
        if can_fork():
            yield from run.quick(jobs)
        else:
            yield from run.cold(jobs)
    finally:
        run.images.remove()


class Run:
    """The directory and the images of one run, and the machines that it started."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self.directory = _new_directory()
        self.groups = by_configuration(scenarios)
        self.images = images.build(self.groups, self.directory)
        self._started: list[Process] = []

    def quick(self, jobs: int) -> Iterator[Outcome]:
        """Boot L0 once, each L1 once, and fork."""
        try:
            with self._start("l0", fork=True) as l0:
                l0.until_l0_is_up()
                if l0.machine.is_template():
                    say(f"L0 is up after {l0.seconds:.1f} s")
                    # The dearest first, so that no job ends long after the others
                    groups = sorted(self.groups.items(), key=lambda group: -_patience(_all(group[1])))
                    yield from self._share([partial(self._fork_l1, l0, *group) for group in groups], jobs)
                    return
        except Failed as failed:
            raise CannotRun(f"{failed}; see {self.directory}/l0") from failed
        say(f"the emulator cannot be forked (see {self.directory}/l0/emulator.err): every scenario boots L0 and L1")
        yield from self.cold(jobs)

    def cold(self, jobs: int) -> Iterator[Outcome]:
        """Boot L0 and L1 for every scenario."""
        scenarios = sorted((s for group in self.groups.values() for s in _all(group)), key=lambda s: -s.limit)
        yield from self._share([partial(self._from_power_on, scenario) for scenario in scenarios], jobs)

    @contextmanager
    def _start(self, name: str, fork: bool) -> Iterator[Session]:
        machine = outer_machine()(self.directory / name)
        self._started.append(machine)
        with Session(machine) as session:
            machine.boot(self.images, self.images.forkserver() if fork else None)
            yield session

    def _fork_l1(self, l0: Session, configuration: Configuration, kvms: Mapping[Kvm, Sequence[Scenario]]) -> Iterator[Outcome]:
        """Boot an L1 in a fork of L0, and load each KVM in a fork of that."""
        row, left = self.images.rows[configuration], dict(kvms)
        scenarios = _all(kvms)
        with l0.fork(f"l1-{row}", f"boot {row}") as l1:
            try:
                l1.until_l1_is_up(max(s.boot_limit for s in scenarios))
                if not l1.machine.is_template():
                    raise Failed("emulator", "the emulator did not stop to be forked")
                say(f"L1 for {' '.join(s.name for s in scenarios)}: up after {l1.seconds:.1f} s")
                for number, kvm in enumerate(kvms, 1):
                    yield from self._fork_kvm(l1, f"l1-{row}-kvm-{number}", kvm, kvms[kvm])
                    del left[kvm]
            except Failed as failed:
                for scenario in _all(left):
                    yield l1.outcome(scenario, failed)

    def _fork_kvm(self, l1: Session, name: str, kvm: Kvm, scenarios: Sequence[Scenario]) -> Iterator[Outcome]:
        """Load a KVM in a fork of L1, and run each scenario in a fork of that."""
        left = list(scenarios)
        with l1.fork(name, self._load(kvm)) as loaded:
            try:
                loaded.until_kvm_is_loaded(max(s.boot_limit for s in scenarios))
                if not loaded.machine.is_template():
                    raise Failed("emulator", "the emulator did not stop to be forked")
                while left:
                    yield self._fork_test(loaded, left[0])
                    del left[0]
            except Failed as failed:
                for scenario in left:
                    yield loaded.outcome(scenario, failed)

    def _load(self, kvm: Kvm) -> str:
        faults = self.images.faults[kvm.faults]
        return f"load {faults} {self.images.kvms[kvm.modules]} {'yes' if kvm.load else 'no'} {kvm.parameters}".strip()

    def _fork_test(self, loaded: Session, scenario: Scenario) -> Outcome:
        name = f"{scenario.name}-{scenario.flavour}"
        with loaded.fork(name, f"run {scenario.name}") as test:
            outcome = test.end_of(scenario)
        if scenario.twice:
            with loaded.fork(f"{name}-again", f"run {scenario.name}") as again:
                again.end_of(scenario)
            outcome.difference = _difference(test.console, again.console)
        return outcome

    def _from_power_on(self, scenario: Scenario) -> Iterator[Outcome]:
        with self._start(f"{scenario.name}-{scenario.flavour}", fork=False) as session:
            try:
                session.until_l0_is_up()
                session.order(f"boot {self.images.rows[scenario.configuration]}")
                session.until_l1_is_up(scenario.boot_limit)
                session.order(self._load(scenario.kvm))
                session.until_kvm_is_loaded(scenario.boot_limit)
            except Failed as failed:
                yield session.outcome(scenario, failed)
                return
            session.order(f"run {scenario.name}")
            yield session.end_of(scenario)

    def _share(self, tasks: Sequence[Task], jobs: int) -> Iterator[Outcome]:
        """Work on so many tasks at once."""
        results: Queue[Outcome | BaseException | None] = Queue()

        def work(task: Task) -> None:
            try:
                for outcome in task():
                    results.put(outcome)
            except BaseException as err:  # the main thread raises it
                results.put(err)
            finally:
                results.put(None)

        left = len(tasks)
        with ThreadPoolExecutor(jobs) as pool:
            try:
                for task in tasks:
                    pool.submit(work, task)
                while left:
                    result = results.get()
                    if result is None:
                        left -= 1
                    elif isinstance(result, BaseException):
                        raise result
                    else:
                        yield result
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                # Whoever still waits for one of them sees it end.
                if left:
                    for machine in self._started:
                        machine.stop()


def _all(kvms: Mapping[Kvm, Sequence[Scenario]]) -> list[Scenario]:
    return [scenario for scenarios in kvms.values() for scenario in scenarios]


def _patience(scenarios: Sequence[Scenario]) -> int:
    """How long they may take, with the boot of their L1."""
    return sum(s.limit for s in scenarios) + max(s.boot_limit for s in scenarios)


def _difference(first: Sequence[str], second: Sequence[str]) -> str:
    """The first line in which two runs differ; empty when there is none."""
    for number, (one, other) in enumerate(zip(first, second), 1):
        if one != other:
            return f"line {number}: '{one}', then '{other}'"
    return "" if len(first) == len(second) else f"{len(first)} lines, then {len(second)}"


def _new_directory() -> Path:
    """A directory for this run; the oldest runs make room."""
    runs = RIG / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    for path in sorted(runs.iterdir())[:-RUNS_KEPT]:
        shutil.rmtree(path, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=time.strftime("%m%d-%H%M%S-"), dir=runs))
