from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from resumatch_monitor.errortracking.config import ErrorsConfig
from resumatch_monitor.errortracking.workflow.owners import OwnerRule, Owners
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.digested import make_digested
from tests.support.errors import PROJECT, build_stack, make_event, make_exception, make_frame

_FRAMES = [
    make_frame("checkout", "shop.cart"),
    make_frame("call", "lib.pay", in_app=False),
    make_frame("charge", "shop.billing.card"),
]


def find(*rules: dict[str, Any], **over: Any) -> str | None:
    event = make_event(
        1, exception={"values": [make_exception() | {"stacktrace": {"frames": _FRAMES}}]}
    )
    digested = make_digested(1, payload=orjson.dumps({"event": event}), project_slug="shop", **over)
    return Owners([OwnerRule.model_validate(rule) for rule in rules]).find(digested)


@pytest.mark.parametrize(
    ("rule", "is_owner"),
    [
        ({"path": "shop/billing/**"}, True),
        ({"path": "**/card.py"}, True),
        ({"path": "/srv/shop/*.py"}, True),
        ({"path": "shop/*.js"}, False),
        ({"path": "lib/**"}, False),
        ({"projects": ["shop"]}, True),
        ({"projects": ["web"], "path": "**/card.py"}, False),
        ({"tags": {"team": "pay*"}}, True),
        ({"tags": {"team": "web"}}, False),
    ],
)
def test_owners_are_found_by_files_tags_and_projects(
    rule: dict[str, Any], *, is_owner: bool
) -> None:
    found = find({"assignee": "ada", **rule}, tags=(("team", "payments"),))

    assert found == ("ada" if is_owner else None)


def test_the_last_rule_that_matches_decides() -> None:
    everything = {"assignee": "all", "projects": ["shop"]}
    billing = {"assignee": "billing", "path": "**/billing/**"}

    assert find(everything, billing) == "billing"
    assert find(billing, everything) == "all"
    assert find() is None


@pytest.mark.parametrize(
    "rule", [{"assignee": "ada"}, {"path": "a"}, {"assignee": "ada", "path": "x" * 1_000}]
)
def test_refuses_rules_that_make_no_sense(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OwnerRule.model_validate(rule)


@pytest.mark.anyio
async def test_a_new_issue_is_its_owners_and_what_people_assign_stays(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    config = ErrorsConfig.model_validate({"owners": [{"assignee": "ada", "path": "shop/cart.py"}]})
    async with build_stack(tmp_path, database=database, clock=clock, config=config) as stack:
        url = f"/api/1/store/?sentry_key={PROJECT.key}"
        await stack.client.post(url, content=orjson.dumps(make_event(1)))
        await stack.drain()
        detail = await stack.reader.get_issue(1, clock.now())

    assert detail is not None
    assert detail.issue.assignee == "ada"
    assert "assigned" in [entry.kind for entry in detail.activity]
