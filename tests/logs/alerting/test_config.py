"""What a rule over records may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from resumatch_monitor.config.loader import ConfigError, parse_config
from resumatch_monitor.logs.alerting.config import LogRuleConfig


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({}, "either above or below"),
        ({"above": 1, "below": 1}, "either above or below"),
        ({"below": 1, "group_by": "service"}, "which values are expected"),
        ({"above": 1, "groups": ["a"]}, "groups belong to below"),
        ({"above": 1, "group_by": "msg"}, "messages have no groups"),
        ({"above": 1, "window": "10s"}, "a minute to a day"),
        ({"above": 1, "every": "1s"}, "every 10 seconds to every hour"),
        ({"above": 1, "labels": {"severity": "x"}}, "cannot be a label"),
        ({"above": 1, "labels": {"a b": "x"}}, "cannot be a label"),
        ({"above": 1, "query": "(a"}, "the query cannot be read at character"),
        ({"above": 1, "query": "/(/"}, "cannot be read"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(over: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LogRuleConfig.model_validate({"name": "r", "query": "a", **over})


def test_two_rules_of_one_name_are_refused_with_their_place() -> None:
    rule = "{name: r, query: a, above: 1}"
    with pytest.raises(ConfigError) as raised:
        parse_config(
            f"logs:\n  rules:\n    - {rule}\n    - {rule}\n", source="m.yaml", environment={}
        )
    (problem,) = raised.value.problems
    assert (problem.line, problem.key) == (3, "logs.rules")
    assert "2 rules are called 'r'" in problem.message
