"""A shop on Express with the real @sentry/node: transactions as before version 11, and streamed."""

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.clients.desk import Desk
from tests.support.npm import find_program, install_packages, run_node
from tests.support.waiting import wait_for

JAVASCRIPT = Path(__file__).with_name("javascript")
SHOP = JAVASCRIPT / "node"
ORDERS = (SHOP / "orders.mjs").read_text().splitlines()
_SECONDS = 120
_LIFECYCLES = ("static", "stream")

Told = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def told(desk: Desk) -> Told:
    """What the two shops printed; the first of them crashes at its end."""
    install_packages(JAVASCRIPT)
    with ThreadPoolExecutor(len(_LIFECYCLES)) as threads:
        running = {each: threads.submit(run_shop, desk, each) for each in _LIFECYCLES}
        return {each: shop.result() for each, shop in running.items()}


def run_shop(desk: Desk, lifecycle: str) -> Mapping[str, Any]:
    is_crashing = lifecycle == "static"
    done = run_node(
        [
            find_program("node"),
            "--import",
            "./instrument.mjs",
            "app.mjs",
            *(["crash"] if is_crashing else []),
        ],
        SHOP,
        {
            "PATH": os.environ["PATH"],
            "SENTRY_DSN": desk.dsn,
            "SENTRY_OPTIONS": json.dumps({"traceLifecycle": lifecycle}),
        },
        _SECONDS,
    )
    assert done.returncode == is_crashing, done.stdout
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


def line_of(code: str) -> int:
    return next(number for number, line in enumerate(ORDERS, start=1) if code in line)


@pytest.mark.parametrize("lifecycle", _LIFECYCLES)
def test_everything_is_sent(told: Told, lifecycle: str) -> None:
    assert told[lifecycle]["isFlushed"] is True
    assert told[lifecycle]["answers"] == [200, 500]
    assert set(told[lifecycle]["statuses"]) == {200}


def test_an_error_of_a_request_is_seen_as_it_was_thrown(told: Told, desk: Desk) -> None:
    issue = desk.find_issue("no price of coffee", events=2)
    event = desk.find_event("no price of coffee")

    assert (issue["type"], issue["value"]) == ("RangeError", "no price of coffee")
    assert (issue["culprit"], issue["level"]) == ("orders in placeOrder", "error")
    assert (issue["is_handled"], issue["event_count"], issue["user_count"]) == (False, 2, 1)
    raised, cause = event["exceptions"]
    assert (cause["type"], cause["mechanism"]) == ("TypeError", "chained")
    assert cause["value"] == "Cannot read properties of undefined (reading 'cents')"
    for each, function, code in (
        (raised, "placeOrder", "throw new RangeError"),
        (cause, "findPrice", "PRICES[name].cents"),
    ):
        frame = each["frames"][0]
        assert (frame["function"], frame["line"]) == (function, line_of(code))
        assert frame["context_line"] == ORDERS[line_of(code) - 1]
        assert frame["in_app"] is True
    libraries = [frame for frame in raised["frames"] if "node_modules" in frame["filename"]]
    assert libraries
    assert not any(frame["in_app"] for frame in libraries)


def test_it_is_seen_where_and_to_whom_it_happened(told: Told, desk: Desk) -> None:
    event = desk.find_event("no price of coffee")

    assert (event["release"], event["environment"]) == ("shop@7.1.0", "staging")
    assert event["transaction"] == "GET /orders/:name"
    assert (event["platform"], event["sdk"]["name"]) == ("node", "sentry.javascript.node")
    assert event["user"]["id"] == "user-17"
    assert event["user"]["username"] == "ada"
    assert {"key": "plan", "value": "pro"} in event["tags"]
    assert event["breadcrumbs"][-1]["message"] == "looks up coffee"
    assert event["request"]["method"] == "GET"
    assert event["request"]["url"].endswith("/orders/coffee")
    assert event["trace_id"] in {each["trace"] for each in told.values()}


