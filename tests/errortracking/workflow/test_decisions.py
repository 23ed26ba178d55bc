from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.workflow.decisions import (
    Decision,
    Rest,
    Surroundings,
    decide,
    resolve_in_release,
)
from resumatch_monitor.errortracking.workflow.events import Sight, Waking, observe
from resumatch_monitor.errortracking.workflow.model import (
    Archive,
    ArchiveKind,
    DecisionError,
    Resolution,
    ResolutionKind,
    Standing,
    Substatus,
    find_substatus,
)

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
OPEN = Standing(IssueStatus.UNRESOLVED, event_count=40, user_count=4)
COMMIT = "abcdef0123"


def around(newest: str | None = "web@1.1.0", commit: str | None = None) -> Surroundings:
    return Surroundings(
        newest_release=lambda: newest,
        release_of_commit=lambda _: commit,
        busiest_hour=lambda: 30,
    )


def resolve(kind: ResolutionKind, release: str | None = None) -> Decision:
    commit = COMMIT if kind is ResolutionKind.COMMIT else None
    return Decision(IssueStatus.RESOLVED, resolution=Resolution(kind, release, commit))


@pytest.mark.parametrize(
    ("kind", "named", "release"),
    [
        (ResolutionKind.NOW, None, None),
        (ResolutionKind.NEXT_RELEASE, None, "web@1.1.0"),
        (ResolutionKind.RELEASE, None, "web@1.1.0"),
        (ResolutionKind.RELEASE, "web@7.0.0", "web@7.0.0"),
    ],
)
def test_resolves(kind: ResolutionKind, named: str | None, release: str | None) -> None:
    after, entry = decide(OPEN, resolve(kind, named), at=NOW, around=around())

    assert (after.status, after.resolved_at) == (IssueStatus.RESOLVED, NOW)
    assert after.resolution == Resolution(kind, release)
    assert entry is not None
    assert (release or "Marked") in entry.text
    assert decide(after, resolve(kind, named), at=NOW, around=around())[1] is None


def test_resolves_in_a_commit_when_its_release_comes() -> None:
    decision = resolve(ResolutionKind.COMMIT)

    pending, entry = decide(OPEN, decision, at=NOW, around=around())
    assert pending.status is IssueStatus.UNRESOLVED
    assert entry is not None
    assert decide(pending, decision, at=NOW, around=around())[1] is None

    after, _ = resolve_in_release(pending, "web@1.2.0", NOW)
    assert after.resolution == Resolution(ResolutionKind.COMMIT, "web@1.2.0", COMMIT)
    assert after.status is IssueStatus.RESOLVED
    assert decide(OPEN, decision, at=NOW, around=around(commit="web@1.2.0"))[0] == after


def test_what_was_to_be_resolved_can_be_kept_open() -> None:
    pending, _ = decide(OPEN, resolve(ResolutionKind.COMMIT), at=NOW, around=around())

    after, entry = decide(pending, Decision(IssueStatus.UNRESOLVED), at=NOW, around=around())

    assert (after.resolution, entry is None) == (None, False)


@pytest.mark.parametrize(
    ("rest", "archive"),
    [
        (Rest(), Archive(ArchiveKind.FOREVER)),
        (
            Rest(ArchiveKind.UNTIL, until=NOW + timedelta(days=1)),
            Archive(ArchiveKind.UNTIL, until=NOW + timedelta(days=1)),
        ),
        (Rest(ArchiveKind.EVENTS, events=10), Archive(ArchiveKind.EVENTS, events=50)),
        (Rest(ArchiveKind.USERS, users=10), Archive(ArchiveKind.USERS, users=14)),
        (
            Rest(ArchiveKind.EVENTS, events=10, window=timedelta(hours=2)),
            Archive(ArchiveKind.EVENTS, events=10, window=timedelta(hours=2)),
        ),
        (
            Rest(ArchiveKind.ESCALATING),
            Archive(ArchiveKind.ESCALATING, events=60, window=timedelta(hours=1)),
        ),
    ],
)
def test_archives(rest: Rest, archive: Archive) -> None:
    after, entry = decide(OPEN, Decision(IssueStatus.IGNORED, rest=rest), at=NOW, around=around())

    assert (after.status, after.archive) == (IssueStatus.IGNORED, archive)
    assert entry is not None
    assert entry.kind == "ignored"


