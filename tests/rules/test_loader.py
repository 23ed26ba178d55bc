from datetime import timedelta
from pathlib import Path

import pytest

from resumatch_monitor.rules.loader import load_rule_files, parse_rule_file
from resumatch_monitor.rules.model import (
    AlertingRule,
    LoadedRules,
    RecordingRule,
    assign_rule_keys,
)
from resumatch_monitor.rules.policy import NoDataPolicy
from tests.rules.support import refuse_nonsense

GOOD = """\
groups:
  - name: web
    interval: 30s
    limit: 7
    query_offset: 10s
    labels: {team: core, severity: info}
    rules:
      - alert: HighErrorRate
        expr: errors > 5
        for: 5m
        keep_firing_for: 1m
        labels: {severity: critical, code: 7, deep: true}
        annotations:
          summary: "{{ $value | humanize }}"
      - record: job:errors:rate5m
        expr: rate(errors[5m])
  - name: empty
"""


def parse(text: str) -> LoadedRules:
    return parse_rule_file(
        text,
        file="rules/web.yml",
        check_expression=refuse_nonsense,
        default_interval=timedelta(seconds=15),
    )


def test_reads_groups_and_rules() -> None:
    loaded = parse(GOOD)

    assert not loaded.errors
    web, empty = loaded.groups
    alert, record = web.rules
    assert (web.interval, web.limit, web.query_offset) == (
        timedelta(seconds=30),
        7,
        timedelta(seconds=10),
    )
    assert isinstance(alert, AlertingRule)
    assert (alert.hold_duration, alert.keep_firing_for) == (
        timedelta(minutes=5),
        timedelta(minutes=1),
    )
    assert dict(alert.labels) == {
        "team": "core",
        "severity": "critical",
        "code": "7",
        "deep": "true",
    }
    assert alert.line == 8
    assert isinstance(record, RecordingRule)
    assert dict(record.labels) == {"team": "core", "severity": "info"}
    assert empty.interval == timedelta(seconds=15)


@pytest.mark.parametrize("kind", ["alert: A", "record: a"])
def test_a_rule_says_what_it_makes_of_no_data(kind: str) -> None:
    loaded = parse(one_rule(f"{{{kind}, expr: up, on_no_data: keep}}"))

    assert loaded.errors == []
    assert [each.on_no_data for each in loaded.groups[0].rules] == [NoDataPolicy.KEEP, None]


def one_rule(rule: str) -> str:
    return (
        f"groups:\n  - name: web\n    rules:\n      - {rule}\n      - {{alert: Good, expr: up}}\n"
    )


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{alert: Bad, exprr: up}", "exprr: unknown key; did you mean expr?"),
        ("{alert: Bad, expr: up, colour: red}", "colour: unknown key; known are alert, expr"),
        ("{record: a:b, expr: up, for: 5m}", "for: unknown key"),
        ("{alert: Bad}", "expr: is missing or empty"),
        ("{alert: '', expr: up}", "alert: is missing or empty"),
        ("{expr: up}", "a rule needs alert or record"),
        ("{alertt: Bad, expr: up}", "did you mean alert?"),
        ("{alert: Bad, record: a, expr: up}", "not both"),
        ("{record: 'a b', expr: up}", "not a metric name"),
        ("{alert: Bad, expr: nonsense}", "expr: unexpected nonsense"),
        ("{alert: Bad, expr: up, for: 5 minutes}", "for: '5 minutes' is not a duration"),
        ("{alert: Bad, expr: up, labels: [a]}", "labels: names and texts"),
        ("{alert: Bad, expr: up, labels: {a-b: c}}", "labels.a-b: not a name"),
        ("{alert: Bad, expr: up, labels: {__name__: c}}", "labels.__name__: not a name"),
        ("{alert: Bad, expr: up, annotations: {summary: {a: b}}}", "annotations.summary: a text"),
        ("{alert: Bad, expr: up, annotations: {summary: '{{ $value'}}", "summary: the action"),
        ("{alert: Bad, expr: up, annotations: {summary: '{{ nosuch }}'}}", "no function 'nosuch'"),
        ("{alert: Bad, expr: up, on_no_data: panic}", "on_no_data: is one of ignore, alert, keep"),
        ("just a text", "keys and values are expected"),
    ],
)
def test_one_bad_rule_does_not_stop_the_others(rule: str, message: str) -> None:
    loaded = parse(one_rule(rule))

    assert [each.name for each in loaded.groups[0].rules] == ["Good"]
    assert len(loaded.errors) == 1
    assert message in loaded.errors[0].message
    assert (loaded.errors[0].line, loaded.errors[0].group) == (4, "web")
    assert str(loaded.errors[0]).startswith("rules/web.yml:4:")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("groups:\n  - name: a\n   rules: []\n", 3, ""),
        ("group: []\n", 1, "group: unknown key; did you mean groups?"),
        ("groups: 5\n", 1, "groups: a list is expected"),
        ("- a\n", 1, "keys and values are expected"),
        ("groups:\n  - rules: []\n", 2, "name: is missing"),
        ("groups:\n  - {name: a}\n  - {name: a}\n", 3, "twice"),
        ("groups:\n  - name: a\n    interval: soon\n", 3, "interval: 'soon' is not a duration"),
        ("groups:\n  - name: a\n    interval: 5ms\n", 3, "shorter than a second"),
        ("groups:\n  - name: a\n    limit: -1\n", 3, "limit: a whole number"),
        ("groups:\n  - name: a\n    intervall: 5s\n", 3, "did you mean interval?"),
        ("groups:\n  - name: a\n    name: b\n", 3, "occurs twice"),
    ],
)
def test_names_line_and_key_of_what_is_wrong(text: str, line: int, message: str) -> None:
    loaded = parse(text)

    assert loaded.errors[0].line == line
    assert message in loaded.errors[0].message


