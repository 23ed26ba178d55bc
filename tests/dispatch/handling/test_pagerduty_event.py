from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.dispatch.handling.actions import Action, ActionKind
from resumatch_monitor.dispatch.handling.pagerduty_event import BadEventError, parse_event
from tests.dispatch.handling.pagerduty_events import (
    INCIDENT_ID,
    INTEGRATION,
    USER,
    make_event,
    make_note,
)


@pytest.mark.parametrize(
    ("event", "action"),
    [
        (make_event("incident.acknowledged"), Action(ActionKind.ACKNOWLEDGE)),
        (make_event("incident.unacknowledged"), Action(ActionKind.UNACKNOWLEDGE)),
        # A timer: nobody works on it any more.
        (make_event("incident.unacknowledged", agent=None), Action(ActionKind.UNACKNOWLEDGE)),
        (make_event("incident.resolved"), Action(ActionKind.RESOLVE)),
        (make_event("incident.delegated"), Action(ActionKind.ASSIGN, "User 123")),
        (
            make_event("incident.reassigned", assignees=[USER, {**USER, "summary": "Eve"}]),
            Action(ActionKind.ASSIGN, "Tenex Engineer, Eve"),
        ),
        (make_event("incident.escalated", agent=None), Action(ActionKind.ASSIGN, "User 123")),
        (make_event("incident.delegated", assignees=[]), None),
        (make_note(" looking "), Action(ActionKind.COMMENT, "looking")),
        (make_note(""), None),
        # What the monitor itself said comes back in these ways.
        (make_event("incident.acknowledged", agent=INTEGRATION), None),
        (make_event("incident.resolved", agent=INTEGRATION), None),
        (make_event("incident.resolved", agent=None), None),
        (make_event("incident.triggered", agent=INTEGRATION), None),
        (make_event("incident.priority_updated"), None),
        (make_event("service.updated"), None),
        (make_event("pagey.ping"), None),
    ],
)
def test_an_event_means(event: dict[str, Any], action: Action | None) -> None:
    assert parse_event(event).to_action() == action


def test_an_event_names_its_incident_by_key_or_by_id() -> None:
    incident, note = parse_event(make_event(key="k")), parse_event(make_note("x"))

    assert (incident.dedup_key, incident.incident_id) == ("k", INCIDENT_ID)
    assert (note.dedup_key, note.incident_id) == ("", INCIDENT_ID)
    assert note.actor.name == "Tenex Engineer"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"event": None},
        {"event": []},
        {"event": {}},
        {"event": {"id": 1, "event_type": "x"}},
        {"event": {"id": "x", "event_type": None}},
        {"messages": [{"event": "incident.acknowledge"}]},
    ],
)
def test_what_is_no_event_is_refused(body: object) -> None:
    with pytest.raises(BadEventError):
        parse_event(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["event", "id", "data", "agent", "incident", "type", "assignees"]),
            inner,
        )
    ),
    max_leaves=20,
)


@given(JSON, JSON, JSON)
def test_any_json_is_an_event_or_refused(body: object, data: object, agent: object) -> None:
    event = {"id": "x", "event_type": "incident.delegated", "data": data, "agent": agent}
    for each in (body, {"event": event}):
        try:
            parse_event(each).to_action()
        except BadEventError:
            continue
