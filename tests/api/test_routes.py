"""The routing tree by API."""

from typing import Any

import pytest
from fastapi import APIRouter

from resumatch_monitor.api.routes import build_router
from resumatch_monitor.dispatch.digest.plans import build_plans
from resumatch_monitor.dispatch.muting.mute import Muters
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.routing.build import build_route
from tests.dispatch.builders import make_integration
from tests.support.clock import FakeClock
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

MAIL = {"to": ["ada@example.org"], "from": "monitor@example.org", "host": "127.0.0.1"}
PAGER = {"routing_key": "0123456789abcdef0123456789abcdef"}
INTEGRATIONS = [
    make_integration(receiver="team", kind="email"),
    make_integration(receiver="team", kind="slack"),
    make_integration(receiver="team", kind="pagerduty"),
]


def make_router(clock: FakeClock, **alerting: Any) -> APIRouter:
    config = AlertingConfig.model_validate(
        {
            "receivers": [
                {
                    "name": "team",
                    "email": [MAIL],
                    "slack": [{"webhook_url": "https://127.0.0.1/x"}],
                    "pagerduty": [PAGER],
                }
            ],
            **alerting,
        }
    )
    root = build_route(config)
    return build_router(
        root=root,
        is_default=config.policy.is_default,
        plans=build_plans(root, config=config.digests, integrations=INTEGRATIONS, locations={}),
        integrations=INTEGRATIONS,
        muter=Muters(),
        clock=clock,
        guard=make_guard(),
    )


async def ask(router: APIRouter, **labels: str) -> dict[str, Any]:
    async with serve(router, token=CHARLIE) as client:
        answer = await client.post("/api/monitor/routes/try", json={"labels": labels})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_policy_of_the_house_is_shown_as_a_tree(clock: FakeClock) -> None:
    async with serve(make_router(clock), token=CHARLIE) as client:
        shown = (await client.get("/api/monitor/routes")).json()

    assert shown["is_default"]
    assert shown["root"]["id"] == "0"
    assert shown["root"]["routes"][0]["matchers"] == '{severity="critical"}'
    assert [each["schedule"] for each in shown["digests"]] == ["weekly", "daily"]
    assert shown["receivers"][0]["name"] == "team"


async def test_a_warning_goes_to_the_chat_the_digest_and_later_to_the_pager(
    clock: FakeClock,
) -> None:
    tried = await ask(make_router(clock), alertname="Slow", severity="warning")

    kinds = [[each["kind"] for each in told["integrations"]] for told in tried["told"]]
    assert kinds == [["slack"], ["pagerduty"]]
    assert [told["after"] for told in tried["told"]] == [None, "15m"]
    assert [each["schedule"] for each in tried["digests"]] == ["daily"]
    assert tried["path"][0] == "0"
    assert set(tried["nodes"]) < set(tried["path"])
    assert tried["mute"] is None


async def test_groups_are_shown_by_their_labels(clock: FakeClock) -> None:
    route = {
        "receiver": "team",
        "group_by": ["job"],
        "routes": [{"matchers": ["team=a"], "group_wait": "30s"}],
    }
    tried = await ask(make_router(clock, route=route), alertname="A", job="api", team="a")

    (told,) = tried["told"]
    assert told["node"] == "0.0"
    assert told["group_labels"] == {"job": "api"}
    assert told["wait"] == "30s"


@pytest.mark.parametrize("labels", [{}, {"severity": "critical"}, {"alertname": "x" * 2000}])
async def test_labels_that_no_alert_has_are_refused_in_words(
    clock: FakeClock, labels: dict[str, str]
) -> None:
    async with serve(make_router(clock), token=CHARLIE) as client:
        answer = await client.post("/api/monitor/routes/try", json={"labels": labels})

    assert answer.status_code == 400
    assert "label" in answer.json()["error"]["message"]
