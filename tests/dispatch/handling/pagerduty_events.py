"""Events as PagerDuty's webhooks v3 send them."""

import hashlib
import hmac
from typing import Any

USER = {
    "html_url": "https://acme.pagerduty.com/users/PLH1HKV",
    "id": "PLH1HKV",
    "self": "https://api.pagerduty.com/users/PLH1HKV",
    "summary": "Tenex Engineer",
    "type": "user_reference",
}
INTEGRATION = {
    "id": "PINTEGR",
    "summary": "Events API V2",
    "type": "events_api_v2_inbound_integration_reference",
}
INCIDENT_ID = "PGR0VU2"


def make_event(
    kind: str = "incident.acknowledged",
    *,
    key: str = "",
    event_id: str = "5ac64822-4adc-4fda-ade0-410becf0de4f",
    agent: dict[str, str] | None = USER,
    **data: Any,
) -> dict[str, Any]:
    """Return an event about an incident that the monitor called `key`."""
    return {
        "event": {
            "id": event_id,
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": "2026-01-05T12:01:00.000Z",
            "agent": agent,
            "client": None if agent is None else {"name": "PagerDuty"},
            "data": {
                "id": INCIDENT_ID,
                "type": "incident",
                "self": f"https://api.pagerduty.com/incidents/{INCIDENT_ID}",
                "html_url": f"https://acme.pagerduty.com/incidents/{INCIDENT_ID}",
                "number": 2,
                "status": "acknowledged",
                "incident_key": key,
                "created_at": "2026-01-05T12:00:30Z",
                "title": "DatabaseConnectionFailed",
                "service": {"id": "PF9KMXH", "summary": "API", "type": "service_reference"},
                "assignees": [{**USER, "summary": "User 123"}],
                "escalation_policy": {"id": "PUS0KTE", "summary": "Default"},
                "teams": [],
                "priority": None,
                "urgency": "high",
                "conference_bridge": None,
                "resolve_reason": None,
                **data,
            },
        }
    }


def make_note(content: str, *, event_id: str = "note-1") -> dict[str, Any]:
    """Return the event of a note, which names the incident but not its key."""
    event = make_event("incident.annotated", event_id=event_id)
    event["event"]["data"] = {
        "incident": {
            "html_url": f"https://acme.pagerduty.com/incidents/{INCIDENT_ID}",
            "id": INCIDENT_ID,
            "self": f"https://api.pagerduty.com/incidents/{INCIDENT_ID}",
            "summary": "A little bump in the road",
            "type": "incident_reference",
        },
        "id": "P2LA89X",
        "content": content,
        "trimmed": False,
        "type": "incident_note",
    }
    return event


def sign(body: bytes, secret: str) -> str:
    """Return what PagerDuty puts into `X-PagerDuty-Signature`."""
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
