"""The page of logs: searching, one record in full, and what the address remembers."""

import json
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from resumatch.demo.processes import Processes
from tests.acceptance.browser import Visit, check_looks, launch, look_at, signed_in, visit
from tests.acceptance.conftest import OUTPUT
from tests.acceptance.monitor import TOKEN, MonitorProcess
from tests.acceptance.ports import choose_ports
from tests.acceptance.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(180)]

_PASSWORD = "a-password-of-the-acceptance-tests"
_CONFIG = """
auth:
  admin: {{email: admin@localhost, password: {password}}}
  tokens: [{{name: tests, token: {token}, role: editor}}]
default_rules: false
"""
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}
_TRACE = "7140c6d1d8e84a4ab2a3c7f9e2b1a0c3"
_RECORDS = 12_000
_SPAN_S = 3_000
_STACK = """Traceback (most recent call last):
  File "/app/.venv/lib/python3.11/site-packages/starlette/routing.py", line 73, in app
    response = await f(request)
  File "/app/.venv/lib/python3.11/site-packages/fastapi/routing.py", line 301, in app
    raw_response = await run_endpoint_function()
  File "/app/resumatch/matching.py", line 88, in match
    vectors = await embed(texts)
  File "/app/resumatch/embedding.py", line 41, in embed
    raise EmbeddingTimeout(f"no answer within {limit} s")
resumatch.embedding.EmbeddingTimeout: no answer within 10 s
"""
_SAYINGS = [
    ("info", "api", "request finished"),
    ("info", "web", "page rendered"),
    ("info", "worker", "resume parsed: invented sample {n}"),
    ("debug", "worker", "cache miss for job {n}"),
    ("warning", "api", "slow query took {n} ms"),
    ("error", "worker", "resume {n} could not be read: unexpected end of file"),
]
_SCROLL_ON = """index => {
  scrollBy(0, 3000);
  const drawn = [...document.querySelectorAll('main li[data-index]')];
  return Number(drawn.at(-1)?.dataset.index) >= index;
}"""
_WEIGHTS = [50, 24, 12, 8, 4, 2]


@dataclass(frozen=True)
class Logs:
    """A monitor that holds invented records, one of them with a stack trace."""

    monitor: MonitorProcess
    seq: str


