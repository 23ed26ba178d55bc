from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.dispatch.routing.route import Route, find_groups
from resumatch_monitor.metrics.labels import Labels
from tests.dispatch.builders import make_alert

TREE: dict[str, Any] = {
    "receivers": [{"name": name} for name in ("team", "pager", "archive", "db")],
    "route": {
        "receiver": "team",
        "group_by": ["alertname"],
        "group_wait": "30s",
        "routes": [
            {"receiver": "archive", "continue": True, "group_by": ["..."]},
            {
                "matchers": ['severity="critical"'],
                "receiver": "pager",
                "group_wait": "0s",
                "routes": [{"matchers": ["job=~database|redis"], "receiver": "db"}],
            },
        ],
    },
}


def build(config: dict[str, Any]) -> Route:
    return build_route(AlertingConfig.model_validate(config))


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "info"}, ["archive"]),
        ({"severity": "critical"}, ["archive", "pager"]),
        ({"severity": "critical", "job": "redis"}, ["archive", "db"]),
    ],
)
def test_walks_depth_first_and_goes_on_after_continue(
    labels: dict[str, str], receivers: list[str]
) -> None:
    found = build(TREE).find(Labels.of(labels))

    assert [route.receiver for route in found] == receivers


def test_children_inherit_what_they_do_not_set() -> None:
    root = build(TREE)
    database = root.routes[1].routes[0]

    assert database.group_by == ("alertname",)
    assert database.timing.group_wait == timedelta(0)
    assert database.timing.repeat_interval == timedelta(hours=4)


def test_group_keys_look_like_alertmanagers() -> None:
    labels = Labels.of(alertname="Hi", severity="critical", job="redis")

    keys = [group.key for group in find_groups(build(TREE), labels)]

    assert keys == [
        '{}/{}:{alertname="Hi", job="redis", severity="critical"}',
        '{}/{severity="critical"}/{job=~"database|redis"}:{alertname="Hi"}',
    ]


def test_two_ways_into_the_same_group_are_one() -> None:
    same = {"receiver": "team", "continue": True}
    root = build({**TREE, "route": {"receiver": "team", "routes": [same, same]}})

    assert len(find_groups(root, Labels.of(alertname="Hi"))) == 1


def test_by_default_critical_alerts_do_not_wait() -> None:
    groups = find_groups(build({}), make_alert().labels)

    assert [group.receiver for group in groups] == ["default"]
    assert [route.timing.wait_for(make_alert()) for route in groups.values()] == [timedelta(0)]


def test_critical_alerts_do_not_wait_unless_a_route_says_so() -> None:
    timing = build({"route": {"group_by": []}}).timing

    assert timing.wait_for(make_alert(severity="critical")) == timedelta(0)
    assert timing.wait_for(make_alert(severity="warning")) == timedelta(seconds=15)


def test_a_single_receiver_gets_everything() -> None:
    assert build({"receivers": [{"name": "team"}]}).receiver == "team"


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"receivers": [{"name": "a"}, {"name": "b"}]}, "several receivers"),
        ({"receivers": [{"name": "a"}, {"name": "a"}]}, "two receivers"),
        ({"route": {"receiver": "nobody"}}, "not there"),
        ({"route": {"routes": [{"receiver": "nobody"}]}}, "not there"),
        ({"route": {"matchers": ["a=b"]}}, "takes every alert"),
        ({"route": {"routes": [{"matchers": ["a"]}]}}, "not a matcher"),
        ({"route": {"group_by": ["...", "a"]}}, "stands alone"),
        ({"route": {"group_by": ["a", "a"]}}, "twice"),
        ({"route": {"group_interval": "0s"}}, "at least 1s"),
    ],
)
def test_refuses_a_tree_that_makes_no_sense(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        AlertingConfig.model_validate(config)


def test_two_time_intervals_of_one_name_are_refused() -> None:
    interval: dict[str, Any] = {"name": "nights", "time_intervals": [{}]}

    with pytest.raises(ValidationError, match="two time intervals called 'nights'"):
        AlertingConfig.model_validate({"time_intervals": [interval, interval]})
