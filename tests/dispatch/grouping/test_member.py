"""What there is to tell of a member, for each state that it can be in."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from resumatch_monitor.dispatch.grouping.member import Member, Outlook, Stance, View, judge
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.occurrences.flapping import Flap
from tests.dispatch.builders import START, make_alert, make_occurrence, resolve

FIRING = make_occurrence(make_alert())
ENDED = make_occurrence(resolve(make_alert(), START))
EVENT = make_occurrence(make_alert("NewIssue", is_event=True))
FLAP = Flap(START + timedelta(hours=1), "flaps")


@dataclass(frozen=True)
class Case:
    """A member and what bears on it."""

    told: bool = False
    hushed: bool = False
    flap_told: bool = False
    mute: MuteKind | None = None
    flaps: bool = False
    acknowledged: bool = False


def look(case: Case, member: Member) -> View:
    member.told_at = START if case.told else None
    member.is_hushed = case.hushed
    member.is_flap_told = case.flap_told
    mute = None if case.mute is None else Mute(case.mute, "x", "because")
    outlook = Outlook(
        mute_of=lambda _: mute,
        flap_of=lambda _: FLAP if case.flaps else None,
        is_acknowledged=lambda _: case.acknowledged,
    )
    return judge("key", member, outlook)


@pytest.mark.parametrize(
    ("case", "stance", "is_fresh"),
    [
        (Case(), Stance.NEWS, True),
        (Case(acknowledged=True), Stance.NEWS, True),
        (Case(told=True), Stance.KNOWN, False),
        (Case(told=True, hushed=True), Stance.NEWS, True),
        (Case(told=True, hushed=True, acknowledged=True), Stance.KNOWN, False),
        # Flapping is said once, whatever was told before, and holds no first message back.
        (Case(flaps=True), Stance.FLAPS, True),
        (Case(told=True, flaps=True), Stance.FLAPS, False),
        (Case(told=True, flaps=True, flap_told=True), Stance.KNOWN, False),
        (Case(told=True, flap_told=True), Stance.NEWS, False),
        *((Case(mute=kind), Stance.HELD, False) for kind in MuteKind),
        *((Case(told=True, mute=kind), Stance.HELD, False) for kind in MuteKind),
        (Case(mute=MuteKind.SILENCED, flaps=True), Stance.HELD, False),
    ],
)
def test_what_fires(case: Case, stance: Stance, *, is_fresh: bool) -> None:
    view = look(case, Member(FIRING))

    assert (view.stance, view.is_fresh) == (stance, is_fresh)


@pytest.mark.parametrize(
    ("case", "stance"),
    [
        (Case(), Stance.OVER),
        (Case(mute=MuteKind.SILENCED), Stance.OVER),
        (Case(flaps=True), Stance.OVER),
        (Case(told=True), Stance.ENDED),
        *((Case(told=True, mute=kind), Stance.ENDED) for kind in MuteKind),
        (Case(told=True, hushed=True, mute=MuteKind.SILENCED), Stance.ENDED),
        (Case(told=True, acknowledged=True), Stance.ENDED),
        (Case(told=True, flaps=True), Stance.ENDED),
        (Case(told=True, flaps=True, flap_told=True), Stance.HELD),
        (Case(told=True, flap_told=True), Stance.ENDED),
    ],
)
def test_what_has_ended(case: Case, stance: Stance) -> None:
    assert look(case, Member(ENDED)).stance is stance


@pytest.mark.parametrize(
    ("kind", "stance"),
    [
        (None, Stance.NEWS),
        (MuteKind.SILENCED, Stance.OVER),
        (MuteKind.INHIBITED, Stance.OVER),
        (MuteKind.DEPENDENT, Stance.OVER),
        (MuteKind.TIME, Stance.HELD),
        (MuteKind.QUIET_HOURS, Stance.HELD),
    ],
)
def test_what_happened(kind: MuteKind | None, stance: Stance) -> None:
    assert look(Case(mute=kind, flaps=True), Member(EVENT)).stance is stance


@pytest.mark.parametrize("kind", list(MuteKind))
def test_only_what_a_person_mutes_is_told_anew(kind: MuteKind) -> None:
    by_person = kind in (MuteKind.SILENCED, MuteKind.SNOOZED)

    assert look(Case(told=True, mute=kind), Member(FIRING)).is_hushed_now is by_person
    assert not look(Case(mute=kind), Member(FIRING)).is_hushed_now
    assert not look(Case(told=True, hushed=True, mute=kind), Member(FIRING)).is_hushed_now


def test_a_mute_is_new_if_there_was_none_or_another_one() -> None:
    member = Member(FIRING)
    assert look(Case(mute=MuteKind.SILENCED), member).is_newly_held
    member.mute = Mute(MuteKind.SILENCED, "x", "because")
    assert not look(Case(mute=MuteKind.SILENCED), member).is_newly_held
    assert look(Case(mute=MuteKind.INHIBITED), member).is_newly_held
