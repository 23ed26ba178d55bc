"""When a rule would have fired."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.logs.alerting.config import LogRuleConfig
from resumatch_monitor.logs.alerting.preview import Preview, preview_rule
from resumatch_monitor.logs.alerting.rule import build_rule
from resumatch_monitor.logs.document import to_microseconds
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.clock import FakeClock
from tests.support.logs import make_record, place

pytestmark = pytest.mark.anyio

_NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[TantivyLogStore]:
    store = TantivyLogStore(tmp_path / "logs", clock=clock, min_free_bytes=0)
    store.open()
    records: list[Any] = []
    # Ten errors of the shop six hours ago, and three of the web an hour ago.
    for hours, count, service in ((6, 10, "shop"), (1, 3, "web")):
        at_us = to_microseconds(_NOW - timedelta(hours=hours))
        records += [
            make_record("failed", severity=17, service=service, timestamp_us=at_us + n * 1_000_000)
            for n in range(count)
        ]
    await store.append(sorted(records, key=lambda each: each.timestamp_us), until=place(1))
    yield store
    store.close()


async def _preview(store: TantivyLogStore, span: timedelta, **config: Any) -> Preview:
    rule = {"name": "r", "query": "level:error", "window": "5m", **config}
    return await preview_rule(
        build_rule(LogRuleConfig.model_validate(rule)), store, now=_NOW, span=span
    )


async def test_it_would_have_fired_while_the_window_held_too_many(store: TantivyLogStore) -> None:
    found = await _preview(store, timedelta(days=1), above=5)
    (episode,) = found.episodes
    began_at = _NOW - timedelta(hours=6)
    assert began_at <= episode.starts_at <= began_at + timedelta(minutes=2)
    assert episode.ends_at is not None
    lasted = episode.ends_at - episode.starts_at
    assert timedelta(minutes=4) <= lasted <= timedelta(minutes=6)
    assert (episode.peak, max(found.counts), found.is_cut) == (10, 10, False)
    assert len(found.counts) == round(timedelta(days=1) / found.step)


async def test_a_week_is_looked_at_as_often_as_the_window_needs(store: TantivyLogStore) -> None:
    found = await _preview(store, timedelta(days=7), above=2, window="1m")
    assert (found.step, len(found.counts)) == (timedelta(minutes=1), 7 * 24 * 60)
    assert [each.peak for each in found.episodes] == [10, 3]


async def test_groups_have_episodes_of_their_own(store: TantivyLogStore) -> None:
    found = await _preview(store, timedelta(hours=8), above=2, group_by="service")
    assert [(each.labels["service"], each.peak) for each in found.episodes] == [
        ("shop", 10),
        ("web", 3),
    ]


async def test_for_has_to_pass_before_it_fires(store: TantivyLogStore) -> None:
    (late,) = (await _preview(store, timedelta(hours=8), above=5, **{"for": "3m"})).episodes
    (soon,) = (await _preview(store, timedelta(hours=8), above=5)).episodes
    assert late.starts_at - soon.starts_at == timedelta(minutes=3)
    assert (await _preview(store, timedelta(hours=8), above=5, **{"for": "6m"})).episodes == ()


async def test_absence_is_an_episode_that_goes_on(store: TantivyLogStore) -> None:
    found = await _preview(store, timedelta(hours=2), below=1)
    assert [(each.peak, each.ends_at is None) for each in found.episodes] == [(0, False), (0, True)]
