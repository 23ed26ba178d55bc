"""Files of rule tests, run as `test-rules` does, and by promtool itself for comparison."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from resumatch_monitor.cli import main
from resumatch_monitor.rules.testing.command import FileOutcome, render_junit, run_rule_tests

CASES = Path(__file__).parent / "cases"
SHIPPED = Path(__file__).parent.parent / "shipped"

PASSING = [*sorted(CASES.glob("passing-*.yml")), *sorted(SHIPPED.glob("*.yaml"))]
NEWER = sorted(CASES.glob("newer-*.yml"))
FAILING = [*sorted(CASES.glob("failing-*.yml")), *sorted(CASES.glob("broken-*.yml"))]


class Output:
    """Keeps what is printed."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.complaints: list[str] = []

    @property
    def complaint(self) -> str:
        return "\n".join(self.complaints)


def run(
    *paths: Path, patterns: Sequence[str] = (), output: Output | None = None
) -> list[FileOutcome]:
    output = output or Output()
    return run_rule_tests(
        paths,
        name_patterns=[re.compile(each) for each in patterns],
        say=output.said.append,
        complain=output.complaints.append,
    )


def name_of(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", [*PASSING, *NEWER], ids=name_of)
def test_passes(path: Path) -> None:
    output = Output()

    (outcome,) = run(path, output=output)

    assert outcome.has_passed, output.complaint
    assert output.said == [f"Unit Testing:  {path}", "  SUCCESS\n"]


@pytest.mark.parametrize("path", FAILING, ids=name_of)
def test_fails(path: Path) -> None:
    output = Output()

    (outcome,) = run(path, output=output)

    assert not outcome.has_passed
    assert output.complaints[0] == "  FAILED:"
    # Everything that is wrong is told with its file, and its line where there is one.
    assert re.search(r"\.yml:\d+", output.complaint)


@pytest.mark.peer("promtool")
@pytest.mark.parametrize("path", [*PASSING, *FAILING], ids=name_of)
def test_promtool_comes_to_the_same_verdict(path: Path) -> None:
    result = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, check=False, timeout=120
    )

    assert (result.returncode == 0) is (path in PASSING), result.stderr.decode()


def fail(name: str) -> str:
    output = Output()
    run(CASES / name, output=output)
    return output.complaint


def test_shows_how_alerts_differ() -> None:
    complaint = fail("failing-label.yml")

    assert "failing-label.yml:6: alertname: Down, time: 4m" in complaint
    assert "-   where: 'a'" in complaint
    assert "+   where: 'A'" in complaint
    assert "    instance: 'gone'" in complaint


def test_shows_how_samples_differ() -> None:
    complaint = fail("failing-extra-sample.yml")

    assert "failing-extra-sample.yml:5: expr: 'a', time: 0s" in complaint
    assert '+ a{b="2"} 1' in complaint


def test_tells_which_rule_could_not_be_evaluated() -> None:
    assert "rule: limited, time: 0s" in fail("failing-limit.yml")


def test_names_everything_that_is_wrong_in_a_file_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "tests.yml"
    file.write_text(
        "rule_files: []\n"
        "tests:\n"
        "  - interval: 1mm\n"
        "  - input_series:\n"
        "      - {series: 'a', values: 1 oops}\n"
        "    promql_expr_test:\n"
        "      - {expr: a, eval_time: 1m, exp_samples: [{labels: a, valeu: 1}]}\n"
        "      - {eval_time: 1m}\n"
    )
    output = Output()

    (outcome,) = run(file, output=output)

    assert [problem.removeprefix(f"{file}:").partition(":")[0] for problem in outcome.problems] == [
        "3",
        "5",
        "7",
        "8",
    ]
    assert "valeu: unknown key; did you mean value?" in output.complaint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests: [", "tests.yml:2:1"),
        ("tests: 5", "a list is expected"),
        ("- a", "keys and values are expected"),
        ("tests: [{alert_rule_test: [{alertname: A, eval_time: 10y}]}]", "evaluations away"),
        ("tests: [{start_timestamp: soon}]", "start_timestamp: write"),
        ("fuzzy_compare: very", "true or false"),
        (
            "tests: [{promql_expr_test: [{expr: a, exp_samples: [{labels: a, histogram: x}]}]}]",
            "native histograms are not supported",
        ),
    ],
)
def test_explains_a_file_that_it_cannot_use(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "tests.yml"
    file.write_text(text)
    output = Output()

    run(file, tmp_path / "absent.yml", output=output)

    assert message in output.complaint
    assert "absent.yml: cannot be read" in output.complaint


def test_runs_only_the_tests_that_are_asked_for() -> None:
    (outcome,) = run(CASES / "passing-everything.yml", patterns=["^alerts$", "notation"])

    assert [each.test.name for each in outcome.outcomes] == ["alerts", "the expanding notation"]


def test_writes_a_junit_report() -> None:
    outcomes = run(
        CASES / "passing-everything.yml",
        CASES / "failing-value.yml",
        CASES / "broken-duration.yml",
    )

    root = ElementTree.fromstring(render_junit(outcomes))

    passing, failing, broken = root
    assert (passing.get("tests"), passing.get("failures")) == ("3", "0")
    assert (failing.get("failures"), failing.get("errors")) == ("1", "0")
    failure = failing.find("testcase/failure")
    assert failure is not None
    assert "expr: 'a'" in (failure.get("message") or "")
    assert "+ a 0.3" in (failure.text or "")
    assert broken.find("testcase/error") is not None


def test_the_command_tells_by_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passing, failing = str(CASES / "passing-no-rules.yml"), str(CASES / "failing-value.yml")
    report = tmp_path / "junit.xml"

    assert main(["test-rules", passing]) == 0
    assert main(["test-rules", passing, failing, "--junit", str(report)]) == 1
    assert main(["test-rules", passing, "--junit", str(tmp_path / "absent" / "junit.xml")]) == 1
    with pytest.raises(SystemExit) as exit_:
        main(["test-rules", passing, "--run", "("])

    output = capsys.readouterr()
    assert output.out.count("SUCCESS") == 3
    assert "FAILED" in output.err
    assert exit_.value.code == 2
    assert report.read_bytes().startswith(b"<?xml")
