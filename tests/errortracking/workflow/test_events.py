from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.workflow.events import (
    Sight,
    Waking,
    check_users,
    end_rest,
    observe,
)
from resumatch_monitor.errortracking.workflow.model import (
    Archive,
    ArchiveKind,
    Resolution,
    ResolutionKind,
    Standing,
)

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SEEN = {"a1": NOW - timedelta(days=2), "b2": NOW - timedelta(days=1)}
NEXT, IN = ResolutionKind.NEXT_RELEASE, ResolutionKind.RELEASE


def see(minutes: float = 1, release: str = "", *, is_synthetic: bool = False) -> Sight:
    at = NOW + timedelta(minutes=minutes)
    return Sight(at, at, release, is_synthetic)


def resolved(kind: ResolutionKind, release: str | None = None) -> Standing:
    return Standing(IssueStatus.RESOLVED, Resolution(kind, release), resolved_at=NOW)


def archived(archive: Archive, **over: int) -> Standing:
    return replace(Standing(IssueStatus.IGNORED, archive=archive), **over)


@pytest.mark.parametrize(
    ("standing", "sight", "is_back"),
    [
        (Standing(IssueStatus.RESOLVED, None, resolved_at=NOW), see(), True),
        (resolved(ResolutionKind.NOW), see(-1), False),
        (resolved(ResolutionKind.NOW), see(0), False),
        (resolved(ResolutionKind.NOW), see(1, "web@1.0.0"), True),
        (resolved(ResolutionKind.NOW), see(is_synthetic=True), False),
        (resolved(NEXT, "web@1.2.0"), see(1, "web@1.2.0"), False),
        (resolved(NEXT, "web@1.2.0"), see(1, "web@1.1.9"), False),
        (resolved(NEXT, "web@1.2.0"), see(1, "web@1.2.1"), True),
        (resolved(NEXT, "web@1.2.0"), see(-1, "web@1.2.1"), False),
        (resolved(NEXT, "web@1.2.0"), see(1, ""), True),
        (resolved(NEXT, "a1"), see(1, "b2"), True),
        (resolved(NEXT, "b2"), see(1, "a1"), False),
        (resolved(NEXT, "forgotten"), see(1, "b2"), True),
        (resolved(IN, "web@1.2.0"), see(1, "web@1.2.0"), True),
        (resolved(IN, "web@1.2.0"), see(1, "web@1.1.0"), False),
        (resolved(IN, "web@1.2.0"), see(1, "web@2.0.0"), True),
        (resolved(IN, "yet-to-come"), see(1, "b2"), False),
        (resolved(ResolutionKind.COMMIT, "b2"), see(1, "a1"), False),
        (resolved(ResolutionKind.COMMIT, "b2"), see(1, "b2"), True),
    ],
)
def test_only_what_the_resolution_should_have_prevented_reopens(
    standing: Standing, sight: Sight, *, is_back: bool
) -> None:
    reaction = observe(standing, sight, first_seen=SEEN.get)

    assert (Waking.REGRESSED in reaction.wakings) is is_back
    assert reaction.standing.is_regressed is is_back
    assert (reaction.standing.status is IssueStatus.UNRESOLVED) is is_back
    assert (reaction.standing.resolution is None) is (is_back or standing.resolution is None)


def test_a_regression_is_one_however_many_events_follow() -> None:
    standing, wakings = resolved(ResolutionKind.NOW), 0
    for minute in range(1, 5):
        reaction = observe(standing, see(minute), first_seen=SEEN.get)
        standing, wakings = reaction.standing, wakings + len(reaction.wakings)

    assert wakings == 1


def test_what_is_archived_for_ever_rests() -> None:
    standing = archived(Archive(ArchiveKind.FOREVER))

    assert observe(standing, see(), first_seen=SEEN.get).standing == standing


@pytest.mark.parametrize(("count", "is_awake"), [(8, False), (9, True), (12, True)])
def test_rests_until_there_are_more_events(count: int, *, is_awake: bool) -> None:
    standing = archived(Archive(ArchiveKind.EVENTS, events=10), event_count=count)

    reaction = observe(standing, see(), first_seen=SEEN.get)

    assert (Waking.ESCALATED in reaction.wakings) is is_awake
    assert reaction.standing.is_escalating is is_awake


@pytest.mark.parametrize(("gap", "is_awake"), [(1, True), (4, True), (6, False), (60, False)])
def test_rests_until_events_come_close_together(gap: int, *, is_awake: bool) -> None:
    window = timedelta(minutes=10)
    standing = archived(Archive(ArchiveKind.EVENTS, events=3, window=window))
    wakings: list[Waking] = []
    for number in range(12):
        reaction = observe(standing, see(number * gap), first_seen=SEEN.get)
        standing = reaction.standing
        wakings += reaction.wakings

    assert wakings == ([Waking.ESCALATED] if is_awake else [])


def test_a_window_remembers_a_bounded_number_of_counts() -> None:
    archive = Archive(ArchiveKind.ESCALATING, events=10**9, window=timedelta(hours=1))
    standing = archived(archive)
    for second in range(0, 20_000, 7):
        standing = observe(standing, see(second / 60), first_seen=SEEN.get).standing

    assert standing.archive is not None
    assert len(standing.archive.counts) <= 61
    assert Archive.from_json(standing.archive.to_json()) == standing.archive


@pytest.mark.parametrize(("users", "is_awake"), [(4, False), (5, True)])
def test_rests_until_there_are_more_users(users: int, *, is_awake: bool) -> None:
    standing = archived(Archive(ArchiveKind.USERS, users=5), user_count=users)

    assert bool(check_users(standing).wakings) is is_awake


def test_rests_until_a_time_and_then_is_not_escalating() -> None:
    standing = archived(Archive(ArchiveKind.UNTIL, until=NOW + timedelta(hours=1)))

    assert not end_rest(standing, NOW).wakings
    assert not observe(standing, see(59), first_seen=SEEN.get).wakings
    for reaction in (
        observe(standing, see(60), first_seen=SEEN.get),
        end_rest(standing, NOW + timedelta(hours=1)),
    ):
        assert reaction.wakings == (Waking.RESTED,)
        assert reaction.standing == Standing(IssueStatus.UNRESOLVED)


def test_an_issue_that_only_probes_had_met_appears_once() -> None:
    standing = Standing(IssueStatus.UNRESOLVED, is_synthetic=True)
    assert observe(standing, see(is_synthetic=True), first_seen=SEEN.get).standing == standing

    reaction = observe(standing, see(), first_seen=SEEN.get)

    assert reaction.wakings == (Waking.APPEARED,)
    assert not observe(reaction.standing, see(), first_seen=SEEN.get).wakings