def test_tells_in_utc_until_when_an_issue_rests() -> None:
    until = datetime(2026, 1, 6, 1, 30, tzinfo=timezone(timedelta(hours=5)))
    decision = Decision(IssueStatus.IGNORED, rest=Rest(ArchiveKind.UNTIL, until=until))

    after, entry = decide(OPEN, decision, at=NOW, around=around())

    assert after.archive == Archive(ArchiveKind.UNTIL, until=until)
    assert entry is not None
    assert entry.text == "Archived until 2026-01-05 20:30 UTC"


@pytest.mark.parametrize(
    ("decision", "surroundings"),
    [
        (resolve(ResolutionKind.NEXT_RELEASE), around(newest=None)),
        (resolve(ResolutionKind.RELEASE), around(newest=None)),
        (Decision(IssueStatus.RESOLVED, Resolution(ResolutionKind.COMMIT, None, "abc")), around()),
        (Decision(IssueStatus.IGNORED, rest=Rest(ArchiveKind.UNTIL)), around()),
        (Decision(IssueStatus.IGNORED, rest=Rest(ArchiveKind.UNTIL, until=NOW)), around()),
        (Decision(IssueStatus.IGNORED, rest=Rest(ArchiveKind.EVENTS)), around()),
        (Decision(IssueStatus.IGNORED, rest=Rest(ArchiveKind.USERS, users=0)), around()),
        (
            Decision(
                IssueStatus.IGNORED,
                rest=Rest(ArchiveKind.EVENTS, events=1, window=timedelta(days=8)),
            ),
            around(),
        ),
    ],
)
def test_refuses_what_makes_no_sense(decision: Decision, surroundings: Surroundings) -> None:
    with pytest.raises(DecisionError):
        decide(OPEN, decision, at=NOW, around=surroundings)


@pytest.mark.parametrize(
    ("status", "regressed", "escalating", "days", "substatus"),
    [
        (IssueStatus.UNRESOLVED, False, False, 1, Substatus.NEW),
        (IssueStatus.UNRESOLVED, False, False, 8, Substatus.ONGOING),
        (IssueStatus.UNRESOLVED, True, False, 1, Substatus.REGRESSED),
        (IssueStatus.UNRESOLVED, True, True, 1, Substatus.ESCALATING),
        (IssueStatus.RESOLVED, False, False, 1, None),
    ],
)
def test_says_what_an_unresolved_issue_is(
    status: IssueStatus, *, regressed: bool, escalating: bool, days: int, substatus: Substatus
) -> None:
    found = find_substatus(
        status,
        is_regressed=regressed,
        is_escalating=escalating,
        first_seen_at=NOW - timedelta(days=days),
        now=NOW,
    )
    assert found is substatus


_STEPS = st.lists(
    st.one_of(
        st.sampled_from(list(ResolutionKind)).map(resolve),
        st.just(Decision(IssueStatus.UNRESOLVED)),
        st.sampled_from(
            [
                Rest(),
                Rest(ArchiveKind.EVENTS, events=2),
                Rest(ArchiveKind.EVENTS, events=2, window=timedelta(minutes=5)),
                Rest(ArchiveKind.UNTIL, until=NOW + timedelta(hours=3)),
            ]
        ).map(lambda rest: Decision(IssueStatus.IGNORED, rest=rest)),
        st.tuples(st.integers(-60, 200), st.sampled_from(["", "web@1.0.0", "web@1.2.0"])),
    ),
    max_size=40,
)


@given(_STEPS)
def test_whatever_happens_a_regression_is_told_exactly_when_a_resolved_issue_reopens(
    steps: list[Decision | tuple[int, str]],
) -> None:
    standing, clock = OPEN, NOW
    for step in steps:
        clock += timedelta(minutes=1)
        before = standing
        if isinstance(step, Decision):
            standing, _ = decide(standing, step, at=clock, around=around())
        else:
            sight = Sight(NOW + timedelta(minutes=step[0]), clock, step[1], is_synthetic=False)
            reaction = observe(standing, sight, first_seen={"web@1.0.0": NOW}.get)
            standing = reaction.standing
            regressed = reaction.wakings.count(Waking.REGRESSED)
            reopened = (
                before.status is IssueStatus.RESOLVED and standing.status is IssueStatus.UNRESOLVED
            )
            assert regressed == int(reopened)
        assert (standing.resolved_at is not None) == (standing.status is IssueStatus.RESOLVED)
        assert (standing.archive is None) or standing.status is IssueStatus.IGNORED
        row = {**standing.to_columns(), "is_synthetic": False, "event_count": 40, "user_count": 4}
        assert Standing.of_row(row) == standing
