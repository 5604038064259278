# SPDX-License-Identifier: GPL-2.0-only
"""Which runs of the matrix have been done, so that one that was interrupted goes on where it stopped.

A run is done anew when anything changes of which it is made: its row, the rig, the kernels, modules and programs.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import images
import kernel
import scenarios
from common import HERE, RIG
from emulator import outer_machine
from scenarios import Scenario

DONE = RIG / "matrix.jsonl"
# What a row takes from these is in the row.
ROWS = (scenarios.TABLE, HERE / "matrix.py", HERE / "matrix_changes.py")


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _kernel(name: str) -> kernel.Kernel:
    return kernel.named(name)


@cache
def _machine() -> str:
    """The emulator and all that L0 is made of."""
    parts = [path for path in sorted(HERE.iterdir()) if path.is_file() and path not in ROWS]
    parts += [_kernel("rig").vmlinux, *sorted(images.STRICT.glob("*.ko")), images.QEMU, images.BUSYBOX]
    return " ".join([outer_machine().version(), *map(_digest, parts)])


def fingerprint(scenario: Scenario) -> str:
    booted = _kernel(scenario.configuration.kernel)
    files = [
        booted.vmlinux,
        *images.kvm_modules(scenario.kvm.modules, booted).values(),
        *images.programs(scenario.run).values(),
    ]
    return hashlib.sha256(repr([_machine(), scenario, *map(_digest, files)]).encode()).hexdigest()


class Done:
    """The records of runs, by their fingerprints."""

    def __init__(self, everything: Iterable[Scenario]) -> None:
        """Forgets what is not of these, as they are now."""
        self._key = {scenario: fingerprint(scenario) for scenario in everything}
        known = dict(json.loads(line) for line in DONE.read_text().splitlines()) if DONE.exists() else {}
        self._records = {key: known[key] for key in self._key.values() if key in known}
        partial = DONE.with_suffix(".partial")
        partial.write_text("".join(f"{json.dumps(item)}\n" for item in self._records.items()))
        partial.rename(DONE)

    def get(self, scenario: Scenario) -> dict[str, object] | None:
        return self._records.get(self._key[scenario])

    def add(self, scenario: Scenario, record: dict[str, object]) -> None:
        with DONE.open("a") as file:
            file.write(f"{json.dumps([self._key[scenario], record])}\n")
