"""Deletions that nobody asks for by a request of its own are in the audit log as well."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from resumatch.backend.config import Settings
from resumatch.backend.main import create_app
from tests.resumatch.client import Client
from tests.resumatch.conftest import SYNTHETIC_TOKEN
from tests.resumatch.servers import PostgresService
from tests.support.waiting import wait_for

pytestmark = pytest.mark.anyio

_MOST_RESUMES = 50


async def test_a_resume_that_later_ones_replace_is_recorded(
    client: Client, postgres: PostgresService
) -> None:
    await client.register()
    await postgres.ask(
        "INSERT INTO resumes (id, user_id, kind, text, created_at)"
        " SELECT gen_random_uuid(), users.id, 'txt', 'old', now() - number * interval '1 day'"
        f" FROM users, generate_series(1, {_MOST_RESUMES}) AS number"
    )
    oldest = await postgres.ask("SELECT id FROM resumes ORDER BY created_at LIMIT 1")

    with capture_logs() as logs:
        await client.upload()

    deleted = [each for each in logs if each.get("action") == "resume-deletion"]
    assert [each["resume_id"] for each in deleted] == [str(oldest)]
    assert deleted[0]["outcome"] == "success"


async def test_an_account_that_a_check_left_is_recorded_when_it_is_removed(
    client: Client, postgres: PostgresService, settings: Settings
) -> None:
    await client.register(headers={"X-Monitor-Synthetic": SYNTHETIC_TOKEN})
    user_id = await postgres.ask(
        "UPDATE users SET created_at = now() - interval '2 days' RETURNING id"
    )

    app = create_app(settings)
    with capture_logs() as logs:
        async with app.router.lifespan_context(app):
            await asyncio.to_thread(wait_for, lambda: _find_action(logs))

    assert [(each["action"], each["user_id"]) for each in logs if "action" in each] == [
        ("user-deletion", str(user_id))
    ]


def _find_action(logs: Sequence[Mapping[str, Any]]) -> str | None:
    return next((each["action"] for each in logs if "action" in each), None)
