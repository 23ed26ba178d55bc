from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.dispatch.handling.actions import (
    LONGEST_SNOOZE,
    LONGEST_TEXT,
    Action,
    ActionKind,
    ActionRefusedError,
    Actor,
    Change,
    Subject,
    Via,
    carry_out,
)
from resumatch_monitor.dispatch.handling.handling import Handling, Outcome
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from tests.dispatch.builders import START

ID = OccurrenceId("0123456789abcdef", START)
NOW = START + timedelta(minutes=3)
LATER = NOW + timedelta(hours=1)
ADA = Actor("ada@example.org", Via.UI)
BOB = Actor("bob@example.org", Via.API)

ACKNOWLEDGED = Handling(ID, acknowledged_at=START, acknowledged_by=ADA.name)
SNOOZED = Handling(ID, snoozed_until=LATER)


def do(
    kind: ActionKind,
    handling: Handling | None = None,
    *,
    actor: Actor = ADA,
    text: str = "",
    until: datetime | None = None,
    outcome: Outcome | None = None,
    is_over: bool = False,
    is_event: bool = False,
) -> Change:
    subject = Subject(ID, is_over, is_event, handling)
    return carry_out(subject, Action(kind, text, until, outcome), actor, NOW)


@pytest.mark.parametrize(
    ("kind", "before", "text", "after", "word"),
    [
        (
            ActionKind.ACKNOWLEDGE,
            Handling(ID),
            "",
            Handling(ID, acknowledged_at=NOW, acknowledged_by=ADA.name),
            "acknowledged",
        ),
        (ActionKind.ACKNOWLEDGE, ACKNOWLEDGED, "", ACKNOWLEDGED, None),
        (
            ActionKind.ACKNOWLEDGE,
            SNOOZED,
            "",
            Handling(ID, acknowledged_at=NOW, acknowledged_by=ADA.name),
            "acknowledged",
        ),
        (ActionKind.UNACKNOWLEDGE, ACKNOWLEDGED, "", Handling(ID), "unacknowledged"),
        (ActionKind.UNACKNOWLEDGE, SNOOZED, "", SNOOZED, None),
        (
            ActionKind.ASSIGN,
            ACKNOWLEDGED,
            " bob ",
            replace(ACKNOWLEDGED, assignee="bob"),
            "assigned",
        ),
        (
            ActionKind.ASSIGN,
            Handling(ID, assignee="bob"),
            "bob",
            Handling(ID, assignee="bob"),
            None,
        ),
        (ActionKind.ASSIGN, Handling(ID, assignee="bob"), "", Handling(ID), "unassigned"),
        (ActionKind.SNOOZE, ACKNOWLEDGED, "", SNOOZED, "snoozed"),
        (ActionKind.SNOOZE, SNOOZED, "", SNOOZED, None),
        (ActionKind.UNSNOOZE, SNOOZED, "", Handling(ID), "unsnoozed"),
        (ActionKind.UNSNOOZE, Handling(ID, snoozed_until=NOW), "", None, None),
        (ActionKind.COMMENT, ACKNOWLEDGED, "looking", ACKNOWLEDGED, "commented"),
        (
            ActionKind.RESOLVE,
            SNOOZED,
            "",
            replace(SNOOZED, resolved_at=NOW, resolved_by=ADA.name),
            "resolved",
        ),
        (ActionKind.RESOLVE, Handling(ID, resolved_at=START), "", None, None),
    ],
)
def test_an_action_makes_of_a_state(
    kind: ActionKind, before: Handling, text: str, after: Handling | None, word: str | None
) -> None:
    change = do(kind, before, text=text, until=LATER if kind is ActionKind.SNOOZE else None)

    assert change.handling == (after or before)
    assert (change.entry.action if change.entry is not None else None) == word


