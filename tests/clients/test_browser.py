"""Pages with the real @sentry/browser in Chromium, which send to another origin and by a tunnel."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.browser import VARIANTS, launch, open_context, sign_in, visit
from tests.clients.browser import Shop, ShopVisit, bundle_shop, serve_shop, visit_shop
from tests.clients.desk import KEY, Desk
from tests.support.waiting import wait_for

pytestmark = pytest.mark.browser

_WAYS = ("direct", "tunnel")
_EMAIL, _PASSWORD = "ada@example.org", "a-long-password"


@dataclass(frozen=True, slots=True)
class Visited:
    """A visit of a page that sends in one of the ways."""

    shop: Shop
    visit: ShopVisit


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def visited(
    desk: Desk, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Visited]:
    folder = tmp_path_factory.mktemp("shop")
    bundle_shop(folder)
    done: dict[str, Visited] = {}
    for way in _WAYS:
        options = {"tunnel": f"{desk.url}/tunnel"} if way == "tunnel" else {}
        with serve_shop(folder, desk.dsn, options) as shop:
            done[way] = Visited(shop, visit_shop(browser, shop))
    return done


@pytest.mark.parametrize("way", _WAYS)
def test_everything_is_sent_across_origins(
    visited: Mapping[str, Visited], desk: Desk, way: str
) -> None:
    visit = visited[way].visit
    path = "/tunnel" if way == "tunnel" else "/api/1/envelope/"

    assert visit.complaints == []
    assert visit.thrown == ["no price of coffee", "order 19 was never paid"]
    assert visit.told["isFlushed"] is True
    assert set(visit.told["statuses"]) == {200}
    assert {each.split("?")[0] for each in visit.sent} == {f"POST {desk.url}{path}"}


def test_an_error_is_seen_as_it_was_thrown(visited: Mapping[str, Visited], desk: Desk) -> None:
    issue = desk.find_issue("no price of coffee", events=len(_WAYS))
    event = desk.find_event("no price of coffee")
    script, last_script = (f"{visited[way].shop.url}/app.js" for way in _WAYS)

    assert (issue["type"], issue["value"]) == ("RangeError", "no price of coffee")
    assert (issue["culprit"], issue["level"]) == (f"{last_script} in pay", "error")
    assert issue["is_handled"] is False
    raised, cause = event["exceptions"]
    assert [frame["function"] for frame in raised["frames"][:2]] == [
        "pay",
        "HTMLButtonElement.pay",
    ]
    assert (cause["type"], cause["frames"][0]["function"]) == ("TypeError", "findPrice")
    assert cause["value"] == "Cannot read properties of undefined (reading 'cents')"
    assert {frame["filename"] for frame in raised["frames"]} == {script}
    assert all(frame["in_app"] for frame in raised["frames"])


def test_it_is_seen_where_and_to_whom_it_happened(
    visited: Mapping[str, Visited], desk: Desk
) -> None:
    event = desk.find_event("no price of coffee")
    shop = visited["direct"].shop
    (trace_header,) = shop.trace_headers
    tags = {tag["key"]: tag["value"] for tag in event["tags"]}

    assert (event["release"], event["environment"]) == ("web@3.2.1", "staging")
    assert (event["platform"], event["sdk"]["name"]) == (
        "javascript",
        "sentry.javascript.browser",
    )
    assert event["request"]["url"] == f"{shop.url}/"
    assert (event["user"]["id"], event["user"]["username"]) == ("user-17", "ada")
    assert tags["plan"] == "pro"
    assert (tags["browser.name"] in ("Chrome", "HeadlessChrome"), tags["os.name"]) == (
        True,
        "Linux",
    )
    assert event["breadcrumbs"][-1]["category"] == "ui.click"
    assert trace_header is not None
    assert event["trace_id"] == trace_header.split("-")[0]


@pytest.mark.parametrize(
    ("value", "kind", "level", "is_handled"),
    [
        ("order 19 was never paid", "Error", "error", False),
        ("the list has a hole", "TypeError", "error", True),
        ("prices are old", "Message", "warning", True),
        ("left in a hurry", "Message", "info", True),
    ],
)
@pytest.mark.usefixtures("visited")
def test_whatever_is_captured_is_an_issue(
    desk: Desk, value: str, kind: str, level: str, is_handled: bool
) -> None:
    issue = desk.find_issue(value, events=len(_WAYS))

    assert (issue["type"], issue["value"], issue["level"]) == (kind, value, level)
    assert (issue["is_handled"], issue["user_count"]) == (is_handled, 1)


def test_a_page_load_is_a_trace_with_its_requests_and_errors(
    visited: Mapping[str, Visited], desk: Desk
) -> None:
    for way in _WAYS:
        (header,) = visited[way].shop.trace_headers
        assert header is not None
        trace_id, span_id, is_sampled = header.split("-")
        trace = desk.find_trace(trace_id, spans=12, errors=5)

        page = trace["spans"][0]
        assert (page["op"], page["name"], page["is_segment"]) == ("pageload", "/", True)
        request = next(span for span in trace["spans"] if span["span_id"] == span_id)
        assert (request["op"], request["parent_span_id"]) == ("http.client", page["span_id"])
        assert is_sampled == "1"
        assert trace["missing_parents"] == []


@pytest.mark.usefixtures("visited")
def test_sessions_count_for_the_release(desk: Desk) -> None:
    def find() -> dict[str, Any] | None:
        items = desk.read("releases")["items"]
        # An unhandled error ends no page, so its session has not crashed.
        is_there = items and items[0]["health"]["errored"] == len(_WAYS)
        return items[0] if is_there else None

    release = wait_for(find)

    assert release["version"] == "web@3.2.1"
    assert release["health"]["sessions"] == len(_WAYS)
    assert release["health"]["users"] == 1


def test_the_widgets_feedback_is_kept(visited: Mapping[str, Visited], desk: Desk) -> None:
    def find() -> list[dict[str, Any]] | None:
        items = desk.read("feedback")["items"]
        return items if len(items) == len(_WAYS) else None

    item = wait_for(find)[-1]

    assert (item["message"], item["source"]) == ("Where is my tea?", "widget")
    assert (item["name"], item["email"]) == ("Bob", "bob@example.org")
    assert item["url"] == f"{visited['direct'].shop.url}/"


@pytest.mark.usefixtures("visited")
def test_a_file_comes_with_its_event(desk: Desk) -> None:
    assert desk.read_files("the list has a hole") == {"prices.csv": "tea,450\ncoffee,\n"}


@pytest.mark.usefixtures("visited")
def test_nothing_is_lost(desk: Desk) -> None:
    desk.wait_for_accepted({"error": 10, "feedback": 2, "log_item": 2, "trace_metric": 2})

    outcomes = desk.count_outcomes()
    # Their bytes are kept only where the configuration says so.
    for category in ("replay", "profile_chunk"):
        assert outcomes.pop((category, "filtered", "not-kept")) >= len(_WAYS)
    assert {key: n for key, n in outcomes.items() if key[1] != "accepted"} == {}


@pytest.mark.usefixtures("visited")
def test_the_page_of_the_issue_shows_it(desk: Desk, browser: Browser) -> None:
    issue = desk.find_issue("no price of coffee")
    user = {"email": _EMAIL, "name": "Ada", "role": "admin", "password": _PASSWORD}
    desk.api.post("/api/monitor/users", json=user).raise_for_status()
    context = open_context(browser, VARIANTS[0])
    with visit(context, desk.url) as visited:
        sign_in(visited, desk.url, email=_EMAIL, password=_PASSWORD)
        visited.open(f"{desk.url}/issues/{issue['id']}")

        shown = visited.page.locator("main")
        for text in (
            "RangeError",
            "no price of coffee",
            "findPrice",
            "web@3.2.1",
            "staging",
            "ada",
            "plan",
        ):
            expect(shown).to_contain_text(text)
        visited.check()
    context.close()


@pytest.mark.parametrize(("key", "status"), [(KEY, 200), ("f" * 32, 403)])
def test_a_page_may_read_every_answer_after_a_preflight(
    desk: Desk, browser: Browser, tmp_path: Path, key: str, status: int
) -> None:
    with serve_shop(tmp_path, desk.dsn, {}) as shop:
        page = browser.new_page()
        page.goto(f"{shop.url}/options.js")
        answered = page.evaluate(
            """async ([url, key]) => {
              const headers = { 'X-Sentry-Auth': `Sentry sentry_version=7, sentry_key=${key}` };
              const answer = await fetch(url, { method: 'POST', headers, body: '{}\\n' });
              return [answer.status, (await answer.text()).length > 0];
            }""",
            [f"{desk.url}/api/1/envelope/", key],
        )
        page.close()

    assert answered == [status, True]


def test_a_page_may_send_on_without_reading_answers(
    desk: Desk, browser: Browser, tmp_path: Path
) -> None:
    with serve_shop(tmp_path, desk.dsn, {}) as shop:
        page = browser.new_page()
        page.goto(f"{shop.url}/options.js")
        statuses = page.evaluate(
            # A browser holds 64 KiB of them; one that is over may take a moment to be out of it.
            """async (url) => {
              const body = `{}\\n{"type":"nothing","length":20000}\\n${'x'.repeat(20000)}\\n`;
              const send = async (tries) => {
                try {
                  return (await fetch(url, { method: 'POST', body, keepalive: true })).status;
                } catch (error) {
                  if (tries === 0) throw error;
                  await new Promise((resolve) => setTimeout(resolve, 10));
                  return send(tries - 1);
                }
              };
              const statuses = [];
              for (let count = 0; count < 8; count += 1) statuses.push(await send(100));
              return statuses;
            }""",
            f"{desk.url}/api/1/envelope/?sentry_key={KEY}",
        )
        page.close()

    assert statuses == [200] * 8


# The last: figures are counted some seconds after a page was left.
@pytest.mark.usefixtures("visited")
def test_web_vitals_are_measured(desk: Desk) -> None:
    def find() -> dict[str, Any] | None:
        pages = desk.read("performance/vitals", project=1)["items"]
        counts = (
            {name: vital["count"] for name, vital in pages[0]["vitals"].items()} if pages else {}
        )
        wanted = dict.fromkeys(("lcp", "cls", "inp", "fcp", "ttfb"), len(_WAYS))
        return pages[0] if counts == wanted else None

    page = wait_for(find)

    assert page["name"] == "/"
    assert 0 < page["vitals"]["lcp"]["p75"] < 60
