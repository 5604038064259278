# SPDX-License-Identifier: GPL-2.0-only
"""What every part of the rig shares: where things are, how to fail, how to say."""

import fcntl
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[2]
BUILD = TOP / "build"
RIG = BUILD / "rig"
KERNEL = RIG / "kernel"
MODULES = BUILD / "modules"
SELFTESTS = BUILD / "selftests"
TEST_MODULES = BUILD / "test-modules"
HVNEST = BUILD / "hv-static/hvnest"
RESULTS = BUILD / "results"
PROGRESS_SECONDS = 20


class CannotRun(Exception):
    """Something is missing or broken before a test could run; the text says what to do."""


def say(text: str) -> None:
    print(f"rig: {text}", file=sys.stderr, flush=True)


def output_of(command: Sequence[str | Path]) -> str:
    """Run a short command and return what it prints."""
    try:
        done = subprocess.run(command, check=True, text=True, capture_output=True)
    except FileNotFoundError as err:
        raise CannotRun(f"{command[0]}: not installed; run 'make deps'") from err
    except subprocess.CalledProcessError as err:
        words = " ".join(map(str, command))
        raise CannotRun(f"'{words}' failed:\n{err.stderr.strip()}") from err
    return done.stdout.strip()


def compile_with_progress(what: str, make: Sequence[str], env: Mapping[str, str], log: Path, compiled: str, about: int) -> int:
    """Run make, tell of the files that it has compiled, of about so many, and return its exit code. `compiled` matches
    a line that make prints for one; `log` is continued."""
    begin = shown = time.monotonic()
    count = 0
    with log.open("a") as output:
        process = subprocess.Popen(make, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        assert process.stdout
        for line in process.stdout:
            output.write(line)
            count += re.match(compiled, line) is not None
            now = time.monotonic()
            if now - shown >= PROGRESS_SECONDS:
                shown = now
                say(f"{what}: {count} of about {max(count, about)} files, {now - begin:.0f} s")
        code = process.wait()
    if not code:
        say(f"{what}: built, {count} files, {time.monotonic() - begin:.0f} s")
    return code


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Keep two rigs from writing the same generated files at once."""
    RIG.mkdir(parents=True, exist_ok=True)
    with (RIG / f".{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another rig that prepares the {name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
