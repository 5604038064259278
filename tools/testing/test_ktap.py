#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ktap.py and of check: what is wrong with a producer must not pass.

Prints KTAP itself, so that check can run it.
"""

import contextlib
import importlib.machinery
import importlib.util
import io
import sys
import tempfile
import unittest
from pathlib import Path

import ktap


def load_check():
    """check is a program and has no .py at its end."""
    path = str(Path(__file__).with_name("check"))
    loader = importlib.machinery.SourceFileLoader("check", path)
    spec = importlib.util.spec_from_loader("check", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


sys.dont_write_bytecode = True
check = load_check()


def read(*lines):
    """Returns (passed, failed, skipped) and the problems."""
    reader = ktap.Reader()
    for line in lines:
        reader.feed(line)
    reader.finish()
    return (reader.counts.passed, reader.counts.failed, reader.counts.skipped), reader.problems


def merge(script):
    """Runs check on one producer, a shell script: its output and the sum."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "check.ktap"
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            counts, _ = check.check({"it": ["sh", "-c", script]}, check.Output(path))
        assert path.read_text(encoding="utf-8") == printed.getvalue()
        return printed.getvalue(), (counts.passed, counts.failed, counts.skipped)


GOOD = "printf '%s\\n' 'KTAP version 1' 1..2 'ok 1 a' 'ok 2 b # SKIP no b'"


class ReaderTest(unittest.TestCase):
    """One stream."""

    def test_counts_by_result(self):
        counts, problems = read("KTAP version 1", "1..4", "ok 1 a", "not ok 2 b",
                                "ok 3 c # SKIP why", "ok 4 - d")
        self.assertEqual((counts, problems), ((2, 1, 1), []))

    def test_counts_leaves_only(self):
        counts, problems = read("KTAP version 1", "1..2",
                                "  KTAP version 1", "  1..2", "  ok 1 a", "  ok 2 b", "ok 1 x",
                                "  KTAP version 1", "  1..1", "  not ok 1 c", "not ok 2 y")
        self.assertEqual((counts, problems), ((2, 1, 0), []))

    def test_parent_fails_without_a_failed_child(self):
        counts, _ = read("KTAP version 1", "1..1",
                         "  KTAP version 1", "  1..1", "  ok 1 a", "not ok 1 timeout")
        self.assertEqual(counts, (1, 1, 0))

    def test_parent_hides_a_failed_child(self):
        counts, problems = read("KTAP version 1", "1..1",
                                "  KTAP version 1", "  1..1", "  not ok 1 a", "ok 1 x")
        self.assertEqual(counts, (0, 1, 0))
        self.assertEqual(len(problems), 1)

    def test_text_is_no_ktap(self):
        reader = ktap.Reader()
        self.assertFalse(reader.feed("[    0.2] kvm: okay 1"))
        self.assertFalse(reader.feed("okay then"))
        self.assertTrue(reader.feed("# a diagnostic"))

    def assert_problem(self, part, *lines):
        """The stream has a problem that is described with `part`."""
        _, problems = read(*lines)
        self.assertTrue(any(part in problem for problem in problems), problems)

    def test_empty_output(self):
        self.assert_problem("no KTAP")

    def test_no_version_line(self):
        self.assert_problem("outside of a document", "1..1", "ok 1 a")

    def test_no_plan(self):
        self.assert_problem("no plan", "KTAP version 1", "ok 1 a")

    def test_no_plan_in_subtest(self):
        self.assert_problem("no plan at depth 1", "KTAP version 1", "1..1",
                            "  KTAP version 1", "  ok 1 a", "ok 1 x")

    def test_two_plans(self):
        self.assert_problem("second plan", "KTAP version 1", "1..1", "1..1", "ok 1 a")

    def test_fewer_results_than_planned(self):
        self.assert_problem("2 tests planned", "KTAP version 1", "1..2", "ok 1 a")

    def test_more_results_than_planned(self):
        self.assert_problem("1 tests planned", "KTAP version 1", "1..1", "ok 1 a", "ok 2 b")

    def test_zero_tests(self):
        self.assert_problem("0 tests", "KTAP version 1", "1..0")

    def test_zero_tests_skipped(self):
        self.assertEqual(read("KTAP version 1", "1..0 # SKIP no kvm"), ((0, 0, 1), []))

    def test_wrong_number(self):
        self.assert_problem("expected result 2", "KTAP version 1", "1..2", "ok 1 a", "ok 3 b")

    def test_no_number(self):
        self.assert_problem("expected result 1", "KTAP version 1", "1..1", "ok a")

    def test_bail_out(self):
        self.assert_problem("bailed out: no kvm", "KTAP version 1", "1..1", "ok 1 a",
                            "Bail out! no kvm")

    def test_second_document(self):
        self.assert_problem("second KTAP document", "KTAP version 1", "1..1", "ok 1 a",
                            "KTAP version 1", "1..1", "ok 1 a")

    def test_subtest_without_parent_result(self):
        self.assert_problem("without a result line", "KTAP version 1", "1..1",
                            "  KTAP version 1", "  1..1", "  ok 1 a")

    def test_subtest_too_deep(self):
        self.assert_problem("fits no parent", "KTAP version 1", "1..1", "    KTAP version 1")


