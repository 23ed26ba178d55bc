"""The pages of traces: searching, the waterfall, the flame, and what the address remembers."""

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from resumatch.demo.processes import Processes
from tests.acceptance.browser import Visit, check_looks, launch, look_at, signed_in, visit
from tests.acceptance.conftest import OUTPUT
from tests.acceptance.envelopes import make_envelope, make_event
from tests.acceptance.monitor import PROJECT_KEY, TOKEN, MonitorProcess
from tests.acceptance.ports import choose_ports
from tests.acceptance.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(180)]

_PASSWORD = "a-password-of-the-acceptance-tests"
_CONFIG = """
auth:
  admin: {{email: admin@localhost, password: {password}}}
  tokens: [{{name: tests, token: {token}, role: editor}}]
projects: [{{id: 1, slug: shop, key: {key}}}]
default_rules: false
"""
_TRACE = "4140c6d1d8e84a4ab2a3c7f9e2b1a0c3"
_LARGE_TRACE = "5140c6d1d8e84a4ab2a3c7f9e2b1a0c3"
_LARGE = 9_990
_EVENT = "6140c6d1d8e84a4ab2a3c7f9e2b1a0c3"


@dataclass(frozen=True)
class Shop:
    """A monitor that was sent a trace over two services with an error, and a large one."""

    monitor: MonitorProcess
    issue_id: str


def _id(number: int) -> str:
    return f"{number:016x}"


def _span(number: int, parent: int, name: str, start: float, took: float, **more: Any) -> Any:
    return {
        "trace_id": _TRACE,
        "span_id": _id(number),
        "parent_span_id": _id(parent),
        "op": "db",
        "description": name,
        "start_timestamp": start,
        "timestamp": start + took,
        **more,
    }


def _send(monitor: MonitorProcess, kind: str, payload: Any) -> None:
    body = json.dumps(payload).encode()
    header = json.dumps({"type": kind, "length": len(body)}).encode()
    url = f"{monitor.url}/api/1/envelope/?sentry_key={PROJECT_KEY}"
    httpx.post(url, content=b"\n".join((b"{}", header, body, b""))).raise_for_status()


def _send_trace(monitor: MonitorProcess) -> None:
    now = time.time() - 5
    trace = {"trace_id": _TRACE, "span_id": _id(1), "op": "http.server", "status": "internal_error"}
    spans = [
        _span(2, 1, "SELECT * FROM baskets WHERE id = %s", now + 0.1, 0.2),
        _span(3, 1, "POST https://bank.test/charge", now + 0.4, 0.5, op="http.client"),
        _span(4, 1, "UPDATE baskets SET state = %s", now + 0.91, 0.05),
    ]
    _send(
        monitor,
        "transaction",
        {
            "type": "transaction",
            "transaction": "POST /pay",
            "contexts": {"trace": trace},
            "start_timestamp": now,
            "timestamp": now + 1,
            "spans": spans,
            "environment": "production",
        },
    )
    worker = {
        "trace_id": _TRACE,
        "span_id": _id(5),
        "name": "send receipt",
        "status": "ok",
        "is_segment": True,
        "parent_span_id": _id(1),
        "start_timestamp": now + 0.95,
        "end_timestamp": now + 1.6,
        "attributes": {
            "service.name": {"value": "mailer"},
            "sentry.op": {"value": "queue.process"},
        },
    }
    _send(monitor, "span", {"version": 2, "items": [worker]})
    event = make_event(_EVENT)
    event["contexts"] = {"trace": {"trace_id": _TRACE, "span_id": _id(3)}}
    url = f"{monitor.url}/api/1/envelope/?sentry_key={PROJECT_KEY}"
    httpx.post(url, content=make_envelope(event)).raise_for_status()


