"""Silences on a real database: Alertmanager's rules of change, and what they hold back."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from resumatch_monitor.dispatch.matchers import parse_matchers
from resumatch_monitor.dispatch.muting.mute import MuteKind
from resumatch_monitor.dispatch.muting.silence import (
    MOST_MATCHERS,
    InvalidSilenceError,
    Silence,
    SilenceDraft,
    SilenceNotFoundError,
    SilenceState,
)
from resumatch_monitor.dispatch.muting.silence_warnings import SilenceWarnings
from resumatch_monitor.dispatch.muting.silences import MOST_SILENCES, Silences
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from resumatch_monitor.storage.sql.silences import SqlSilences
from tests.dispatch.builders import START, make_alert, make_integration, make_occurrence
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
ALERT = make_alert(instance="db-1")


class Listener:
    """Counts how often something may have changed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def silences(
    database: Database, clock: FakeClock, ids: SequentialIds, listener: Listener
) -> Silences:
    silences = make_silences(database, clock, ids, listener)
    await silences.load()
    return silences


def make_silences(
    database: Database, clock: FakeClock, ids: SequentialIds, listener: Listener | None = None
) -> Silences:
    return Silences(
        store=SqlSilences(database),
        on_change=listener or Listener(),
        clock=clock,
        ids=ids,
        telemetry=Telemetry(),
    )


def draft(
    matchers: str = 'alertname="DatabaseConnectionFailed"',
    *,
    starts_at: datetime = START,
    ends_at: datetime = START + HOUR,
    of: str = "",
    comment: str = "planned maintenance",
) -> SilenceDraft:
    return SilenceDraft(parse_matchers(matchers), starts_at, ends_at, "ada", comment, of)


async def test_a_silence_mutes_what_it_matches_from_its_start_to_its_end(
    silences: Silences, clock: FakeClock
) -> None:
    silence = await silences.set(draft(starts_at=START + HOUR, ends_at=START + 2 * HOUR))

    assert silence.state(clock.now()) is SilenceState.PENDING
    assert silences.find(ALERT, clock.now()) is None
    await clock.advance(3600)
    mute = silences.find(ALERT, clock.now())
    assert mute is not None
    assert (mute.kind, mute.by, mute.until) == (MuteKind.SILENCED, silence.id, silence.ends_at)
    assert mute.text == "silenced by ada until 2026-01-05 14:00 UTC: planned maintenance"
    assert silences.find(make_alert("HighErrorRate"), clock.now()) is None
    await clock.advance(3600)
    assert silences.find(ALERT, clock.now()) is None
    assert silence.state(clock.now()) is SilenceState.EXPIRED


@pytest.mark.parametrize(
    "matchers",
    [
        'alertname=~"Database.*"',
        'alertname!="HighErrorRate"',
        'severity="critical",instance=~"db-[0-9]"',
        'instance="db-1",team=""',
        'instance!~"web.*"',
    ],
)
async def test_a_silence_matches_as_alertmanager_does(
    silences: Silences, clock: FakeClock, matchers: str
) -> None:
    await silences.set(draft(matchers))

    assert silences.find(ALERT, clock.now()) is not None
    assert silences.find(make_alert("HighErrorRate", instance="web-1"), clock.now()) is None


async def test_of_several_silences_the_longest_is_the_reason(
    silences: Silences, clock: FakeClock
) -> None:
    await silences.set(draft())
    longer = await silences.set(draft('instance="db-1"', ends_at=START + 2 * HOUR))
    await silences.set(draft('instance=~"db.*"'))

    mute = silences.find(ALERT, clock.now())

    assert mute is not None
    assert mute.by == longer.id
    assert len(silences.silences_of(ALERT.labels)) == 3


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (draft(""), "at least one matcher"),
        (draft('team=""'), "must not match the empty string"),
        (draft('team=~".*"'), "must not match the empty string"),
        (draft(starts_at=START + HOUR), "start must be before"),
        (draft(starts_at=START - 2 * HOUR, ends_at=START - HOUR), "in the past"),
        (draft(",".join(f'l{i}="x"' for i in range(MOST_MATCHERS + 1))), "at most"),
        (draft(f'a="{"x" * 3000}"'), "matcher 1 is longer"),
        (draft(comment="x" * 5000), "comment is longer"),
    ],
)
async def test_what_cannot_be_a_silence_is_refused(
    silences: Silences, wanted: SilenceDraft, complaint: str
) -> None:
    with pytest.raises(InvalidSilenceError, match=complaint):
        await silences.set(wanted)

    assert silences.list_silences() == []