def test_who_takes_over_does_not_make_that_nobody_worked_on_it_until_then() -> None:
    change = do(ActionKind.ACKNOWLEDGE, ACKNOWLEDGED, actor=BOB)

    assert change.handling == replace(ACKNOWLEDGED, acknowledged_by=BOB.name)
    assert change.entry is not None
    assert (change.entry.actor, change.entry.via) == (BOB.name, Via.API)


@pytest.mark.parametrize("kind", list(ActionKind))
def test_what_is_over_can_only_be_commented_and_judged(kind: ActionKind) -> None:
    allowed = {ActionKind.COMMENT, ActionKind.JUDGE}
    try:
        do(kind, text="so", until=LATER, outcome=Outcome.NOISE, is_over=True)
        refusal = None
    except ActionRefusedError as error:
        refusal = error.code

    assert refusal == (None if kind in allowed else "over")


@pytest.mark.parametrize("kind", list(ActionKind))
def test_an_event_can_neither_be_snoozed_nor_resolved(kind: ActionKind) -> None:
    refused = {ActionKind.SNOOZE, ActionKind.UNSNOOZE, ActionKind.RESOLVE}
    try:
        do(kind, text="so", until=LATER, outcome=Outcome.REAL, is_over=True, is_event=True)
        refusal = None
    except ActionRefusedError as error:
        refusal = error.code

    assert refusal == ("event" if kind in refused else None)


@pytest.mark.parametrize(
    ("kind", "text", "until", "outcome"),
    [
        (ActionKind.SNOOZE, "", None, None),
        (ActionKind.SNOOZE, "", NOW, None),
        (ActionKind.SNOOZE, "", NOW + LONGEST_SNOOZE + timedelta(seconds=1), None),
        (ActionKind.COMMENT, " \n", None, None),
        (ActionKind.COMMENT, "x" * (LONGEST_TEXT + 1), None, None),
        (ActionKind.ASSIGN, "x" * 255, None, None),
        (ActionKind.JUDGE, "", None, Outcome.MISSED),
    ],
)
def test_an_action_that_makes_no_sense_is_refused(
    kind: ActionKind, text: str, until: datetime | None, outcome: Outcome | None
) -> None:
    with pytest.raises(ActionRefusedError) as caught:
        do(kind, text=text, until=until, outcome=outcome)

    assert caught.value.code == "invalid"


def test_an_outcome_can_be_said_changed_and_taken_back() -> None:
    said = do(ActionKind.JUDGE, outcome=Outcome.NOISE, is_over=True)
    again = do(ActionKind.JUDGE, said.handling, outcome=Outcome.NOISE, is_over=True)
    back = do(ActionKind.JUDGE, said.handling, outcome=None, is_over=True)

    assert said.handling.outcome is Outcome.NOISE
    assert again.entry is None
    assert back.handling.outcome is None
    assert back.entry is not None


ACTIONS = st.builds(
    Action,
    st.sampled_from(list(ActionKind)),
    st.sampled_from(["", "text"]),
    st.sampled_from([None, NOW + timedelta(minutes=1), LATER]),
    st.sampled_from([None, Outcome.REAL, Outcome.NOISE]),
)


@given(st.lists(st.tuples(ACTIONS, st.sampled_from([ADA, BOB])), max_size=12))
def test_after_any_actions_it_is_open_or_acknowledged_or_snoozed(
    actions: list[tuple[Action, Actor]],
) -> None:
    handling = Handling(ID)
    for action, actor in actions:
        try:
            change = carry_out(Subject(ID, handling=handling), action, actor, NOW)
        except ActionRefusedError:
            continue
        again = carry_out(Subject(ID, handling=change.handling), action, actor, NOW)
        handling = change.handling

        # What is done twice is as what is done once, but a comment is another comment.
        assert again.handling == handling
        assert again.entry is None or action.kind is ActionKind.COMMENT
        assert handling.acknowledged_at is None or handling.snoozed_until is None
        assert (handling.acknowledged_at is None) == (handling.acknowledged_by == "")
