"""Whatever the order of events, decisions and deliveries: each regression is told exactly once."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.errortracking.alerting.config import StormConfig
from resumatch_monitor.errortracking.alerting.watch import IssueWatch
from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.relay import IssueAlertRelay
from resumatch_monitor.errortracking.workflow.decisions import Decision
from resumatch_monitor.errortracking.workflow.model import Resolution, ResolutionKind
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.issues import SqlIssueStore
from resumatch_monitor.storage.sql.issues_activity import SqlIssueDesk
from resumatch_monitor.storage.sql.issues_alerts import SqlIssueAlerts
from tests.support.clock import FakeClock
from tests.support.digested import START, make_digested
from tests.support.errors import RecordingSink

_RELEASES = ("web@1.0.0", "web@1.1.0", "")
_DELIVER = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 2)), min_size=1, max_size=5)
_DECIDE = st.sampled_from(
    [
        Decision(IssueStatus.RESOLVED),
        Decision(IssueStatus.RESOLVED, Resolution(ResolutionKind.RELEASE, "web@1.1.0")),
        Decision(IssueStatus.UNRESOLVED),
        Decision(IssueStatus.IGNORED),
    ]
)
_STEPS = st.lists(st.one_of(_DELIVER, _DECIDE, st.just("restart")), min_size=1, max_size=15)

Step = list[tuple[int, int]] | Decision | str


async def play(folder: Path, steps: list[Step]) -> tuple[int, int, int]:
    """Return how often the issue came back by its row, its activity, and what people were told."""
    database, clock, sink = Database(folder / "monitor.sqlite3"), FakeClock(START), RecordingSink()
    database.start()
    watch = IssueWatch.default()
    try:
        desk, store = SqlIssueDesk(database), SqlIssueStore(database, watch)
        relay = IssueAlertRelay(
            queue=SqlIssueAlerts(database, watch),
            sink=sink,
            severity="warning",
            clock=clock,
            storm=StormConfig(issues=1_000),
        )
        await store.store([make_digested(100, occurred_at=START - timedelta(days=1))])
        for step in steps:
            await clock.advance(120)
            if isinstance(step, Decision):
                await desk.decide([1], step, actor="ada", at=clock.now())
            elif isinstance(step, str):
                store = SqlIssueStore(database, watch)
            else:
                # The same numbers come again, as after a crash between storing and committing.
                events = [make_digested(n, release=_RELEASES[which]) for n, which in step]
                await store.store(events)
                await store.store(events)
                while await relay.relay():
                    pass
        while await relay.relay():
            pass
        activity = await desk.activity(1, cursor=None, limit=1_000)
        noted = sum(entry.kind == "regressed" for entry in activity.items)
        told = [
            each.starts_at
            for each in sink.alerts
            if each.name == "IssueRegressed" and each.ends_at is None
        ]
        return noted, len(told), len(set(told))
    finally:
        database.stop()


@settings(max_examples=25, deadline=None)
@given(_STEPS)
def test_each_regression_is_told_exactly_once(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        noted, told, different = asyncio.run(play(Path(folder), steps))

    assert noted == told == different
