# SPDX-License-Identifier: GPL-2.0-only
"""Reads a KTAP stream line by line: counts its test cases, finds what is wrong with it."""

import re
from dataclasses import dataclass, field

INDENT = "  "

_VERSION = re.compile(r"(KTAP version 1|TAP version 1[34])$")
_PLAN = re.compile(r"1\.\.(\d+)(?:\s+#\s*SKIP\b.*)?$")
_RESULT = re.compile(r"(not )?ok\b(?: (\d+))?(?: - | )?([^#]*)(?:#\s*(SKIP|TODO|XFAIL)\b.*)?", re.I)
_BAIL_OUT = re.compile(r"Bail out!\s*(.*)")


@dataclass
class Counts:
    """How many leaf test cases ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: "Counts") -> None:
        """Adds the counts of another stream to these."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass
class _Document:
    """A version line and what belongs to it, at one depth of indentation."""

    depth: int
    plan: int | None = None
    results: int = 0
    failed: bool = False
    skipped: bool = False


@dataclass
class Reader:
    """Takes one producer's lines; `counts` and `problems` hold what they amount to.

    A result that follows a nested document sums that document up and is no case of
    its own, unless it is a failure that no case in the document explains.
    """

    counts: Counts = field(default_factory=Counts)
    problems: list[str] = field(default_factory=list)
    _open: list[_Document] = field(default_factory=list)
    _seen_root: bool = False

    def feed(self, line: str) -> bool:
        """Takes a line; returns False if the line is text that is not KTAP."""
        text = line.lstrip(" ")
        depth, odd = divmod(len(line) - len(text), len(INDENT))
        if odd or not text:
            return False
        if _VERSION.match(text):
            self._begin(depth)
        elif plan := _PLAN.match(text):
            self._plan(depth, int(plan[1]), "SKIP" in text)
        elif text.startswith(("ok", "not ok")) and (result := _RESULT.match(text)):
            self._result(depth, text, result)
        elif bail := _BAIL_OUT.match(text):
            self.problems.append(f"bailed out: {bail[1] or 'no reason given'}")
        else:
            return text.startswith("#")
        return True

    def finish(self) -> None:
        """To be called after the last line."""
        while len(self._open) > 1:
            nested = self._close()
            self.problems.append(f"subtests at depth {nested.depth} end without a result line")
        if self._open:
            self._close()
        elif not self._seen_root:
            self.problems.append("no KTAP in the output")
        if self._seen_root and not any(vars(self.counts).values()):
            self.problems.append("no test case was run")

    def _begin(self, depth: int) -> None:
        if depth == 0 and self._seen_root:
            self.problems.append("a second KTAP document follows the first")
        if depth > 0 and (not self._open or depth != self._open[-1].depth + 1):
            self.problems.append(f"a document begins at depth {depth}, which fits no parent")
            return
        self._seen_root |= depth == 0
        self._open = [d for d in self._open if d.depth < depth] + [_Document(depth)]

    def _plan(self, depth: int, tests: int, skipped: bool) -> None:
        document = self._at(depth)
        if not document:
            self.problems.append(f"a plan at depth {depth} outside of a document")
        elif document.plan is not None:
            self.problems.append(f"a second plan at depth {depth}")
        else:
            document.plan = tests
            if tests == 0 and skipped:
                document.skipped = True
                self.counts.skipped += 1
            elif tests == 0:
                self.problems.append(f"a plan of 0 tests at depth {depth}")

    def _result(self, depth: int, text: str, result: re.Match[str]) -> None:
        nested = None
        if self._open and self._open[-1].depth == depth + 1:
            nested = self._close()
        document = self._at(depth)
        if not document:
            self.problems.append(f"a result outside of a document: {text}")
            return
        document.results += 1
        if result[2] is None or int(result[2]) != document.results:
            self.problems.append(f"expected result {document.results} but found: {text}")
        skipped = (result[4] or "").upper() == "SKIP"
        failed = bool(result[1]) and not result[4]
        document.failed |= failed
        if nested and nested.failed and not failed:
            self.problems.append(f"a subtest failed, but its parent did not: {text}")
        if nested and (nested.failed or not failed):
            return
        if failed:
            self.counts.failed += 1
        elif skipped:
            self.counts.skipped += 1
        else:
            self.counts.passed += 1

    def _at(self, depth: int) -> _Document | None:
        if self._open and self._open[-1].depth == depth:
            return self._open[-1]
        return None

    def _close(self) -> _Document:
        document = self._open.pop()
        where = f"at depth {document.depth}"
        if document.plan is None:
            self.problems.append(f"no plan {where}")
        elif document.plan != document.results:
            self.problems.append(
                f"{document.plan} tests planned {where}, but {document.results} reported")
        return document