def _record(number: int, now: float, chance: random.Random) -> dict[str, Any]:
    level, service, message = chance.choices(_SAYINGS, _WEIGHTS)[0]
    return {
        "@timestamp": _time(now - _SPAN_S + number * _SPAN_S / _RECORDS),
        "message": message.format(n=chance.randrange(9_000)),
        "log.level": level,
        "service.name": service,
        "service.environment": "production",
        "host.name": f"{service}-{chance.randrange(1, 4)}",
        "http.request.method": chance.choice(["GET", "GET", "POST"]),
        "url.path": chance.choice(["/api/jobs", "/api/match", "/api/resumes", "/health"]),
        "http.response.status_code": chance.choices([200, 201, 404, 500], [80, 10, 8, 2])[0],
        "duration_ms": chance.randrange(3, 900),
        "user.id": f"u{chance.randrange(40)}",
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _send(monitor: MonitorProcess, documents: list[dict[str, Any]]) -> None:
    lines = [part for each in documents for part in ('{"create":{}}', json.dumps(each))]
    httpx.post(
        f"{monitor.url}/es/_bulk",
        content="\n".join(lines) + "\n",
        headers={**_HEADERS, "Content-Type": "application/x-ndjson"},
    ).raise_for_status()


def _send_records(monitor: MonitorProcess) -> None:
    now, chance = time.time() - 60, random.Random(6)
    records = [_record(number, now, chance) for number in range(_RECORDS)]
    for begin in range(0, _RECORDS, 4_000):
        _send(monitor, records[begin : begin + 4_000])
    failed = {
        **_record(_RECORDS, now, chance),
        "message": "matching failed: no answer within 10 s",
        "log.level": "error",
        "service.name": "api",
        "log.logger": "resumatch.matching",
        "error.type": "EmbeddingTimeout",
        "error.stack_trace": _STACK,
        "trace.id": _TRACE,
        "span.id": "00000000000000a1",
        "request_id": "r-4711",
        "attempts": [1, 2, 4],
    }
    started = {
        **_record(_RECORDS, now - 1, chance),
        "message": "matching of r-4711",
        "trace.id": _TRACE,
    }
    _send(monitor, [started, failed])


def _find(monitor: MonitorProcess, query: str) -> list[Any]:
    params = {"query": query, "from": "now-6h"}
    url = f"{monitor.url}/api/monitor/logs"
    return httpx.get(url, params=params, headers=_HEADERS).raise_for_status().json()["items"]


@pytest.fixture(scope="module")
def monitor() -> Iterator[MonitorProcess]:
    with tempfile.TemporaryDirectory(prefix="resumatch-logs-") as name:
        folder = Path(name)
        (port,) = choose_ports(1)
        config = folder / "monitor.yaml"
        config.write_text(_CONFIG.format(password=_PASSWORD, token=TOKEN))
        processes = Processes(folder / "logs")
        monitor = MonitorProcess(
            name="monitor", config=config, data=folder / "data", port=port, processes=processes
        )
        try:
            monitor.start()
            yield monitor
        finally:
            monitor.close()
            processes.stop_all()


@pytest.fixture(scope="module")
def logs(monitor: MonitorProcess) -> Logs:
    _send_records(monitor)
    found = wait_until(
        lambda: _find(monitor, "error.type:EmbeddingTimeout"),
        "the records are there",
        timeout_seconds=60,
    )
    return Logs(monitor, found[0]["seq"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser, monitor: MonitorProcess) -> Iterator[BrowserContext]:
    with signed_in(browser, monitor.url, email="admin@localhost", password=_PASSWORD) as context:
        yield context


@pytest.fixture
def desk(context: BrowserContext, monitor: MonitorProcess) -> Iterator[Visit]:
    """A page on a desktop; afterwards nothing may have been complained about."""
    with visit(context, monitor.url) as visited:
        yield visited
        visited.check()


def _asked(visited: Visit, name: str) -> str:
    return parse_qs(urlsplit(visited.page.url).query).get(name, [""])[0]


def test_an_empty_page_says_how_to_send_and_what_it_says_works(
    context: BrowserContext, monitor: MonitorProcess
) -> None:
    with look_at(context, f"{monitor.url}/logs") as visited:
        snippet = visited.page.locator("main pre")
        expect(snippet).to_contain_text(f"{monitor.url}/es/_bulk")
        check_looks(visited, OUTPUT / "pages" / "logs-empty.png", sign=snippet)
        command = snippet.inner_text().replace("<token>", TOKEN)
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=30)
    assert json.loads(done.stdout)["errors"] is False
    wait_until(lambda: _find(monitor, '"it works"'), "it is found", timeout_seconds=30)


_STATES = {
    "logs": "/logs",
    "logs-narrowed": "/logs?query=level:>=warning&field=service&column=user.id&column=duration_ms",
    "logs-record": "/logs?query=trace_id:{trace}&record={seq}",
    "logs-surrounding": "/logs?query=trace_id:{trace}&record={seq}&view=context",
}


@pytest.mark.parametrize("state", _STATES)
def test_a_state_is_without_errors_and_barriers(
    state: str, context: BrowserContext, logs: Logs
) -> None:
    path = _STATES[state].format(trace=_TRACE, seq=logs.seq)
    with look_at(context, logs.monitor.url + path) as visited:
        row = visited.page.locator("main [data-row]").first
        check_looks(visited, OUTPUT / "pages" / f"{state}.png", sign=row)


def test_ten_thousand_rows_are_scrolled_through_and_few_of_them_are_drawn(
    desk: Visit, logs: Logs
) -> None:
    page = desk.page
    desk.open(f"{logs.monitor.url}/logs")
    rows = page.locator("main [data-row]")
    expect(rows.first).to_be_visible()
    page.wait_for_function(_SCROLL_ON, arg=10_000, polling="raf")
    assert rows.count() < 150


def test_clicks_make_the_query_and_the_record_leads_to_what_belongs_to_it(
    desk: Visit, logs: Logs
) -> None:
    page = desk.page
    desk.open(f"{logs.monitor.url}/logs")
    page.get_by_role("button", name="level", exact=True).click()
    page.get_by_role("button", name="Only severity error").click()
    assert _asked(desk, "query") == "level:error"
    box = page.get_by_role("combobox", name="Search logs")
    expect(box).to_have_value("level:error")
    box.fill("matching level:error")
    box.press("Enter")
    page.get_by_role("button", name="matching failed").click()
    record = page.get_by_role("region", name=re.compile("^Record of"))
    expect(record).to_contain_text("EmbeddingTimeout: no answer")
    assert _asked(desk, "record") == logs.seq
    expect(record.locator("pre", has_text="starlette")).to_have_count(0)
    record.get_by_role("button", name="2 library frames").click()
    expect(record.locator("pre", has_text="starlette")).to_have_count(1)
    record.get_by_role("link", name="JSON").click()
    expect(record.locator("pre")).to_contain_text('"request_id": "r-4711"')
    record.get_by_role("link", name="Fields").click()
    record.get_by_role("button", name="Without user.id").click()
    expect(page.get_by_text("No record matches")).to_be_visible()
    page.go_back()
    expect(record).to_contain_text("EmbeddingTimeout: no answer")
    page.get_by_role("link", name="Logs of this trace").click()
    expect(page.locator("main [data-row]")).to_have_count(2)
    assert _asked(desk, "query") == f"trace_id:{_TRACE}"


def test_keys_go_through_the_rows_and_open_and_close_them(desk: Visit, logs: Logs) -> None:
    page = desk.page
    desk.open(f"{logs.monitor.url}/logs?query=trace_id:{_TRACE}")
    expect(page.locator("main [data-row]")).to_have_count(2)
    for key in ("j", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    record = page.get_by_role("region", name=re.compile("^Record of"))
    expect(record).to_contain_text("matching of r-4711")
    page.keyboard.press("Escape")
    expect(record).to_have_count(0)
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Search logs")).to_be_focused()


def test_what_is_wrong_is_marked_at_its_character(desk: Visit, logs: Logs) -> None:
    desk.open(f"{logs.monitor.url}/logs?query={quote('level:loud api')}")
    wrong = desk.page.get_by_role("alert")
    expect(wrong.locator("mark")).to_have_text("loud")
    expect(desk.page.locator("main [data-row]")).to_have_count(0)
    desk.complaints[:] = [each for each in desk.complaints if "400" not in each]


def test_a_drag_over_the_histogram_zooms_and_escape_goes_back(desk: Visit, logs: Logs) -> None:
    page = desk.page
    desk.open(f"{logs.monitor.url}/logs?query=level:error")
    plot = page.get_by_role("img", name="by level and time")
    frame = plot.bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + frame["width"] * 0.3, frame["y"] + 40)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] * 0.5, frame["y"] + 40)
    page.mouse.up()
    assert int(_asked(desk, "to")) - int(_asked(desk, "from")) == pytest.approx(720_000, rel=0.1)
    page.keyboard.press("Escape")
    assert _asked(desk, "from") == "now-1h"