@pytest.mark.parametrize("text", ["", "# nothing\n", "groups:\n", "groups: []\n"])
def test_an_empty_file_is_fine(text: str) -> None:
    assert parse(text) == LoadedRules([], [])


def load(*patterns: Path) -> LoadedRules:
    return load_rule_files(
        patterns, check_expression=refuse_nonsense, default_interval=timedelta(seconds=15)
    )


def test_a_broken_file_takes_only_itself_out(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("groups: [")
    (tmp_path / "b.yml").write_text(GOOD)
    (tmp_path / "c.yml").write_bytes(b"groups: \xff")

    loaded = load(tmp_path / "*.yml", tmp_path / "no*.yml")

    assert [group.name for group in loaded.groups] == ["web", "empty"]
    assert [Path(error.file).name for error in loaded.errors] == ["a.yml", "c.yml"]
    assert "not UTF-8" in loaded.errors[1].message


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert "there is no such file" in str(load(tmp_path / "missing.yml").errors[0])


def test_a_file_that_two_patterns_name_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(GOOD)

    assert len(load(tmp_path / "a.yml", tmp_path / "*.yml").groups) == 2


def test_no_two_rules_have_the_same_key() -> None:
    rules = "{alert: A, expr: up}, {alert: A, expr: down}, {record: A, expr: up}"
    loaded = parse(f"groups: [{{name: a, rules: [{rules}]}}, {{name: b, rules: [{rules}]}}]")

    keys = [key for keys in assign_rule_keys([*loaded.groups, *loaded.groups]) for key in keys]

    assert len(set(keys)) == 12


def test_texts_stay_as_they_are_written() -> None:
    loaded = parse_rule_file(
        "groups: [{name: 1.10, rules: [{alert: A, expr: 1, labels: {version: 1.10, on: yes}}]}]",
        file="rules.yml",
        check_expression=refuse_nonsense,
        default_interval=timedelta(seconds=15),
    )

    (group,) = loaded.groups
    assert group.name == "1.10"
    assert group.rules[0].labels == (("version", "1.10"), ("on", "yes"))


def test_a_group_without_an_offset_has_the_general_one() -> None:
    loaded = parse_rule_file(
        "groups: [{name: a}, {name: b, query_offset: 0s}, {name: c, query_offset: 1m}]",
        file="rules.yml",
        check_expression=refuse_nonsense,
        default_interval=timedelta(seconds=15),
        default_offset=timedelta(seconds=30),
    )

    assert [group.query_offset.total_seconds() for group in loaded.groups] == [30, 0, 60]
