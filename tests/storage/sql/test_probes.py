from collections.abc import Sequence
from datetime import timedelta

import pytest

from resumatch_monitor.probes.outage import (
    Condition,
    EpisodeClosed,
    EpisodeKind,
    EpisodeOpened,
    Observation,
    ProbeState,
    ProbeStatus,
    Transition,
)
from resumatch_monitor.probes.store import ChartPoint, RunRecord
from resumatch_monitor.probes.uptime import Span
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.probes import SqlProbeStore
from tests.probes.recording import START, at, observe

pytestmark = pytest.mark.anyio

GAP = timedelta(seconds=135)
FULL = ProbeState(
    status=ProbeStatus.DOWN,
    status_since=at(60),
    last_at=at(70),
    failing=Condition(since=at(0), opened_at=at(60), recovering_since=at(70), cause="refused"),
    slow=Condition(),
)


@pytest.fixture
def store(database: Database) -> SqlProbeStore:
    return SqlProbeStore(database)


def run(
    observation: Observation,
    *,
    probe_id: str = "web",
    state: ProbeState | None = None,
    transitions: Sequence[Transition] = (),
) -> RunRecord:
    return RunRecord(
        probe_id=probe_id,
        observation=observation,
        verdict=observation.judge(timedelta(seconds=5)),
        state=state or ProbeState(status=ProbeStatus.UP, last_at=observation.at),
        transitions=transitions,
        longest_gap=GAP,
        alert_labels={kind: {"alertname": kind, "probe": probe_id} for kind in EpisodeKind},
    )


def opened(seconds: float, kind: EpisodeKind = EpisodeKind.DOWN) -> EpisodeOpened:
    return EpisodeOpened(kind, at(seconds), at(seconds + 60), "refused")


async def test_gives_back_the_state_that_it_was_given(store: SqlProbeStore) -> None:
    await store.record(run(observe(70, ok=False), state=FULL))

    assert await store.load_states() == {"web": FULL}


async def test_an_episode_waits_to_be_told_twice(store: SqlProbeStore) -> None:
    await store.record(run(observe(60, ok=False), transitions=[opened(0)]))
    [open_one] = await store.find_untold(9)
    await store.mark_told(open_one)
    told = await store.find_untold(9)
    closing = EpisodeClosed(EpisodeKind.DOWN, at(90))
    await store.record(run(observe(100), transitions=[closing]))
    [closed_one] = await store.find_untold(9)
    await store.mark_told(closed_one)

    assert (open_one.ended_at, open_one.is_told) == (None, False)
    assert told == []
    assert (closed_one.ended_at, closed_one.is_told) == (at(90), True)
    assert closed_one.alert_labels == {"alertname": "down", "probe": "web"}
    assert await store.find_untold(9) == []


async def test_an_end_that_comes_while_the_start_is_told_is_not_lost(store: SqlProbeStore) -> None:
    await store.record(run(observe(60, ok=False), transitions=[opened(0)]))
    [as_read] = await store.find_untold(9)
    closing = EpisodeClosed(EpisodeKind.DOWN, at(90))
    await store.record(run(observe(100), transitions=[closing]))
    await store.mark_told(as_read)

    [again] = await store.find_untold(9)
    assert (again.ended_at, again.is_told) == (at(90), True)


async def test_an_outage_never_ends_before_it_began(store: SqlProbeStore) -> None:
    await store.record(run(observe(60, ok=False), transitions=[opened(0)]))
    closing = EpisodeClosed(EpisodeKind.DOWN, at(-3600))
    await store.record(run(observe(-3600), transitions=[closing]))

    [outage] = await store.find_outages("web", before_id=None, limit=9)
    assert outage.ended_at == outage.started_at == START


async def test_a_watch_goes_on_until_there_is_a_gap(store: SqlProbeStore) -> None:
    for seconds in (0, 60, 120, 1000, 1060):
        await store.record(run(observe(seconds, took=1.0)))

    snapshots = await store.read_snapshots(["web"], results_since={"web": at(100)}, since=at(-9))
    snapshot = snapshots["web"]
    assert snapshot.watched == [Span(at(0), at(121)), Span(at(1000), at(1061))]
    assert [result.at for result in snapshot.results] == [at(120), at(1000), at(1060)]
    assert snapshot.last_result is not None
    assert snapshot.last_result.message == "200 OK"


async def test_outages_are_paged_newest_first_and_slowness_is_none(store: SqlProbeStore) -> None:
    for seconds in (0, 1000, 2000):
        transitions = [opened(seconds), EpisodeClosed(EpisodeKind.DOWN, at(seconds + 90))]
        await store.record(run(observe(seconds, ok=False), transitions=transitions))
    await store.record(run(observe(3000), transitions=[opened(3000, EpisodeKind.SLOW)]))

    first = await store.find_outages("web", before_id=None, limit=2)
    second = await store.find_outages("web", before_id=first[-1].id, limit=2)
    between = await store.find_outages_between("web", at(1050), at(2000), 9)
    recent = await store.find_recent_outages(at(1080), 9)

    assert [each.started_at for each in (*first, *second)] == [at(2000), at(1000), at(0)]
    assert [each.started_at for each in between] == [at(1000), at(2000)]
    assert [each.started_at for each in recent] == [at(2000), at(1000)]


async def test_a_chart_is_means_of_what_succeeded(store: SqlProbeStore) -> None:
    for seconds, ok, took in ((0, True, 0.1), (30, True, 0.3), (60, False, 9.0), (180, True, 0.2)):
        await store.record(run(observe(seconds, ok=ok, took=took)))

    start = round(START.timestamp() * 1000)
    points = await store.read_chart("web", from_ms=start, to_ms=start + 300_000, step_ms=60_000)

    assert points == [
        ChartPoint(start, 0.2),
        ChartPoint(start + 60_000, None),
        ChartPoint(start + 180_000, 0.2),
    ]


async def test_old_results_go_and_outages_stay_longer(store: SqlProbeStore) -> None:
    for seconds in (0, 60, 120, 7000):
        await store.record(run(observe(seconds)))
    ended = [opened(0), EpisodeClosed(EpisodeKind.DOWN, at(100))]
    await store.record(run(observe(7060), transitions=ended))

    deleted = await store.prune(results_before=at(100), outages_before=at(50))
    again = await store.prune(results_before=at(100), outages_before=at(50))

    assert (deleted, again) == (2, 0)
    assert len(await store.find_outages("web", before_id=None, limit=9)) == 1
    assert await store.prune(results_before=at(100), outages_before=at(200)) == 2


async def test_what_is_no_longer_configured_is_ended(store: SqlProbeStore) -> None:
    await store.record(run(observe(60, ok=False), transitions=[opened(0)]))
    await store.record(run(observe(60, ok=False), probe_id="api", transitions=[opened(0)]))

    await store.close_orphans(["api"], at(999))

    assert set(await store.load_states()) == {"api"}
    [web] = await store.find_outages("web", before_id=None, limit=9)
    [api] = await store.find_outages("api", before_id=None, limit=9)
    assert (web.ended_at, api.ended_at) == (at(60), None)
