"""One envelope with everything in it, to a monitor that runs as a process of its own."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.support.errors import KEY, make_event
from tests.support.monitor import TOKEN, run_monitor

_CONFIG = f"""
projects: [{{id: 1, slug: shop, key: {KEY}}}]
intake: {{store_replays: true}}
"""
_SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}
_SECONDS = 30.0


def make_envelope(*items: tuple[dict[str, Any], bytes]) -> bytes:
    lines = [b"{}"]
    for header, payload in items:
        lines += [orjson.dumps({**header, "length": len(payload)}), payload]
    return b"\n".join(lines)


def wait_for(ask: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if found := ask():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


def test_everything_in_an_envelope_comes_where_it_belongs(tmp_path: Path) -> None:
    metrics = orjson.dumps(
        {"items": [{"type": "counter", "name": "carts.paid", "value": 3, "timestamp": 1.0}]}
    )
    envelope = make_envelope(
        ({"type": "attachment", "filename": "<b>.html", "content_type": "text/html"}, b"<script>"),
        ({"type": "event"}, orjson.dumps(make_event(1))),
        ({"type": "trace_metric", "item_count": 1}, metrics),
        ({"type": "log", "item_count": 2}, b'{"items":[{"body":"a"},{"body":"b"}]}'),
        ({"type": "profile"}, b"{}"),
        ({"type": "replay_recording"}, b'{"segment_id":0}\n\x00\x01'),
    )
    with (
        run_monitor(tmp_path / "one", config=_CONFIG) as monitor,
        httpx.Client(base_url=monitor.url, headers=_SIGNED_IN, trust_env=False) as client,
    ):
        answer = client.post(f"/api/1/envelope/?sentry_key={KEY}", content=envelope)
        assert answer.json() == {"id": f"{1:032x}"}

        issue = wait_for(lambda: client.get("/api/monitor/issues").json()["items"])[0]
        check_attachments(client, f"/api/monitor/issues/{issue['id']}/events/{1:032x}/attachments")
        query = {"query": 'carts_paid_total{project="shop"}'}
        samples = wait_for(
            lambda: client.get("/api/v1/query", params=query).json()["data"]["result"]
        )
        assert samples[0]["value"][1] == "3"
        check_own_metrics(client)


def check_attachments(client: httpx.Client, url: str) -> None:
    def list_both() -> list[dict[str, Any]] | None:
        items = client.get(url).json()["items"]
        return items if len(items) == 2 else None

    html, replay = wait_for(list_both)
    assert (html["name"], html["kind"], replay["kind"]) == (
        "<b>.html",
        "attachment",
        "replay_recording",
    )
    download = client.get(f"{url}/{html['id']}")
    assert download.content == b"<script>"
    assert download.headers["Content-Type"] == "application/octet-stream"
    assert download.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%3Cb%3E.html"
    assert download.headers["X-Content-Type-Options"].startswith("nosniff")
    assert "sandbox" in download.headers["Content-Security-Policy"]
    for path in ("/0", "/x", f"/{10**30}"):
        assert client.get(url + path).status_code == 404
    assert client.get(url.replace(f"{1:032x}", "zz")).status_code == 404
    assert httpx.get(str(download.url), trust_env=False).status_code == 401


def check_own_metrics(client: httpx.Client) -> None:
    logs = wait_for(lambda: client.get("/api/monitor/logs").json()["items"])
    assert sorted(record["message"] for record in logs) == ["a", "b"]
    text = client.get("/metrics").text
    assert 'items_total{outcome="not_stored",type="profile"} 1.0' in text


def test_where_a_browser_is_is_told_by_the_proxy_that_is_trusted(tmp_path: Path) -> None:
    event = make_event(1, platform="javascript", user={"ip_address": "{{auto}}"})
    payload = orjson.dumps(event)
    envelope = make_envelope(({"type": "event"}, payload))
    config = _CONFIG + "server: {trusted_proxies: [127.0.0.1]}\n"
    with (
        run_monitor(tmp_path / "one", config=config) as monitor,
        httpx.Client(base_url=monitor.url, headers=_SIGNED_IN, trust_env=False) as client,
    ):
        client.post(
            f"/api/1/envelope/?sentry_key={KEY}",
            content=envelope,
            headers={"X-Forwarded-For": "198.51.100.7, 203.0.113.77"},
        )

        issue = wait_for(lambda: client.get("/api/monitor/issues").json()["items"])[0]
        stored = client.get(f"/api/monitor/issues/{issue['id']}/events/latest/raw").json()
        # The proxy's own word, and not what the browser made it pass on.
        assert "203.0.113.0" in str(stored)
        assert "203.0.113.77" not in str(stored)
        assert issue["user_count"] == 1
