"""The policy of the house, and what is refused of the policies that people write."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.dispatch.routing.route import (
    Route,
    find_digests,
    find_groups,
    find_targets,
)
from resumatch_monitor.metrics.labels import Labels

EMAIL = {"to": ["ops@example.org"], "from": "monitor@example.org", "host": "localhost"}
SLACK = {"webhook_url": "https://hooks.slack.example/x"}
WEBHOOK = {"url": "https://hook.example/x"}
NIGHT = {
    "name": "night",
    "time_intervals": [{"times": [{"start_time": "22:00", "end_time": "24:00"}]}],
}
TEAM = {"name": "team", "email": [EMAIL], "slack": [SLACK]}
HOOK = {"name": "hook", "webhook": [WEBHOOK]}


def load(**config: Any) -> AlertingConfig:
    return AlertingConfig.model_validate(config)


def at_once(route: Route, severity: str) -> list[tuple[str, ...]]:
    labels = Labels.of(alertname="A", severity=severity)
    return [each.channels for each in find_groups(route, labels).values()]


def by_digest(route: Route, severity: str) -> list[tuple[str, tuple[str, ...]]]:
    labels = Labels.of(alertname="A", severity=severity)
    return [(each.digest, each.channels) for each in find_digests(route, labels)]


@pytest.mark.parametrize(
    ("severity", "told", "listed"),
    [
        ("critical", [()], []),
        ("warning", [("slack", "webhook", "apprise")], [("daily", ("email",))]),
        ("page", [("slack", "webhook", "apprise")], [("daily", ("email",))]),
        ("info", [], [("weekly", ("email",))]),
    ],
)
def test_the_policy_of_the_house_follows_the_severity(
    severity: str, told: list[Any], listed: list[Any]
) -> None:
    root = build_route(load(receivers=[TEAM]))

    assert root.receiver == "team"
    assert at_once(root, severity) == told
    assert by_digest(root, severity) == listed


def test_without_mail_the_digest_comes_by_what_there_is() -> None:
    root = build_route(load(receivers=[HOOK]))

    assert at_once(root, "warning") == [("slack", "webhook", "apprise")]
    assert by_digest(root, "warning") == []
    assert by_digest(root, "info") == [("weekly", ("webhook",))]


def test_the_policy_of_the_house_is_a_tree_like_any_other() -> None:
    policy = load(receivers=[TEAM]).policy

    assert policy.is_default
    written = AlertingConfig.model_validate(
        {
            "receivers": [{**TEAM, "webhook": [WEBHOOK]}],
            "escalations": [each.model_dump() for each in policy.escalations],
            "route": {
                **policy.route.model_dump(by_alias=True),
                "routes": [
                    {
                        **each.model_dump(by_alias=True),
                        "channels": each.channels
                        and [kind for kind in each.channels if kind != "apprise"],
                    }
                    for each in policy.route.routes
                ],
            },
        }
    )
    assert not written.policy.is_default


ESCALATIONS = [
    {
        "name": "boss",
        "steps": [
            {"after": "15m", "channels": ["slack"]},
            {"after": "1h", "receiver": "hook"},
        ],
    }
]


def test_a_route_with_an_escalation_has_a_group_a_step() -> None:
    root = build_route(
        load(
            receivers=[TEAM, HOOK],
            escalations=ESCALATIONS,
            route={"receiver": "team", "channels": ["email"], "escalation": "boss"},
        )
    )

    targets = find_targets(root, Labels.of(alertname="A"))

    assert [(id.receiver, id.key) for id in targets] == [
        ("team", '{}:{alertname="A"}'),
        ("team", '{}:{alertname="A"}^1'),
        ("hook", '{}:{alertname="A"}^2:team'),
    ]
    steps = [target.step for target in targets.values() if target.step]
    assert [(step.after, step.channels, step.is_last) for step in steps] == [
        (timedelta(minutes=15), ("slack",), False),
        (timedelta(hours=1), (), True),
    ]
    assert {target.base_id.receiver for target in targets.values()} == {"team"}


def test_siblings_that_read_the_same_have_groups_of_their_own() -> None:
    root = build_route(
        load(
            receivers=[TEAM],
            route={
                "routes": [
                    {"channels": ["email"], "group_wait": "1h", "continue": True},
                    {"channels": ["slack"], "continue": True},
                    {"channels": ["slack"], "digest": "daily"},
                ]
            },
        )
    )

    groups = find_groups(root, Labels.of(alertname="A"))

    assert [id.key for id in groups] == [
        '{}/{}:{alertname="A"}#email',
        '{}/{}:{alertname="A"}#slack',
    ]


def test_a_child_can_take_back_what_it_would_inherit() -> None:
    root = build_route(
        load(
            receivers=[TEAM, HOOK],
            escalations=ESCALATIONS,
            route={
                "receiver": "team",
                "channels": ["slack"],
                "escalation": "boss",
                "routes": [
                    {"matchers": ["a=1"]},
                    {"matchers": ["a=2"], "channels": [], "escalation": "none"},
                    {"matchers": ["a=3"], "escalation": "none", "digest": "weekly"},
                ],
            },
        )
    )

    inheriting, free, listed = root.routes
    assert (inheriting.channels, inheriting.escalation) == (("slack",), root.escalation)
    assert (free.channels, free.escalation) == ((), None)
    assert listed.digest == "weekly"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"route": {"channels": ["fax"]}}, "channel 'fax'; there are email, slack"),
    ({"route": {"channels": ["webhook"]}}, "'team' does not have"),
    ({"route": {"routes": [{"receiver": "hook", "channels": ["email"]}]}}, r"routes\[0\]"),
    ({"route": {"escalation": "boss"}}, "escalation 'boss', which is not there"),
    ({"route": {"mute_time_intervals": ["night"]}}, "outermost route"),
    ({"route": {"routes": [{"mute_time_intervals": ["day"]}]}}, "time interval 'day'"),
    ({"route": {"routes": [{"active_time_intervals": ["day"]}]}}, "time interval 'day'"),
    (
        {"escalations": ESCALATIONS, "route": {"escalation": "boss", "digest": "daily"}},
        "cannot be escalated",
    ),
    ({"escalations": [*ESCALATIONS, *ESCALATIONS]}, "two escalations called 'boss'"),
    ({"escalations": [{"name": "none", "steps": [{"after": "1m"}]}]}, "means none"),
    ({"escalations": [{"name": "x", "steps": []}]}, "at least 1"),
    ({"escalations": [{"name": "x", "steps": [{"after": "0s"}]}]}, "longer than 0s"),
    (
        {"escalations": [{"name": "x", "steps": [{"after": "5m"}, {"after": "5m"}]}]},
        "5m is not after 5m",
    ),
    (
        {"escalations": [{"name": "x", "steps": [{"after": "5m", "receiver": "nobody"}]}]},
        "step 1 of the escalation 'x' names the receiver 'nobody'",
    ),
    (
        {
            "escalations": [
                {
                    "name": "x",
                    "steps": [{"after": "5m", "receiver": "hook", "channels": ["email"]}],
                }
            ]
        },
        "channel 'email', which 'hook' does not have",
    ),
    (
        {"escalations": ESCALATIONS, "route": {"receiver": "hook", "escalation": "boss"}},
        "step 1 of the escalation 'boss' names the channel 'slack', which 'hook'",
    ),
    ({"quiet_hours": [{"name": "q", "time_intervals": ["day"]}]}, "time interval 'day'"),
    (
        {"quiet_hours": [{"name": "q", "severities": ["critical"], "time_intervals": ["night"]}]},
        "even_critical",
    ),
    ({"digests": {"daily_at": "25:00"}}, "time of day"),
    ({"digests": {"location": "Berlin"}}, "no time zone"),
    ({"flapping": {"changes": 2}}, "3 to 100"),
    ({"flapping": {"window": "1s"}}, "1m to 1d"),
    ({"max_messages_per_hour": -1}, "greater than or equal to 0"),
]


@pytest.mark.parametrize(("config", "problem"), REFUSED)
def test_refuses_a_policy_that_makes_no_sense(config: dict[str, Any], problem: str) -> None:
    whole = {"receivers": [TEAM, HOOK], "time_intervals": [NIGHT], **config}
    whole["route"] = {"receiver": "team", **config.get("route", {})}
    with pytest.raises(ValidationError, match=problem):
        AlertingConfig.model_validate(whole)


@pytest.mark.parametrize(
    ("fallbacks", "problem"),
    [
        ({"a": "b"}, "falls back on the receiver 'b', which is not there"),
        ({"a": "c", "c": "a"}, "in a circle: a → c → a"),
        ({"a": "a"}, "in a circle: a → a"),
    ],
)
def test_refuses_fallbacks_that_lead_nowhere(fallbacks: dict[str, str], problem: str) -> None:
    receivers = [{"name": name, "fallback": fallbacks.get(name)} for name in ("a", "c")]
    receivers = [{k: v for k, v in each.items() if v is not None} for each in receivers]

    with pytest.raises(ValidationError, match=problem):
        load(receivers=receivers, route={"receiver": "a"})


def test_critical_alerts_wait_for_the_morning_only_if_that_is_said() -> None:
    hours = {
        "name": "q",
        "severities": ["critical"],
        "even_critical": True,
        "time_intervals": ["night"],
    }

    config = load(time_intervals=[NIGHT], quiet_hours=[hours])

    assert config.quiet_hours[0].severities == ["critical"]