def _send_large_trace(monitor: MonitorProcess) -> None:
    now = time.time() - 30
    for begin in range(0, _LARGE, 2_000):
        spans = [
            {
                "trace_id": _LARGE_TRACE,
                "span_id": _id(100 + number),
                "name": f"step {number}",
                "status": "ok",
                "is_segment": number == 0,
                "start_timestamp": now + number * 0.001,
                "end_timestamp": now + (20 if number == 0 else number * 0.001 + 0.002),
                "attributes": {"sentry.op": {"value": "function"}},
                **({} if number == 0 else {"parent_span_id": _id(100 + (number - 1) // 10)}),
            }
            for number in range(begin, min(_LARGE, begin + 2_000))
        ]
        _send(monitor, "span", {"version": 2, "items": spans})


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with tempfile.TemporaryDirectory(prefix="resumatch-traces-") as name:
        folder = Path(name)
        (port,) = choose_ports(1)
        config = folder / "monitor.yaml"
        config.write_text(_CONFIG.format(password=_PASSWORD, token=TOKEN, key=PROJECT_KEY))
        processes = Processes(folder / "logs")
        monitor = MonitorProcess(
            name="monitor", config=config, data=folder / "data", port=port, processes=processes
        )
        try:
            monitor.start()
            _send_trace(monitor)
            _send_large_trace(monitor)
            trace = wait_until(
                lambda: _find_whole(monitor), "the traces are there", timeout_seconds=60
            )
            yield Shop(monitor, trace["errors"][0]["issue_id"])
        finally:
            monitor.close()
            processes.stop_all()


def _find_whole(monitor: MonitorProcess) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    large = httpx.get(f"{monitor.url}/api/monitor/traces/{_LARGE_TRACE}", headers=headers)
    trace = httpx.get(f"{monitor.url}/api/monitor/traces/{_TRACE}", headers=headers).json()
    is_whole = large.status_code == 200 and large.json()["span_count"] == _LARGE
    return trace if is_whole and len(trace["spans"]) == 5 and trace["errors"] else None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser, shop: Shop) -> Iterator[BrowserContext]:
    with signed_in(
        browser, shop.monitor.url, email="admin@localhost", password=_PASSWORD
    ) as context:
        yield context


@pytest.fixture
def desk(context: BrowserContext, shop: Shop) -> Iterator[Visit]:
    """A page on a desktop; afterwards nothing may have been complained about."""
    with visit(context, shop.monitor.url) as visited:
        yield visited
        visited.check()


def _asked(visited: Visit, name: str) -> str:
    return parse_qs(urlsplit(visited.page.url).query).get(name, [""])[0]


_STATES = {
    "traces": "/traces",
    "traces-filtered": "/traces?status=error&min=0.5&sort=slowest",
    "trace": f"/traces/{_TRACE}",
    "trace-span": f"/traces/{_TRACE}?span={_id(3)}&q=basket",
    "trace-flame": f"/traces/{_LARGE_TRACE}?view=flame&path=critical",
}


@pytest.mark.parametrize("state", _STATES)
def test_a_state_is_without_errors_and_barriers(
    state: str, context: BrowserContext, shop: Shop
) -> None:
    with look_at(context, shop.monitor.url + _STATES[state]) as visited:
        panel = visited.page.locator("main .panel").first
        check_looks(visited, OUTPUT / "pages" / f"{state}.png", sign=panel)


def test_a_search_leads_to_the_span_and_the_error_to_its_issue(desk: Visit, shop: Shop) -> None:
    page = desk.page
    desk.open(f"{shop.monitor.url}/traces")
    page.get_by_label("Status").select_option("error")
    page.get_by_role("link", name="POST /pay").click()
    desk.settle()
    expect(page.get_by_role("tree", name="Spans")).to_contain_text("send receipt")
    page.get_by_role("treeitem", name="bank.test").click()
    page.get_by_role("complementary").get_by_role("link", name="AcceptanceError").click()
    page.wait_for_url(f"**/issues/{shop.issue_id}?event={_EVENT}")
    desk.settle()
    page.get_by_title("What happened around it").click()
    page.wait_for_url(f"**/traces/{_TRACE}")


def test_a_pasted_id_opens_the_trace(desk: Visit, shop: Shop) -> None:
    desk.open(f"{shop.monitor.url}/traces")
    desk.page.get_by_role("searchbox").fill(_TRACE)
    desk.page.wait_for_url(f"**/traces/{_TRACE}")
    expect(desk.page.get_by_role("heading", level=1)).to_have_text("POST /pay")


def test_keys_go_through_the_tree_and_the_address_holds_what_is_seen(
    desk: Visit, shop: Shop
) -> None:
    page = desk.page
    desk.open(f"{shop.monitor.url}/traces/{_TRACE}")
    tree = page.get_by_role("tree", name="Spans")
    tree.focus()
    for key in ("ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert _asked(desk, "span") == _id(2)
    page.keyboard.press("ArrowLeft")
    assert _asked(desk, "span") == _id(1)
    page.keyboard.press("ArrowLeft")
    assert _asked(desk, "closed") == _id(1)
    expect(tree.get_by_role("treeitem")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(tree.get_by_role("treeitem")).to_have_count(5)
    page.keyboard.press("e")
    page.keyboard.press("e")
    assert _asked(desk, "span") == _id(1)
    page.keyboard.press("f")
    assert _asked(desk, "view") == "flame"
    page.reload()
    desk.settle()
    expect(page.get_by_role("complementary").get_by_role("heading", level=2)).to_have_text(
        "POST /pay"
    )
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_have_count(0)


def test_ten_thousand_spans_are_drawn_a_screen_at_a_time(desk: Visit, shop: Shop) -> None:
    page = desk.page
    desk.open(f"{shop.monitor.url}/traces/{_LARGE_TRACE}")
    rows = page.get_by_role("treeitem")
    expect(rows.first).to_be_visible()
    assert rows.count() < 120
    page.get_by_role("searchbox").fill("step 9876")
    expect(page.locator("main")).to_contain_text("1 match")
    page.get_by_label("Next match").click()
    expect(page.get_by_role("treeitem", selected=True)).to_be_in_viewport()
    assert _asked(desk, "span") == _id(100 + 9_876)
    assert rows.count() < 120
