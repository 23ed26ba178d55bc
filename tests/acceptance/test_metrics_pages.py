"""The pages of metrics, targets, rules and cardinality, on a monitor that watches itself."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, expect

from resumatch.demo.processes import Processes
from tests.acceptance.browser import Visit, check_looks, launch, look_at, signed_in, visit
from tests.acceptance.conftest import OUTPUT
from tests.acceptance.monitor import TOKEN, MonitorProcess
from tests.acceptance.ports import choose_ports
from tests.acceptance.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(120)]

_PASSWORD = "a-password-of-the-acceptance-tests"
_BUCKETS = "sum by (le) (rate(resumatch_monitor_http_request_duration_seconds_bucket[10s]))"
_CONFIG = """
auth:
  admin: {{email: admin@localhost, password: {password}}}
  tokens: [{{name: tests, token: {token}, role: editor}}]
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: monitor
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{stage: test}}}}]
  - job_name: gone
    static_configs: [{{targets: ["127.0.0.1:{unused}", "127.0.0.2:1"]}}]
    relabel_configs: [{{source_labels: [__address__], regex: 127.0.0.2.*, action: drop}}]
rule_files: [rules.yml]
"""
_RULES = """
groups:
  - name: own
    interval: 1s
    rules:
      - record: job:up:count
        expr: count by (job) (up)
      - alert: CannotBeMatched
        expr: up * on () up