class MergeTest(unittest.TestCase):
    """One producer, run by check."""

    def test_good(self):
        text, counts = merge(GOOD)
        self.assertEqual(counts, (1, 0, 1))
        self.assertIn("\n  ok 1 a\n", text)
        self.assertIn("\nok 1 it\n", text)
        self.assertEqual(read(*text.splitlines()), ((1, 0, 1), []))

    def test_text_becomes_a_comment(self):
        text, _ = merge("echo hello; " + GOOD)
        self.assertIn("\n  # hello\n", text)

    def test_all_ok_but_exit_code(self):
        text, counts = merge(GOOD + "; exit 3")
        self.assertEqual(counts, (1, 1, 1))
        self.assertIn("exit code 3", text)
        self.assertIn("\nnot ok 1 it\n", text)

    def test_failed_but_exit_code_zero(self):
        text, counts = merge("printf '%s\\n' 'KTAP version 1' 1..1 'not ok 1 a'")
        self.assertEqual(counts, (0, 1, 0))
        self.assertIn("exit code 0", text)

    def test_killed(self):
        text, counts = merge(GOOD + "; kill -9 $$")
        self.assertEqual(counts, (1, 1, 1))
        self.assertIn("signal 9", text)

    def test_dies_half_way(self):
        _, counts = merge("printf '%s\\n' 'KTAP version 1' 1..2 'ok 1 a'; exit 1")
        self.assertEqual(counts, (1, 1, 0))

    def test_everything_skipped(self):
        text, counts = merge("printf '%s\\n' 'KTAP version 1' 1..1 'ok 1 a # SKIP x'; exit 4")
        self.assertEqual(counts, (0, 0, 1))
        self.assertIn("ok 1 it # SKIP", text)

    def test_cannot_start(self):
        with tempfile.TemporaryDirectory() as directory, \
                contextlib.redirect_stdout(io.StringIO()) as printed:
            counts, _ = check.check({"it": [directory + "/no"]},
                                    check.Output(Path(directory) / "check.ktap"))
        self.assertEqual(counts.failed, 1)
        self.assertIn("cannot start", printed.getvalue())

    def test_unknown_name(self):
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(check.main(["nothing"]), 2)


class KtapResult(unittest.TestResult):
    """Prints the result of each test as it ends."""

    def startTest(self, test):
        super().startTest(test)
        self._before = len(self.failures) + len(self.errors)

    def stopTest(self, test):
        failed = (self.failures + self.errors)[self._before:]
        for _, trace in failed:
            print("# " + trace.rstrip().replace("\n", "\n# "))
        print(f"{'not ok' if failed else 'ok'} {self.testsRun} {test.id().split('.', 1)[1]}")


def main():
    """Runs all tests; exit code 1 if one failed."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    print(f"KTAP version 1\n1..{suite.countTestCases()}")
    return 0 if suite.run(KtapResult()).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
