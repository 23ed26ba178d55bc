"""Events of browsers as the JavaScript SDK sends them, and what the monitor makes of them."""

from typing import Any

import httpx
import orjson

from tests.support.bundles import DEBUG_ID, column_of
from tests.support.waiting import wait_for

URL = "https://shop.example.org/x.js"


def make_event(number: int, *, debug_id: str | None = DEBUG_ID, **over: Any) -> dict[str, Any]:
    """Return an error thrown in the script of `tests.support.bundles`."""
    frames = [
        make_frame("?", b"g();"),
        make_frame("g", b"f(1)"),
        make_frame("f", b"throw"),
    ]
    images = [{"type": "sourcemap", "code_file": URL, "debug_id": debug_id}]
    return {
        "event_id": f"{number:032x}",
        "platform": "javascript",
        "release": "web@9",
        "environment": "production",
        "exception": {
            "values": [{"type": "Error", "value": "boom 1", "stacktrace": {"frames": frames}}]
        },
        **({} if debug_id is None else {"debug_meta": {"images": images}}),
        **over,
    }


def make_frame(function: str, part: bytes, *, url: str = URL) -> dict[str, Any]:
    return {
        "function": function,
        "filename": url,
        "lineno": 1,
        "colno": column_of(part),
        "in_app": True,
    }


def send(client: httpx.Client, key: str, event: dict[str, Any], *, project: int = 1) -> None:
    """Send an event as a browser does."""
    lines = [{}, {"type": "event"}, event]
    answer = client.post(
        f"/api/{project}/envelope/?sentry_key={key}&sentry_version=7",
        content=b"\n".join(map(orjson.dumps, lines)),
    )
    answer.raise_for_status()


def read(client: httpx.Client, event_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an event and its issue, once it is digested."""

    def find() -> tuple[dict[str, Any], dict[str, Any]] | None:
        issues = client.get("/api/monitor/issues", params={"limit": 200}).json()["items"]
        for issue in issues:
            answer = client.get(f"/api/monitor/issues/{issue['id']}/events/{event_id}")
            if answer.status_code == 200:
                return answer.json(), issue
        return None

    return wait_for(find)