def test_a_link_to_a_record_shows_it_wherever_it_lies(desk: Visit, logs: Logs) -> None:
    desk.open(f"{logs.monitor.url}/logs?query=level:debug&record={logs.seq}")
    linked = desk.page.get_by_role("region", name="The record of the link")
    expect(linked).to_contain_text("EmbeddingTimeout")


def test_live_shows_what_is_logged_next_and_holds_still_when_it_is_paused(
    desk: Visit, logs: Logs
) -> None:
    page = desk.page
    desk.open(f"{logs.monitor.url}/logs?query=service:tailed")
    expect(page.get_by_text("No record matches")).to_be_visible()
    page.get_by_role("button", name="Live").click()
    expect(page.get_by_text("As it is logged")).to_be_visible()
    _send(logs.monitor, [{"message": "the first", "service.name": "tailed"}])
    rows = page.locator("main [data-row]")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("the first")
    page.get_by_role("button", name="Pause").click()
    _send(logs.monitor, [{"message": "the second", "service.name": "tailed"}])
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Resume").click()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("the second")
    assert _asked(desk, "live") == "1"


def test_a_search_is_kept_with_its_columns_and_what_was_found_is_a_file(
    desk: Visit, logs: Logs
) -> None:
    page = desk.page
    desk.open(f"{logs.monitor.url}/logs?query=level:error&column=user.id")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    head = download.value.path().read_text().splitlines()[0]
    assert head == "timestamp,severity,service,user.id,message"
    page.get_by_role("button", name="Saved").click()
    page.get_by_label("Name of the search").fill("Errors by user")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Delete Errors by user")).to_be_visible()
    desk.open(f"{logs.monitor.url}/logs")
    page.get_by_role("button", name="Saved").click()
    page.get_by_role("button", name="Errors by user level:error").click()
    assert (_asked(desk, "query"), _asked(desk, "column")) == ("level:error", "user.id")
