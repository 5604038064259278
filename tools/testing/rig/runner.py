# SPDX-License-Identifier: GPL-2.0-only
"""Run scenarios in as few boots of L0 as possible, several L0s at once."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

from scenarios import Scenario
from session import Outcome, Session

def batches(scenarios: Sequence[Scenario], jobs: int) -> list[list[Scenario]]:
    """Share scenarios out evenly; one that breaks its L0 gets an L0 of its own."""
    alone = [[scenario] for scenario in scenarios if scenario.breaks_l0]
    together: list[list[Scenario]] = [[] for _ in range(jobs)]
    for scenario in sorted((s for s in scenarios if not s.breaks_l0), key=lambda s: -s.timeout):
        min(together, key=lambda batch: sum(s.timeout for s in batch)).append(scenario)
    return [batch for batch in together if batch] + alone


def run(scenarios: Sequence[Scenario], jobs: int) -> Iterator[Outcome]:
    """Yield outcomes as they come."""
    # Whatever is missing shows here, before the first boot.
    sessions = [Session(batch) for batch in batches(scenarios, jobs)]
    results: Queue[Outcome | Exception | None] = Queue()

    def follow(session: Session) -> None:
        try:
            for outcome in session.run():
                results.put(outcome)
        except Exception as err:  # the main thread raises it
            results.put(err)
        finally:
            results.put(None)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for session in sessions:
                pool.submit(follow, session)
            left = len(sessions)
            while left:
                result = results.get()
                if result is None:
                    left -= 1
                elif isinstance(result, Exception):
                    raise result
                else:
                    yield result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for session in sessions:
                session.stop()
