from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.diagnosis import SqlDiagnosisErrors
from tests.support.clock import FakeClock
from tests.support.errors import PROJECT, build_stack, make_event, make_exception

pytestmark = pytest.mark.anyio


async def test_finds_the_new_issue_with_the_most_events_and_the_last_release(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    now = clock.now()
    events = [
        (1, -300, "2.0.0", "Old"),
        (2, -10, "2.1.0", "Rare"),
        (3, -9, "2.1.0", "Frequent"),
        (4, -8, "2.1.0", "Frequent"),
    ]
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        for number, minutes, release, kind in events:
            event = make_event(
                number,
                timestamp=(now + timedelta(minutes=minutes)).isoformat(),
                release=release,
                exception={"values": [make_exception(kind, "x")]},
            )
            await stack.client.post(
                f"/api/1/store/?sentry_key={PROJECT.key}", content=orjson.dumps(event)
            )
        await stack.drain()
    errors = SqlDiagnosisErrors(database)

    issue = await errors.find_new_issue(now - timedelta(minutes=15), now)
    release = await errors.find_last_release(now)
    earlier = await errors.find_last_release(now - timedelta(hours=1))

    assert issue is not None
    assert (issue.title, issue.event_count, issue.release) == ("Frequent: x", 2, "2.1.0")
    assert await errors.get_issue(issue.id) == issue
    assert await errors.get_issue(99) is None
    assert await errors.find_new_issue(now, now) is None
    assert release is not None
    assert (release.version, release.first_seen_at) == ("2.1.0", now - timedelta(minutes=10))
    assert earlier is not None
    assert earlier.version == "2.0.0"
    assert await errors.find_last_release(now - timedelta(days=1)) is None
