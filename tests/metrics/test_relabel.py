"""Relabelling, action by action."""

from typing import Any

import pytest
from pydantic import ValidationError

from resumatch_monitor.metrics.relabel import RelabelConfig, Relabeller

LABELS = {"a": "foo", "b": "bar", "c": "baz", "__meta_zone": "eu"}


def relabel(*rules: dict[str, Any], labels: dict[str, str] = LABELS) -> dict[str, str] | None:
    return Relabeller([RelabelConfig.model_validate(rule) for rule in rules]).apply(labels)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"source_labels": ["a"], "regex": "f(.*)", "target_label": "d",
          "replacement": "ch${1}-ch${1}"}, {"d": "choo-choo"}),
        ({"source_labels": ["a", "b"], "regex": "f(.*);(.*)r", "target_label": "a",
          "replacement": "b${1}${2}m"}, {"a": "boobam"}),
        ({"source_labels": ["a"], "regex": "oo", "target_label": "d"}, {}),
        ({"source_labels": ["a"], "target_label": "d"}, {"d": "foo"}),
        ({"target_label": "d", "replacement": "fixed"}, {"d": "fixed"}),
        ({"target_label": "d", "replacement": 8080}, {"d": "8080"}),
        ({"target_label": "a", "replacement": ""}, {"a": None}),
        ({"source_labels": ["nothing"], "target_label": "a"}, {"a": None}),
        ({"source_labels": ["a"], "regex": "(?P<head>.).*", "target_label": "d",
          "replacement": "${head}_$head"}, {"d": "f_f"}),
        ({"source_labels": ["a"], "regex": "(f)(.*)", "target_label": "d",
          "replacement": "$1x|$2.|$3|$$1|$"}, {"d": "|oo.||$1|$"}),
        ({"source_labels": ["a"], "regex": "(.).*", "target_label": "${1}_label"},
         {"f_label": "f"}),
        ({"source_labels": ["a", "b"], "separator": "", "target_label": "d"}, {"d": "foobar"}),
        ({"source_labels": ["a", "b"], "separator": "::", "target_label": "d"},
         {"d": "foo::bar"}),
        ({"action": "labelmap", "regex": "__meta_(.*)"}, {"zone": "eu"}),
        ({"action": "labelmap", "regex": "(b|c)", "replacement": "label_$1"},
         {"label_b": "bar", "label_c": "baz"}),
        ({"action": "labeldrop", "regex": "[ab]"}, {"a": None, "b": None}),
        ({"action": "labelkeep", "regex": "a|__meta_.*"}, {"b": None, "c": None}),
        ({"action": "LowerCase", "source_labels": ["d"], "target_label": "a"}, {"a": None}),
        ({"action": "uppercase", "source_labels": ["a"], "target_label": "d"}, {"d": "FOO"}),
        ({"action": "hashmod", "source_labels": ["c"], "target_label": "d", "modulus": 1000},
         {"d": "976"}),
        ({"action": "hashmod", "source_labels": ["a", "b"], "target_label": "d",
          "modulus": 1000}, {"d": "750"}),
    ],
)  # fmt: skip
def test_changes_labels(rule: dict[str, Any], expected: dict[str, str | None]) -> None:
    merged = {**LABELS, **expected}
    assert relabel(rule) == {name: value for name, value in merged.items() if value is not None}


@pytest.mark.parametrize(
    ("rule", "is_kept"),
    [
        ({"action": "keep", "source_labels": ["a"], "regex": "fo."}, True),
        ({"action": "keep", "source_labels": ["a"], "regex": "fo"}, False),
        ({"action": "drop", "source_labels": ["a"], "regex": "foo|bar"}, False),
        ({"action": "drop", "source_labels": ["a"], "regex": "o"}, True),
        ({"action": "keep", "source_labels": ["nothing"], "regex": ""}, True),
        ({"action": "keepequal", "source_labels": ["a"], "target_label": "b"}, False),
        ({"action": "keepequal", "source_labels": ["x"], "target_label": "y"}, True),
        ({"action": "dropequal", "source_labels": ["a"], "target_label": "a"}, False),
        ({"action": "dropequal", "source_labels": ["a"], "target_label": "b"}, True),
    ],
)
def test_keeps_or_drops(rule: dict[str, Any], is_kept: bool) -> None:
    assert (relabel(rule) is not None) is is_kept


def test_rules_apply_in_order_and_a_drop_ends_them() -> None:
    first = {"source_labels": ["a"], "target_label": "d"}
    assert relabel(first, {"source_labels": ["d"], "target_label": "e"}) == {
        **LABELS,
        "d": "foo",
        "e": "foo",
    }
    assert relabel(first, {"action": "drop", "source_labels": ["d"], "regex": "foo"}) is None
    assert LABELS["a"] == "foo", "the labels that were given stay as they are"


def test_letters_that_have_no_single_capital_stay() -> None:
    rule = {"action": "uppercase", "source_labels": ["a"], "target_label": "a"}
    assert relabel(rule, labels={"a": "straße"}) == {"a": "STRAßE"}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"source_labels": ["a"]}, "the action replace needs target_label"),
        ({"action": "hashmod", "target_label": "a"}, "hashmod needs a modulus above 0"),
        ({"action": "keepequal", "source_labels": ["a"]}, "keepequal needs target_label"),
        ({"action": "keepequal", "target_label": "a", "regex": "a"}, "keepequal takes no regex"),
        ({"action": "labeldrop", "regex": "a", "source_labels": ["b"]}, "takes no source_labels"),
        ({"action": "lowercase", "target_label": "a", "replacement": "b"}, "takes no replacement"),
        ({"action": "labelmap", "replacement": ""}, "labelmap needs a replacement"),
        ({"target_label": "a", "regex": "(a"}, "'\\(a' is not a valid regular expression"),
        ({"target_label": "a", "regex": "(?=a)"}, "is not a valid regular expression"),
        ({"action": "rename"}, "Input should be 'replace', 'keep'"),
        ({"target_label": "a", "sources": ["b"]}, "Extra inputs are not permitted"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RelabelConfig.model_validate(rule)
