"""The configuration in Alertmanager's words."""

from typing import Any

import pytest
import yaml

from resumatch_monitor.dispatch.policy.alertmanager_yaml import render_alertmanager_config
from resumatch_monitor.dispatch.policy.config import AlertingConfig

CONFIG: dict[str, Any] = {
    "receivers": [
        {"name": "team", "webhook": [{"url": "http://127.0.0.1:1/secret-path"}]},
        {"name": "ops"},
    ],
    "route": {
        "receiver": "team",
        "group_by": ["..."],
        "group_wait": "0s",
        "routes": [
            {
                "matchers": ['team=~"a|b"'],
                "receiver": "ops",
                "group_by": [],
                "continue": True,
                "mute_time_intervals": ["nights"],
                "digest": "daily",
            }
        ],
    },
    "time_intervals": [
        {
            "name": "nights",
            "time_intervals": [
                {
                    "times": [{"start_time": "22:00", "end_time": "24:00"}],
                    "weekdays": ["monday:friday"],
                    "location": "Europe/Berlin",
                }
            ],
        }
    ],
    "inhibit_rules": [{"source_matchers": ['a="b"'], "target_matchers": ['c="d"'], "equal": ["x"]}],
}


def render(config: dict[str, Any]) -> Any:
    return yaml.safe_load(render_alertmanager_config(AlertingConfig.model_validate(config)))


def test_routes_intervals_and_inhibitions_are_said_as_alertmanager_says_them() -> None:
    assert render(CONFIG) == {
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": "team",
            "group_by": ["..."],
            "group_wait": "0s",
            "routes": [
                {
                    "receiver": "ops",
                    "matchers": ['team=~"a|b"'],
                    "group_by": [],
                    "mute_time_intervals": ["nights"],
                    "continue": True,
                }
            ],
        },
        "inhibit_rules": CONFIG["inhibit_rules"],
        "receivers": [{"name": "default"}, {"name": "team"}, {"name": "ops"}],
        "time_intervals": CONFIG["time_intervals"],
    }


def test_the_policy_of_the_house_has_a_root() -> None:
    rendered = render({})

    assert rendered["route"]["receiver"] == "default"
    assert rendered["receivers"] == [{"name": "default"}]


def test_no_secret_is_shown() -> None:
    text = render_alertmanager_config(AlertingConfig.model_validate(CONFIG))

    assert "secret" not in text


@pytest.mark.parametrize("interval", ["group_wait", "group_interval", "repeat_interval"])
def test_intervals_are_written_as_prometheus_writes_them(interval: str) -> None:
    assert render({"route": {interval: "90s"}})["route"][interval] == "1m30s"
