"""Events as an SDK sends them, and a sender that notes what was acknowledged."""

import json
import threading
import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx

_PAUSE_SECONDS = 0.01


def make_event(event_id: str, *, kind: str = "AcceptanceError") -> dict[str, Any]:
    """Return an event; events of a kind are one issue."""
    frame = {
        "function": "pay",
        "module": f"acceptance.{kind.lower()}",
        "filename": "acceptance/shop.py",
        "lineno": 7,
        "in_app": True,
        "context_line": "    return charge(basket)",
        "vars": {"basket": "[]"},
    }
    return {
        "event_id": event_id,
        "timestamp": datetime.now(UTC).isoformat(),
        "platform": "python",
        "level": "error",
        "release": "acceptance@1",
        "exception": {
            "values": [
                {"type": kind, "value": "the basket is empty", "stacktrace": {"frames": [frame]}}
            ]
        },
    }


def make_envelope(event: dict[str, Any]) -> bytes:
    """Return the envelope of one event."""
    payload = json.dumps(event).encode()
    head = json.dumps({"event_id": event["event_id"]}).encode()
    item = json.dumps({"type": "event", "length": len(payload)}).encode()
    return b"\n".join((head, item, payload, b""))


class Sender(threading.Thread):
    """Sends events of a kind, one after another, until it is stopped."""

    def __init__(self, url: str, *, kind: str) -> None:
        super().__init__(name=f"sender of {kind}", daemon=True)
        self._url = url
        self._kind = kind
        self._stopping = threading.Event()
        self.sent: list[str] = []
        self.acknowledged: list[str] = []

    def run(self) -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while not self._stopping.wait(_PAUSE_SECONDS):
                event_id = uuid.uuid4().hex
                self.sent.append(event_id)
                body = make_envelope(make_event(event_id, kind=self._kind))
                try:
                    answer = client.post(self._url, content=body)
                except httpx.TransportError:
                    # Nobody there, or killed before the answer: not acknowledged.
                    continue
                is_taken = "x-sentry-rate-limits" not in answer.headers
                if answer.status_code == HTTPStatus.OK and is_taken:
                    assert answer.json() == {"id": event_id}
                    self.acknowledged.append(event_id)

    def stop(self) -> None:
        """Stop after the event that is under way."""
        self._stopping.set()
        self.join()