@pytest.mark.parametrize(
    ("value", "kind", "level", "is_handled", "culprit"),
    [
        ("prices are old", "Message", "warning", True, "app in importPrices"),
        ("the list has a hole", "TypeError", "error", True, "app"),
        ("order 19 was never paid", "Error", "error", False, "orders in refund"),
        ("and then it fell over", "SyntaxError", "fatal", False, "app"),
    ],
)
def test_whatever_is_captured_is_an_issue(
    told: Told, desk: Desk, value: str, kind: str, level: str, is_handled: bool, culprit: str
) -> None:
    issue = desk.find_issue(value)

    assert (issue["type"], issue["value"], issue["level"]) == (kind, value, level)
    assert (issue["is_handled"], issue["culprit"]) == (is_handled, culprit)


@pytest.mark.parametrize("lifecycle", _LIFECYCLES)
def test_a_visit_is_one_trace_with_its_errors(told: Told, desk: Desk, lifecycle: str) -> None:
    trace = desk.find_trace(told[lifecycle]["trace"], spans=8, errors=4)

    tree = [(span["depth"], span["op"], span["status"]) for span in trace["spans"]]
    assert tree == [
        (0, "test", "ok"),
        (1, "http.client", "ok"),
        (2, "http.server", "ok"),
        (3, "handler", "ok"),
        (1, "http.client", "error"),
        (2, "http.server", "error"),
        (3, "handler", "error"),
        (1, "db", "ok"),
    ]
    assert trace["missing_parents"] == []
    assert [s["name"] for s in trace["spans"] if s["op"] == "http.server"] == [
        "GET /orders/:name"
    ] * 2
    assert trace["spans"][-1]["name"] == "SELECT * FROM prices WHERE shop = ?"
    assert [error["message"] for error in trace["errors"]][:3] == [
        "no price of coffee",
        "prices are old",
        "the list has a hole",
    ]


def test_jobs_report_how_they_went(told: Told, desk: Desk) -> None:
    def find() -> dict[str, Any] | None:
        jobs = {each["slug"]: each for each in desk.read("crons")["items"]}
        return jobs if {"nightly-report", "nightly-refund"} <= jobs.keys() else None

    jobs = wait_for(find)

    assert jobs["nightly-report"]["config"]["crontab"] == "0 3 * * *"
    assert jobs["nightly-report"]["config"]["timezone"] == "Europe/Berlin"
    assert jobs["nightly-report"]["config"]["max_runtime_seconds"] == 1_800

    def read_runs(slug: str) -> list[str] | None:
        runs = [run["status"] for run in desk.read(f"crons/1/{slug}/runs")["items"]]
        return runs if len(runs) == 2 and "in_progress" not in runs else None

    assert wait_for(lambda: read_runs("nightly-report")) == ["ok", "ok"]
    assert wait_for(lambda: read_runs("nightly-refund")) == ["error", "error"]


def test_what_users_write_is_kept_with_its_issue(told: Told, desk: Desk) -> None:
    issue = desk.find_issue("the list has a hole")

    def find() -> list[dict[str, Any]] | None:
        items = desk.read("feedback")["items"]
        is_there = len(items) == 2 and all(each["issue_id"] for each in items)
        return items if is_there else None

    for item in wait_for(find):
        assert (item["message"], item["name"]) == ("Where is my tea?", "Bob")
        assert item["email"] == "bob@example.org"
        assert (item["issue_id"], item["release"]) == (issue["id"], "shop@7.1.0")


def test_a_file_comes_with_its_event(told: Told, desk: Desk) -> None:
    assert desk.read_files("the list has a hole") == {"prices.csv": "tea,450\ncoffee,\n"}


def test_sessions_count_for_the_release(told: Told, desk: Desk) -> None:
    def find() -> dict[str, Any] | None:
        (release,) = desk.read("releases")["items"]
        return release if release["health"]["sessions"] >= 4 else None

    release = wait_for(find)

    assert release["version"] == "shop@7.1.0"
    assert release["health"]["crashed"] >= 2


def test_metrics_are_series(told: Told, desk: Desk) -> None:
    def find(query: str) -> float | None:
        answer = desk.api.get("/api/v1/query", params={"query": query}).json()
        found = answer["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    assert wait_for(lambda: find("sum(prices_imported_total)")) == 6
    assert wait_for(lambda: find("sum(import_duration_milliseconds_sum)")) == 25


def test_nothing_is_lost(told: Told, desk: Desk) -> None:
    desk.wait_for_accepted({"error": 9, "monitor": 8, "feedback": 2, "log_item": 2})

    lost = {key: n for key, n in desk.count_outcomes().items() if key[1] != "accepted"}
    assert lost == {}
