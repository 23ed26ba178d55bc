"""Runs whole files of rule tests and tells how they went, as `test-rules` does."""

import glob
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from resumatch_monitor.promql.parse import parse
from resumatch_monitor.rules.loader import load_rule_files
from resumatch_monitor.rules.model import LoadedRules, RuleGroup
from resumatch_monitor.rules.testing.document import RuleTest, RuleTestDocument
from resumatch_monitor.rules.testing.loader import RuleTestFileError, load_test_file
from resumatch_monitor.rules.testing.report import render_failure
from resumatch_monitor.rules.testing.run import RuleTestOutcome, run_tests

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """How the tests of one file went.

    Attributes:
        problems: Why its tests could not be run at all.
        outcomes: Of the tests that were run.
    """

    path: Path
    problems: Sequence[str] = ()
    outcomes: Sequence[RuleTestOutcome] = field(default_factory=list[RuleTestOutcome])

    @property
    def has_passed(self) -> bool:
        """Whether there is nothing to complain about."""
        return not self.problems and not any(each.failures for each in self.outcomes)


def run_rule_tests(
    paths: Sequence[Path], *, name_patterns: Sequence[re.Pattern[str]], say: Say, complain: Say
) -> list[FileOutcome]:
    """Run the tests of several files.

    Args:
        paths: The files.
        name_patterns: Only tests are run whose name contains a match of one of them; all without.
        say: Gets what is printed when all is well.
        complain: Gets what is not as it should be.
    """
    outcomes: list[FileOutcome] = []
    for path in paths:
        say(f"Unit Testing:  {path}")
        outcome = _test_file(path, name_patterns, complain)
        if outcome.has_passed:
            say("  SUCCESS\n")
        else:
            complain("  FAILED:")
            for line in _render(outcome):
                complain(line)
            complain("")
        outcomes.append(outcome)
    return outcomes


def _test_file(path: Path, patterns: Sequence[re.Pattern[str]], complain: Say) -> FileOutcome:
    try:
        document = load_test_file(path)
    except RuleTestFileError as error:
        return FileOutcome(path, problems=[str(each) for each in error.errors])
    loaded = _load_rules(document, complain)
    if loaded.errors:
        return FileOutcome(path, problems=[str(each) for each in loaded.errors])
    tests = [test for test in document.tests if _is_wanted(test, patterns)]
    groups: Sequence[RuleGroup] = loaded.groups
    return FileOutcome(path, outcomes=run_tests(document, groups, tests))


def _load_rules(document: RuleTestDocument, complain: Say) -> LoadedRules:
    found: list[Path] = []
    for pattern in document.rule_files:
        matches = sorted(glob.glob(str(pattern)))
        if not matches:
            complain(f"  WARNING: no file match pattern {pattern}")
        found.extend(map(Path, matches))
    return load_rule_files(
        list(dict.fromkeys(found)),
        check_expression=_check_expression,
        default_interval=document.evaluation_interval,
    )


def _check_expression(text: str) -> None:
    parse(text)


def _is_wanted(test: RuleTest, patterns: Sequence[re.Pattern[str]]) -> bool:
    return not patterns or any(pattern.search(test.name) for pattern in patterns)


def _render(outcome: FileOutcome) -> list[str]:
    lines = [f"    {problem}" for problem in outcome.problems]
    for each in outcome.outcomes:
        lines.extend(render_failure(str(outcome.path), failure) for failure in each.failures)
    return lines


def render_junit(outcomes: Sequence[FileOutcome]) -> bytes:
    """Render all outcomes as a JUnit report, which continuous integration shows."""
    root = ElementTree.Element("testsuites")
    for outcome in outcomes:
        failed = sum(bool(each.failures) for each in outcome.outcomes)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=str(outcome.path),
            tests=str(len(outcome.outcomes)),
            failures=str(failed),
            errors=str(len(outcome.problems)),
        )
        for problem in outcome.problems:
            case = ElementTree.SubElement(suite, "testcase", name="load")
            ElementTree.SubElement(case, "error", message=_printable(problem))
        for number, each in enumerate(outcome.outcomes, 1):
            name = each.test.name or f"test {number}, line {each.test.line}"
            case = ElementTree.SubElement(suite, "testcase", name=_printable(name))
            for failure in each.failures:
                element = ElementTree.SubElement(
                    case, "failure", message=_printable(failure.headline)
                )
                element.text = _printable("\n".join(failure.details))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _printable(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