"""


@pytest.fixture(scope="module")
def monitor() -> Iterator[MonitorProcess]:
    with tempfile.TemporaryDirectory(prefix="resumatch-pages-") as name:
        folder = Path(name)
        port, unused = choose_ports(2)
        config = folder / "monitor.yaml"
        config.write_text(_CONFIG.format(password=_PASSWORD, token=TOKEN, port=port, unused=unused))
        (folder / "rules.yml").write_text(_RULES)
        processes = Processes(folder / "logs")
        monitor = MonitorProcess(
            name="monitor", config=config, data=folder / "data", port=port, processes=processes
        )
        try:
            monitor.start()
            wait_until(
                lambda: monitor.api.get("/api/v1/query", query=_BUCKETS)["data"]["result"],
                "the monitor has scraped itself",
                timeout_seconds=60,
            )
            yield monitor
        finally:
            monitor.close()
            processes.stop_all()


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


def _explore(monitor: MonitorProcess, *exprs: str, **more: str) -> str:
    return (
        f"{monitor.url}/explore?{urlencode([*(('expr', each) for each in exprs), *more.items()])}"
    )


def _query_of(visited: Visit) -> dict[str, list[str]]:
    return parse_qs(urlsplit(visited.page.url).query, keep_blank_values=True)


_STATES = {
    "explore-queries": "/explore?expr=up&expr=no_such_metric&expr=job:up:count&legend={{job}}",
    "explore-heatmap": f"/explore?{urlencode({'expr': _BUCKETS, 'tab': 'heatmap'})}&from=now-1m",
    "explore-log": "/explore?expr=resumatch_monitor_http_requests_total&scale=log&from=now-1m",
    "explore-table": "/explore?expr=up&tab=table&sort=job",
    "targets": "/targets?dropped=gone",
    "rules": "/rules",
    "cardinality": "/cardinality?metric=resumatch_monitor_http_requests_total",
}


@pytest.mark.parametrize("state", _STATES)
def test_a_state_is_without_errors_and_barriers(
    state: str, context: BrowserContext, monitor: MonitorProcess
) -> None:
    with look_at(context, monitor.url + _STATES[state]) as visited:
        panel = visited.page.locator("main .panel").first
        check_looks(visited, OUTPUT / "pages" / f"{state}.png", sign=panel)


def test_several_queries_share_a_chart(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(_explore(monitor, "up", "no_such_metric", "job:up:count", hide="C"))
    page = desk.page

    expect(page.get_by_role("img", name="up, no_such_metric")).to_be_visible()
    expect(page.locator("main")).to_contain_text("No metric called no_such_metric")
    page.get_by_label("Remove query B").click()
    desk.settle()
    assert _query_of(desk)["expr"] == ["up", "job:up:count"]
    assert _query_of(desk)["hide"] == ["B"]
    page.get_by_label("Show query B").click()
    expect(page.get_by_role("img", name="up, job:up:count")).to_be_visible()
    page.get_by_label("Duplicate query A").click()
    assert _query_of(desk)["expr"] == ["up", "up", "job:up:count"]
    boxes = page.locator("[data-editor] [role=textbox]")
    expect(boxes).to_have_text(["up", "up", "job:up:count"])


def test_a_cell_of_a_heat_map_says_its_bucket_and_its_count(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(_explore(monitor, _BUCKETS, tab="heatmap", **{"from": "now-1m"}))
    picture = desk.page.get_by_role("img", name="Heat map of")
    box = picture.bounding_box()
    assert box is not None

    # The lowest row of the last column: answers within 5 ms.
    desk.page.mouse.move(box["x"] + box["width"] - 24, box["y"] + box["height"] - 34)

    expect(picture.get_by_text("up to 5 ms")).to_be_visible()
    expect(picture.get_by_text("/s ≈")).to_be_visible()
    expect(desk.page.get_by_text("in a bucket")).to_be_visible()


def test_a_query_has_its_own_error(context: BrowserContext, monitor: MonitorProcess) -> None:
    # The browser itself notes the refusal on the console.
    with visit(context, monitor.url) as visited:
        visited.open(_explore(monitor, "up", "sum("))

        expect(visited.page.get_by_role("group", name="Query B")).to_contain_text("parse error")
        expect(visited.page.get_by_role("img", name="up")).to_be_visible()
        expect(visited.page.locator("header .fresh")).to_contain_text("Live")


def test_the_keyboard_alone_asks_a_question(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/explore")
    box = desk.page.locator("[data-editor] [role=textbox]")
    # The empty box has the focus already; away from it, a slash goes there.
    expect(box).to_be_focused()
    desk.page.locator("h1").click()
    expect(box).not_to_be_focused()
    desk.page.keyboard.press("/")
    expect(box).to_be_focused()
    desk.page.keyboard.type("vector(42)")
    desk.page.keyboard.press("Control+Enter")

    expect(desk.page.get_by_role("img", name="vector(42)")).to_be_visible()
    assert _query_of(desk)["expr"] == ["vector(42)"]


def test_names_and_functions_complete_with_what_they_are(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(_explore(monitor, "up"))
    desk.page.locator("[data-editor] [role=textbox]").click()
    desk.page.keyboard.press("Control+A")
    desk.page.keyboard.type("histogram_quant")

    expect(desk.page.locator(".cm-completionInfo")).to_contain_text("quantile")

    desk.page.keyboard.press("Control+A")
    desk.page.keyboard.type("resumatch_monitor_http_requests_t")
    expect(desk.page.locator(".cm-tooltip-autocomplete")).to_contain_text("counter")


def test_a_suggestion_mends_the_query(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(_explore(monitor, 'sum(up{job="monitr"})'))

    desk.page.get_by_role("button", name="monitor", exact=True).click()

    expect(desk.page.get_by_role("img", name='sum(up{job="monitor"})')).to_be_visible()


def test_a_drag_zooms_shift_moves_and_escape_goes_back(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(_explore(monitor, "vector(1)", **{"from": "now-15m"}))
    chart = desk.page.get_by_role("img", name="vector(1)")

    _drag(desk, chart)
    desk.page.wait_for_url("**to=*")
    zoomed = _span_of(desk)
    desk.settle()
    desk.page.keyboard.down("Shift")
    _drag(desk, chart)
    desk.page.keyboard.up("Shift")
    desk.page.wait_for_url(lambda url: f"from={zoomed[0]}" not in url)
    moved = _span_of(desk)

    assert 60_000 < zoomed[1] - zoomed[0] < 300_000
    assert moved[0] < zoomed[0]
    # Both ends are on whole steps of a second.
    assert abs((moved[1] - moved[0]) - (zoomed[1] - zoomed[0])) <= 2_000
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.press("Escape")
    desk.page.wait_for_url("**from=now-15m")


def _drag(visited: Visit, chart: Locator) -> None:
    box = chart.bounding_box()
    assert box is not None
    mouse, middle = visited.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] * 0.4, middle)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.6, middle, steps=4)
    mouse.up()


def _span_of(visited: Visit) -> tuple[int, int]:
    query = _query_of(visited)
    return int(query["from"][0]), int(query["to"][0])


def test_a_table_sorts_by_any_label_and_is_saved(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(_explore(monitor, "up", tab="table"))
    heading = desk.page.get_by_role("columnheader", name="job")

    heading.get_by_role("button").click()

    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(desk.page.locator("main tbody tr td:nth-child(2)")).to_have_text(["gone", "monitor"])
    assert _query_of(desk)["sort"] == ["job"]
    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == "__name__,instance,job,stage,value"
    assert len(lines) == 3


def test_the_targets_page_says_what_to_do(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/targets?health=down")

    gone = desk.page.get_by_role("region", name="Targets of gone")
    expect(gone).to_contain_text("Nothing listens at this address")
    expect(desk.page.get_by_role("region", name="Targets of monitor")).to_have_count(0)
    gone.get_by_role("link", name="1 dropped").click()
    expect(gone).to_contain_text("127.0.0.2:1")
    gone.get_by_role("button", name="Labels").click()
    expect(gone).to_contain_text("__metrics_path__")


def test_the_rules_page_shows_a_failing_rule_in_full(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/rules?state=err")

    own = desk.page.get_by_role("region", name="own in rules.yml")
    expect(own).to_contain_text("up * on () up")
    expect(own).to_contain_text("many-to-many matching not allowed")
    own.get_by_role("link", name="CannotBeMatched").click()
    own.get_by_role("link", name="Explore").click()
    expect(desk.page.locator("[data-editor] [role=textbox]")).to_have_text("up * on () up")
    # The refusal that the explorer shows, too.
    expect(desk.page.get_by_role("group", name="Query A")).to_contain_text("many-to-many")
    desk.complaints.clear()


def test_the_cardinality_page_leads_from_a_metric_to_its_labels(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(f"{monitor.url}/cardinality")

    desk.page.get_by_label("Search metrics").fill("http_requests_total")
    desk.page.get_by_role("link", name="resumatch_monitor_http_requests_total").click()

    panel = desk.page.get_by_role("region", name="Metrics")
    expect(panel.get_by_role("row").filter(has_text="route").first).to_be_visible()
    expect(panel).to_contain_text("metric_relabel_configs:")
    assert _query_of(desk)["metric"] == ["resumatch_monitor_http_requests_total"]
