# SPDX-License-Identifier: GPL-2.0-only
"""Puts together build/results/strict.json: what the strict L0, its faults and the mutants
say about our modules and about the kernel's own. The rest of it is in the KTAP."""

import json
from pathlib import Path
from statistics import median

RIG, COLD, MUTANTS, STRICT = "rig.json", "cold.json", "mutants.json", "strict.json"
FLAVOURS = ("stock", "nested", "full")
SLOW_SECONDS = 3  # a quick start is meant to take less
UNFOUNDED = "unfounded-"  # how L0 names a clean group of which it holds nothing


def _runs(path: Path) -> list[dict]:
    return json.loads(path.read_text())["runs"] if path.exists() else []


def _count(runs: list[dict], flavour: str, unfounded: bool) -> int:
    return sum(count for run in runs if run["flavour"] == flavour
               for name, count in run["stale"].items() if name.startswith(UNFOUNDED) == unfounded)


def _l0_loses_flushes(run: dict) -> bool:
    """That is a test of L0, and says nothing of L1."""
    return any(fault.startswith("lose ") for fault in run["faults"])


def _missed(runs: list[dict], flavour: str, what: str) -> int:
    return sum(run[what] for run in runs if run["flavour"] == flavour)


def _faults(runs: list[dict]) -> list[dict]:
    """How each flavour does under each fault; "unknown" where it was not run."""
    fates: dict[str, dict] = {}
    for run in runs:
        if run["faults"]:
            fate = fates.setdefault(run["name"], {"name": run["name"], **dict.fromkeys(FLAVOURS, "unknown")})
            fate[run["flavour"]] = "lives" if run["lives"] else "dies"
    return list(fates.values())


def _seconds(runs: list[dict]) -> float | None:
    seconds = [run["seconds"] for run in runs if run["flavour"] == "nested"]
    return round(median(seconds), 2) if seconds else None


def _slow(runs: list[dict]) -> list[dict]:
    """Those that took longer than meant, the longest first; "long" are those that cannot do with less."""
    slow = sorted((run for run in runs if run["seconds"] > SLOW_SECONDS), key=lambda run: -run["seconds"])
    return [{key: run[key] for key in ("name", "flavour", "seconds", "long")} for run in slow]


def write(results: Path, tests: int, seconds: dict[str, float]) -> None:
    """Writes the file if the rig's results are there; `tests` are the cases that ran, and
    `seconds` what each producer took."""
    runs = [run for run in _runs(results / RIG) if not _l0_loses_flushes(run)]
    if not runs:
        return
    mutants = results / MUTANTS
    quick = [run for run in runs if run["start"] == "quick"]
    strict = {
        "tests": tests,
        "seconds": seconds,
        "stale_clean_fields": {name: _count(runs, name, False) for name in FLAVOURS},
        "unfounded_clean_groups": {name: _count(runs, name, True) for name in FLAVOURS},
        "missed_flushes": {name: _missed(runs, name, "missed_flushes") for name in FLAVOURS},
        "missed_vps": {name: _missed(runs, name, "missed_vps") for name in FLAVOURS},
        "faults": _faults(runs),
        "mutants": json.loads(mutants.read_text()) if mutants.exists() else [],
        "seconds_per_test": {"cold": _seconds(_runs(results / COLD)), "quick": _seconds(quick)},
        "slow_tests": _slow(quick),
    }
    (results / STRICT).write_text(json.dumps(strict, indent=2) + "\n")
