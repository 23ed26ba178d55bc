"""What users write, from the envelope to the list, in a monitor that runs as its own process."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.app.test_intake import make_envelope, wait_for
from tests.support.errors import KEY, make_event
from tests.support.monitor import TOKEN, run_monitor

_CONFIG = f"projects: [{{id: 1, slug: shop, key: {KEY}}}]\n"
_SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}
_FEEDBACK = "/api/monitor/feedback"


def test_feedback_is_kept_scrubbed_once_and_finds_its_issue(tmp_path: Path) -> None:
    feedback = {
        "contexts": {
            "feedback": {
                "message": "My card 4111 1111 1111 1111 was refused",
                "contact_email": "ada@example.org",
                "name": "Ada",
                "url": "https://shop.example/pay?token=abcdef",
                "source": "widget",
                "associated_event_id": f"{1:032x}",
            }
        },
        "environment": "live",
    }
    report = {"event_id": f"{9:032x}", "name": "Bob", "email": "b@example.org", "comments": "Why?"}
    envelope = make_envelope(
        ({"type": "feedback"}, orjson.dumps(feedback)),
        ({"type": "user_report"}, orjson.dumps(report)),
        ({"type": "feedback"}, b'{"contexts":{"feedback":[]}}'),
    )
    with run_monitor(tmp_path / "one", config=_CONFIG) as monitor:
        url = f"{monitor.url}/api/1/envelope/?sentry_key={KEY}"
        assert httpx.post(url, content=envelope, trust_env=False).is_success
        os.kill(monitor.pid, signal.SIGKILL)
    with (
        run_monitor(tmp_path / "one", config=_CONFIG) as monitor,
        httpx.Client(base_url=monitor.url, headers=_SIGNED_IN, trust_env=False) as client,
    ):
        items = wait_for(lambda: list_all(client, 2))
        bob, ada = sorted(items, key=lambda item: item["name"], reverse=True)
        assert (bob["message"], bob["event_id"], bob["issue_id"]) == ("Why?", f"{9:032x}", None)
        assert (ada["email"], ada["source"], ada["environment"]) == (
            "ada@example.org",
            "widget",
            "live",
        )
        assert "4111" not in ada["message"]
        assert "abcdef" not in ada["url"]

        # The event comes after what was written about it.
        event = make_envelope(({"type": "event"}, orjson.dumps(make_event(1))))
        client.post(f"/api/1/envelope/?sentry_key={KEY}", content=event)
        issue = wait_for(lambda: client.get("/api/monitor/issues").json()["items"])[0]
        about = client.get(_FEEDBACK, params={"issue": issue["id"]}).json()["items"]
        assert [item["name"] for item in about] == ["Ada"]

        first = client.get(_FEEDBACK, params={"limit": 1, "project": 1}).json()
        second = client.get(_FEEDBACK, params={"cursor": first["next_cursor"]}).json()
        assert len(first["items"]) == len(second["items"]) == 1
        assert second["next_cursor"] is None
        assert client.get(_FEEDBACK, params={"cursor": "x"}).status_code == 400
        assert client.get(_FEEDBACK, params={"issue": 10**30}).status_code == 422


def list_all(client: httpx.Client, count: int) -> list[dict[str, Any]] | None:
    items = client.get(_FEEDBACK).json()["items"]
    return items if len(items) == count else None