async def test_the_number_of_silences_is_bounded(
    silences: Silences, database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    one = await silences.set(draft())
    many = [replace(one, id=f"{number}") for number in range(MOST_SILENCES - 1)]
    await SqlSilences(database).save(many)
    full = make_silences(database, clock, ids)
    await full.load()

    with pytest.raises(InvalidSilenceError, match="no more are possible"):
        await full.set(draft())
    await full.set(draft(of=one.id, ends_at=START + 2 * HOUR))


@pytest.mark.parametrize(
    ("begins_in", "after", "change", "is_same"),
    [
        # Active: the end may move, the start and the matchers may not.
        (0, 60, draft(ends_at=START + 2 * HOUR), True),
        (0, 60, draft(ends_at=START + 2 * HOUR, comment="longer"), True),
        (0, 60, draft(starts_at=START + timedelta(minutes=10)), False),
        (0, 60, draft('alertname="HighErrorRate"'), False),
        # Pending: the start may move, but not to before now.
        (1800, 60, draft(starts_at=START + timedelta(minutes=10)), True),
        (1800, 60, draft(starts_at=START), False),
        (1800, 60, draft('alertname="HighErrorRate"', starts_at=START + HOUR / 2), False),
        # Expired: nothing may.
        (0, 3600, draft(ends_at=START + 2 * HOUR), False),
    ],
)
async def test_a_change_that_would_falsify_history_makes_another_silence(
    silences: Silences,
    clock: FakeClock,
    begins_in: float,
    after: float,
    change: SilenceDraft,
    is_same: bool,
) -> None:
    old = await silences.set(draft(starts_at=START + timedelta(seconds=begins_in)))
    await clock.advance(after)

    new = await silences.set(replace(change, id=old.id))

    assert (new.id == old.id) is is_same
    assert new.ends_at == change.ends_at
    if not is_same:
        assert silences.get(old.id).state(clock.now()) is SilenceState.EXPIRED
        assert new.starts_at >= clock.now()


async def test_an_unknown_silence_is_neither_changed_nor_expired(silences: Silences) -> None:
    with pytest.raises(SilenceNotFoundError):
        await silences.set(draft(of="nothing"))
    with pytest.raises(SilenceNotFoundError):
        await silences.expire("nothing")


async def test_expiring_ends_a_silence_at_once_and_for_good(
    silences: Silences, clock: FakeClock, listener: Listener
) -> None:
    active = await silences.set(draft())
    pending = await silences.set(draft(starts_at=START + HOUR / 2))
    await clock.advance(10)
    heard = listener.count

    await silences.expire(active.id)
    await silences.expire(pending.id)
    ended = await silences.expire(pending.id)

    assert silences.find(ALERT, clock.now()) is None
    assert ended.starts_at == ended.ends_at == START + timedelta(seconds=10)
    assert {each.state(clock.now()) for each in silences.list_silences()} == {SilenceState.EXPIRED}
    assert listener.count == heard + 2


async def test_who_silenced_what_and_who_ended_it_is_logged(
    silences: Silences, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    silence = await silences.set(draft())
    await silences.expire(silence.id, by="bob")
    await silences.expire(silence.id, by="bob")

    what = '{alertname="DatabaseConnectionFailed"}'
    assert caplog.messages == [
        f"ada silences until 2026-01-05T13:00:00.000Z: {what} ({silence.id})",
        f"bob ended the silence: {what} ({silence.id})",
    ]


async def test_who_ended_a_silence_is_kept(
    silences: Silences, database: Database, clock: FakeClock
) -> None:
    ended = await silences.set(draft())
    changed = await silences.set(draft())
    await clock.advance(60)
    await silences.expire(ended.id, by="bob")
    await silences.set(replace(draft('alertname="Other"'), created_by="cy", id=changed.id))

    found = await SqlSilences(database).list_between(START, clock.now(), limit=9)
    assert {each.id: each.ended_by for each in found if each.id in (ended.id, changed.id)} == {
        ended.id: "bob",
        changed.id: "cy",
    }
    assert len(found) == 3
    (first,) = await SqlSilences(database).list_between(
        START, clock.now(), labels=ALERT.labels, limit=1
    )
    assert first.id == ended.id
    assert found[0].id != ended.id


async def test_silences_outlive_the_process(
    silences: Silences, database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    await silences.set(draft('alertname=~"Data.*",instance!="db-2"'))
    ended = await silences.set(draft())
    await silences.expire(ended.id)

    after = make_silences(database, clock, ids)
    await after.load()

    assert after.list_silences() == silences.list_silences()
    assert after.find(ALERT, clock.now()) == silences.find(ALERT, clock.now())


async def test_beginning_and_ending_is_said_when_it_happens(
    silences: Silences, clock: FakeClock, listener: Listener
) -> None:
    await silences.set(draft(starts_at=START + HOUR / 2))
    heard = listener.count

    next_at = await silences.tick()
    assert (next_at, listener.count) == (START + HOUR / 2, heard)
    await clock.advance(1800)
    next_at = await silences.tick()
    assert (next_at, listener.count) == (START + HOUR, heard + 1)
    await clock.advance(1800)
    next_at = await silences.tick()
    assert (next_at, listener.count) == (None, heard + 2)


async def test_a_clock_that_is_set_back_makes_a_silence_hold_again(
    silences: Silences, clock: FakeClock, listener: Listener
) -> None:
    await silences.set(draft())
    await clock.advance(3700)
    await silences.tick()
    heard = listener.count

    clock.jump(-HOUR)
    await silences.tick()

    assert listener.count == heard + 1
    assert silences.find(ALERT, clock.now()) is not None


async def test_expired_silences_are_kept_for_five_days_and_longer_for_the_pages_of_alerts(
    silences: Silences, database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    store = SqlSilences(database)
    silence = await silences.set(draft())
    await clock.advance(5 * 86400)
    await silences.tick()
    assert len(silences.list_silences()) == 1

    await clock.advance(3600)
    await silences.tick()
    after = make_silences(database, clock, ids)
    await after.load()

    assert silences.list_silences() == after.list_silences() == []
    kept = await store.list_between(START, START + HOUR, limit=9)
    assert [each.id for each in kept] == [silence.id]
    assert await store.list_between(START + 2 * HOUR, clock.now(), limit=9) == []
    assert await store.prune(START, limit=9) == 0
    assert await store.prune(clock.now(), limit=9) == 1
    assert await store.list_between(START, START + HOUR, limit=9) == []


async def test_silences_are_listed_as_alertmanager_lists_them(
    silences: Silences, clock: FakeClock
) -> None:
    gone = await silences.set(draft())
    await silences.expire(gone.id)
    late = await silences.set(draft(ends_at=START + 3 * HOUR))
    pending = await silences.set(draft(starts_at=START + HOUR / 2))
    soon = await silences.set(draft())

    assert [each.id for each in silences.list_silences()] == [
        each.id for each in (soon, late, pending, gone)
    ]


class TestWarnings:
    """Who hears that a silence ends soon."""

    @pytest.fixture
    def firing(self) -> FiringAlerts:
        firing = FiringAlerts()
        firing.update([make_occurrence(ALERT)])
        return firing

    @pytest.fixture
    def warnings(
        self,
        silences: Silences,
        firing: FiringAlerts,
        database: Database,
        clock: FakeClock,
        ids: SequentialIds,
    ) -> SilenceWarnings:
        return make_warnings(silences, firing, database, clock, ids)

    async def test_who_will_hear_of_the_alerts_is_warned_once(
        self, silences: Silences, warnings: SilenceWarnings, database: Database, clock: FakeClock
    ) -> None:
        silence = await silences.set(draft())
        await clock.advance(44 * 60)
        await warnings.tick()
        assert await told(database) == []

        for _ in range(3):
            await clock.advance(60)
            await warnings.tick()

        assert await told(database) == [
            ("default", "A silence ends at 13:00 UTC, and 1 alert of it still fires")
        ]
        assert silences.get(silence.id).warned_at == START + 45 * HOUR / 60

    async def test_a_restart_does_not_warn_again(
        self,
        silences: Silences,
        warnings: SilenceWarnings,
        firing: FiringAlerts,
        database: Database,
        clock: FakeClock,
        ids: SequentialIds,
    ) -> None:
        await silences.set(draft())
        await clock.advance(50 * 60)
        unwarned = make_silences(database, clock, ids)
        await unwarned.load()
        await warnings.tick()

        # As if the end had come between the commit and its note in memory.
        await make_warnings(unwarned, firing, database, clock, ids).tick()
        loaded = make_silences(database, clock, ids)
        await loaded.load()
        await make_warnings(loaded, firing, database, clock, ids).tick()

        assert len(await told(database)) == 1

    async def test_a_silence_that_is_extended_is_warned_of_again(
        self, silences: Silences, warnings: SilenceWarnings, database: Database, clock: FakeClock
    ) -> None:
        silence = await silences.set(draft())
        await clock.advance(50 * 60)
        await warnings.tick()

        await silences.set(draft(of=silence.id, ends_at=START + 2 * HOUR))
        await warnings.tick()
        assert len(await told(database)) == 1
        await clock.advance(60 * 60)
        await warnings.tick()

        assert len(await told(database)) == 2

    @pytest.mark.parametrize(
        "others",
        [
            [draft('alertname="HighErrorRate"', ends_at=START + HOUR)],
            [draft(), draft('instance="db-1"', ends_at=START + 2 * HOUR)],
            [draft(starts_at=START + 50 * HOUR / 60, ends_at=START + HOUR)],
        ],
        ids=["holds nothing", "held by another", "short"],
    )
    async def test_nobody_is_warned_of_what_changes_nothing(
        self,
        silences: Silences,
        warnings: SilenceWarnings,
        database: Database,
        clock: FakeClock,
        others: list[SilenceDraft],
    ) -> None:
        for each in others:
            await silences.set(each)

        await clock.advance(55 * 60)
        await warnings.tick()

        assert await told(database) == []


def make_warnings(
    silences: Silences,
    firing: FiringAlerts,
    database: Database,
    clock: FakeClock,
    ids: SequentialIds,
) -> SilenceWarnings:
    def receivers_of(_: Labels) -> list[str]:
        return ["default", "nobody"]

    return SilenceWarnings(
        silences=silences,
        firing=firing,
        receivers_of=receivers_of,
        integrations=[make_integration(), make_integration(kind="pagerduty")],
        store=SqlSilences(database),
        on_outbox_change=lambda: None,
        clock=clock,
        ids=ids,
    )


async def told(database: Database) -> list[tuple[str, str]]:
    found = await SqlOutbox(database).list_deliveries(limit=50)
    return [(each.receiver, each.title) for each in found]


def test_a_silence_knows_its_state_to_the_millisecond() -> None:
    silence = Silence("1", (), START, START + HOUR, "", "", START, START)

    assert silence.state(START - timedelta(milliseconds=1)) is SilenceState.PENDING
    assert silence.state(START) is SilenceState.ACTIVE
    assert silence.state(START + HOUR) is SilenceState.EXPIRED
