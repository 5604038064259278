# SPDX-License-Identifier: GPL-2.0-only
"""The table of scenarios: reads scenarios.ini and refuses what it does not know."""

import configparser
import re
from dataclasses import dataclass
from pathlib import Path

from common import HERE, CannotRun

TABLE = HERE / "scenarios.ini"
FLAVOURS = ("stock-plain", "stock", "nested")
NESTED_ENLIGHTENMENTS = ("hv-evmcs", "hv-emsr-bitmap")
KERNELS = ("rig", "cloud")
FAILURES = ("l1-panic", "l1-hang", "l1-died", "l0-panic", "l0-hang", "emulator")


@dataclass(frozen=True)
class Scenario:
    """One boot of L1. The fields are the keys of a row; scenarios.ini explains them."""

    name: str
    about: str
    l0: tuple[str, ...]
    flavour: str
    kernel: str
    cpus: int
    memory: int
    append: str
    load: bool
    l2: bool
    l0_run: str
    run: tuple[str, ...]
    expect: tuple[str, ...]
    refuse: tuple[str, ...]
    allow: str
    expect_failure: str
    timeout: int
    groups: tuple[str, ...]

    @property
    def cpu(self) -> str:
        """QEMU's -cpu argument."""
        without = NESTED_ENLIGHTENMENTS if self.flavour == "stock-plain" else ()
        return ",".join(flag for flag in self.l0 if flag not in without)

    @property
    def breaks_l0(self) -> bool:
        return self.expect_failure in ("l0-panic", "l0-hang", "emulator")


def _expand(words: str, sets: configparser.SectionProxy) -> list[str]:
    """Replace the name of a feature set by its flags, however deep."""
    flags: list[str] = []
    for word in words.split():
        flags += _expand(sets[word], sets) if word in sets else [word]
    return flags


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _scenario(name: str, row: configparser.SectionProxy, sets: configparser.SectionProxy) -> Scenario:
    scenario = Scenario(
        name=name,
        about=row["about"],
        l0=tuple(_expand(row["l0"], sets)),
        flavour=row["flavour"],
        kernel=row["kernel"],
        cpus=row.getint("cpus"),
        memory=row.getint("memory"),
        append=row["append"],
        load=row.getboolean("load"),
        l2=row.getboolean("l2"),
        l0_run=row["l0-run"],
        run=tuple(part.strip() for part in row["run"].split(";") if part.strip()),
        expect=_lines(row["expect"]),
        refuse=_lines(row["refuse"]),
        allow=row["allow"],
        expect_failure=row["expect-failure"],
        timeout=row.getint("timeout"),
        groups=tuple(row["groups"].split()),
    )
    if scenario.flavour not in FLAVOURS:
        raise ValueError(f"flavour '{scenario.flavour}' is none of {', '.join(FLAVOURS)}")
    if scenario.kernel not in KERNELS:
        raise ValueError(f"kernel '{scenario.kernel}' is none of {', '.join(KERNELS)}")
    if scenario.expect_failure and scenario.expect_failure not in FAILURES:
        raise ValueError(f"expect-failure '{scenario.expect_failure}' is none of {', '.join(FAILURES)}")
    for pattern in (*scenario.expect, *scenario.refuse, scenario.allow):
        re.compile(pattern)
    return scenario


def load(path: Path = TABLE) -> list[Scenario]:
    table = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=None)
    table.read_string(path.read_text(), source=str(path))
    known = set(table.defaults())
    scenarios = []
    for name in table.sections():
        if name == "l0":
            continue
        row = table[name]
        unknown = set(row) - known
        if unknown:
            raise CannotRun(f"{path}: [{name}]: unknown key '{min(unknown)}'; the keys are those of [DEFAULT]")
        try:
            scenarios.append(_scenario(name, row, table["l0"]))
        except (ValueError, re.error) as err:
            raise CannotRun(f"{path}: [{name}]: {err}") from err
    return scenarios


def select(names: list[str], groups: list[str]) -> list[Scenario]:
    """The scenarios of these names and groups, in the table's order."""
    table = load()
    missing = set(names) - {s.name for s in table} | set(groups) - {g for s in table for g in s.groups}
    if missing:
        raise CannotRun(f"no scenario or group '{min(missing)}'; 'rig list' shows all")
    return [s for s in table if s.name in names or set(groups) & set(s.groups)]
