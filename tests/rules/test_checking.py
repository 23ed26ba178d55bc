from pathlib import Path

import pytest

from resumatch_monitor.cli import main
from resumatch_monitor.config.defaults import RULE_FILES
from resumatch_monitor.rules.checking import check_rule_files

RULES = """\
groups:
  - name: a
    rules:
      - {alert: Down, expr: up == 0, labels: {severity: page, team: a}}
      - {record: "job:up:sum", expr: sum by (job) (up)}
  - name: b
    rules:
      - {alert: Down, expr: up < 1, labels: {team: a, severity: page}}
      - {alert: Down, expr: up < 1, labels: {severity: info}}
      - {record: "job:up:sum", expr: up}
"""


def test_tells_of_rules_that_are_there_twice(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(RULES)

    check = check_rule_files([file])

    assert (check.rule_count, list(check.errors)) == (5, [])
    assert list(check.remarks) == [
        f"{file}:8: Down is there already, with the same labels, at {file}:4",
        f"{file}:10: job:up:sum is there already, with the same labels, at {file}:5",
    ]


def test_there_is_nothing_wrong_with_the_shipped_rules() -> None:
    check = check_rule_files(RULE_FILES)

    assert (list(check.errors), list(check.remarks)) == ([], [])


def test_the_command_names_the_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text(RULES)
    bad.write_text("groups:\n  - name: a\n    rules:\n      - {alert: A, expr: 'sum('}\n")

    assert main(["check-rules", str(good)]) == 0
    assert main(["check-rules", str(good), str(bad)]) == 1
    assert main(["check-rules", str(tmp_path / "absent.yml")]) == 1

    output = capsys.readouterr()
    assert output.out == "5 rules found.\n"
    assert f"{bad}:4" in output.err
    assert "there is no such file" in output.err
