"""An event of PagerDuty's webhooks v3, and what it means for alerts.

https://developer.pagerduty.com/docs/webhooks-overview
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from resumatch_monitor.dispatch.handling.actions import (
    LONGEST_NAME,
    LONGEST_TEXT,
    Action,
    ActionKind,
    Actor,
    Via,
)

_LONGEST_ID = 128
_LONGEST_KEY = 255
_MOST_ASSIGNEES = 20
_NAMELESS = "PagerDuty"


class BadEventError(ValueError):
    """The body is no event; the message names the place."""


@dataclass(frozen=True, slots=True)
class PagerDutyEvent:
    """What happened to an incident.

    Attributes:
        id: The same however often the event is sent.
        type: `incident.acknowledged`, …
        incident_id: Empty if it is about something else.
        dedup_key: What the monitor called the incident; empty where PagerDuty does not say.
        agent: The name of whoever did it; empty if nobody in particular.
        is_of_person: A person did it, not an integration or a timer.
        assignees: The names of those who are to work on it.
        note: What somebody wrote.
    """

    id: str
    type: str
    incident_id: str
    dedup_key: str
    agent: str
    is_of_person: bool
    assignees: Sequence[str]
    note: str

    @property
    def actor(self) -> Actor:
        """Who did it, for the journal."""
        return Actor((self.agent or _NAMELESS)[:LONGEST_NAME], Via.PAGERDUTY)

    def to_action(self) -> Action | None:
        """Return what it does about an alert; None if nothing.

        What integrations and timers do is not what people decided: the monitor's own messages
        come back in this way, and an incident that PagerDuty ends by itself still burns. But when
        an acknowledgement has run out, nobody works on it any more.
        """
        match self.type:
            case "incident.acknowledged" if self.is_of_person:
                return Action(ActionKind.ACKNOWLEDGE)
            case "incident.unacknowledged":
                return Action(ActionKind.UNACKNOWLEDGE)
            case "incident.resolved" if self.is_of_person:
                return Action(ActionKind.RESOLVE)
            case "incident.delegated" | "incident.reassigned" | "incident.escalated":
                return self._assign()
            case "incident.annotated" if self.note:
                return Action(ActionKind.COMMENT, self.note)
            case _:
                return None

    def _assign(self) -> Action | None:
        names = ", ".join(self.assignees)[:LONGEST_NAME]
        return Action(ActionKind.ASSIGN, names) if names else None


def parse_event(body: object) -> PagerDutyEvent:
    """Read the body of a webhook.

    Raises:
        BadEventError: If it is none.
    """
    event = _mapping(_mapping(body, "the body").get("event"), "event")
    event_id = _text(event.get("id"), _LONGEST_ID)
    event_type = _text(event.get("event_type"), _LONGEST_ID)
    if not event_id or not event_type:
        raise BadEventError("event.id and event.event_type must be texts")
    data = _mapping_or_empty(event.get("data"))
    agent = _mapping_or_empty(event.get("agent"))
    is_incident = data.get("type") == "incident"
    # Notes and the like name the incident by a reference, without its key.
    incident = data if is_incident else _mapping_or_empty(data.get("incident"))
    return PagerDutyEvent(
        id=event_id,
        type=event_type,
        incident_id=_text(incident.get("id"), _LONGEST_ID),
        dedup_key=_text(data.get("incident_key"), _LONGEST_KEY) if is_incident else "",
        agent=_text(agent.get("summary"), LONGEST_NAME),
        is_of_person=_text(agent.get("type"), _LONGEST_ID) in ("user_reference", "user"),
        assignees=_read_names(data.get("assignees")),
        note=_text(data.get("content"), LONGEST_TEXT).strip(),
    )


def _read_names(value: object) -> list[str]:
    people = cast("list[object]", value) if isinstance(value, list) else []
    names = [
        _text(_mapping_or_empty(each).get("summary"), LONGEST_NAME)
        for each in people[:_MOST_ASSIGNEES]
    ]
    return [name for name in names if name]


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadEventError(f"{name} must be an object")
    return cast("Mapping[str, Any]", value)


def _mapping_or_empty(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object, longest: int) -> str:
    return value[:longest] if isinstance(value, str) else ""
