"""Programs with the real sentry-sdk, as PyPI has it: what a monitor shows is what they did."""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.clients.desk import KEY, Desk, open_desk
from tests.support.monitor import run_monitor
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(180)

_FOLDER = Path(__file__).with_name("python")
_RUNS: Mapping[str, tuple[int, list[str], dict[str, str]]] = {
    "web": (1, ["web.py"], {}),
    "worker": (2, ["worker.py", "crash"], {}),
    "stream": (3, ["web.py"], {"trace_lifecycle": "stream"}),
}
_KEYS = (KEY, "a1" * 16, "b2" * 16)
_CONFIG = f"""
projects:
  - {{id: 1, slug: web, key: {KEY}}}
  - {{id: 2, slug: worker, key: {_KEYS[1]}}}
  - {{id: 3, slug: stream, key: {_KEYS[2]}}}
intake: {{store_profiles: true}}
default_rules: false
"""
Told = Mapping[str, Any]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Generator[Desk]:
    with (
        run_monitor(tmp_path_factory.mktemp("monitor"), config=_CONFIG) as monitor,
        open_desk(monitor) as desk,
    ):
        yield desk


@pytest.fixture(scope="module")
def told(desk: Desk) -> Mapping[str, Told]:
    """What the programs printed."""
    with ThreadPoolExecutor(len(_RUNS)) as threads:
        running = {name: threads.submit(_run, desk, name) for name in _RUNS}
        return {name: each.result() for name, each in running.items()}


def _run(desk: Desk, name: str) -> Told:
    project, arguments, options = _RUNS[name]
    done = subprocess.run(
        [sys.executable, str(_FOLDER / arguments[0]), *arguments[1:]],
        env={
            "PATH": os.environ["PATH"],
            "SENTRY_DSN": f"{desk.url.replace('://', f'://{_KEYS[project - 1]}@')}/{project}",
            "CLIENT_OPTIONS": json.dumps(options),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == ("crash" in arguments), done.stderr
    return json.loads(done.stdout)


def _wait_for_issues(desk: Desk, project: int, count: int) -> Mapping[str, Mapping[str, Any]]:
    """Return a project's issues by their type, once there are so many."""

    def find() -> Mapping[str, Mapping[str, Any]] | None:
        items = desk.read("issues", project=project)["items"]
        return {each["type"]: each for each in items} if len(items) >= count else None

    return wait_for(find)


def _find_event(desk: Desk, issue: Mapping[str, Any]) -> Mapping[str, Any]:
    return desk.read(f"issues/{issue['id']}/events/latest")


def _count_outcomes(desk: Desk, project: int) -> dict[tuple[str, str, str], int]:
    series = desk.read(f"projects/{project}/outcomes")["series"]
    return {(each["category"], each["outcome"], each["reason"]): each["total"] for each in series}


def _find_traces(desk: Desk, project: int, names: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Return the newest segment of each name."""

    def find() -> dict[str, Mapping[str, Any]] | None:
        items = desk.read("traces", project=project)["items"]
        found = {each["name"]: each for each in reversed(items)}
        return found if set(names) <= set(found) else None

    return wait_for(find)


def _read_chain(event: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    return [(each["type"], each["value"], each["handled"]) for each in event["exceptions"]]


def _read_metric(desk: Desk, expr: str) -> float:
    def find() -> float | None:
        answer = desk.api.get("/api/v1/query", params={"query": expr}).raise_for_status().json()
        result = answer["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    return wait_for(find)


def _assert_is_from_the_shop(shown: Mapping[str, Any]) -> None:
    assert (shown["release"], shown["environment"]) == ("shop@1.2.3", "staging")


@pytest.mark.parametrize("name", _RUNS)
def test_nothing_waits_in_the_client_and_it_reports_no_loss(
    desk: Desk, told: Mapping[str, Told], name: str
) -> None:
    project = _RUNS[name][0]

    def find_discards() -> dict[tuple[str, str, str], int]:
        return {
            key: total for key, total in _count_outcomes(desk, project).items()
            if key[1] != "accepted"
        }  # fmt: skip

    assert told[name]["left"] == 0
    # What the SDK leaves out on purpose: an error that it has already sent, which uvicorn logs
    # once more, and profiles of requests that were over before they were looked at twice.
    on_purpose = {("error", "event_processor"), ("profile", "insufficient_data")}
    lost = {key for key in find_discards() if (key[0], key[2]) not in on_purpose}
    assert lost == set()


def test_what_a_project_sent_is_counted(desk: Desk, told: Mapping[str, Told]) -> None:
    accepted = {
        name: {
            key[0]: total
            for key, total in _count_outcomes(desk, project).items()
            if key[1] == "accepted"
        }
        for name, (project, _, _) in _RUNS.items()
    }

    web, stream = accepted["web"], accepted["stream"]
    assert 1 <= web.pop("profile") <= 5
    common = {"error": 3, "attachment": 8, "session": 1, "trace_metric": 2, "log_item": 3}
    assert web == common | {"transaction": 5}
    # Seven of the shop's; the SDK also traces how it sends them, where the port is not 80.
    assert stream.pop("span") >= 7
    assert stream == common
    assert accepted["worker"] == {
        "error": 4,
        "transaction": 1,
        "monitor": 5,
        "session": 1,
        "feedback": 1,
        "trace_metric": 6,
        "log_item": 5,
        "profile_chunk": 1,
    }


@pytest.mark.parametrize("name", ["web", "stream"])
def test_an_error_of_a_request_is_shown_as_it_was_raised(
    desk: Desk, told: Mapping[str, Told], name: str
) -> None:
    assert told[name]["answers"] == [200, 200, 500, 200, 200]
    issues = _wait_for_issues(desk, _RUNS[name][0], 3)
    assert {each: issue["event_count"] for each, issue in issues.items()} == {
        "PaymentError": 1,
        "ExceptionGroup": 1,
        "Message": 1,
    }
    issue = issues["PaymentError"]
    assert (issue["value"], issue["culprit"]) == ("no price for this order", "__main__ in charge")
    assert (issue["is_handled"], issue["level"], issue["user_count"]) == (False, "error", 1)
    assert issue["first_release"] == "shop@1.2.3"

    event = _find_event(desk, issue)

    assert _read_chain(event) == [
        ("PaymentError", "no price for this order", False),
        ("KeyError", "'ghost'", False),
    ]
    crash = event["exceptions"][0]["frames"][0]
    assert crash["context_line"].strip().startswith("raise PaymentError")
    assert crash["vars"]["article"] == "'ghost'"
    assert event["request"]["data"] == {"article": "ghost", "password": "[Filtered]"}
    assert event["request"]["method"] == "POST"
    assert [each["message"] for each in event["breadcrumbs"]] == ["paying"]
    tags = {each["key"]: each["value"] for each in event["tags"]}
    assert (tags["plan"], tags["article"]) == ("pro", "ghost")
    assert (event["user"]["id"], event["user"]["username"]) == ("user-17", "ada")
    assert event["user"]["email"] == "[Filtered]"
    assert (event["transaction"], event["server_name"]) == ("/orders", "app-1")
    # It names itself after one of the frameworks that are installed, not after the one in use.
    assert event["sdk"]["name"] in ("sentry.python.fastapi", "sentry.python.django")
    _assert_is_from_the_shop(event)
    assert "hunter2" not in json.dumps(event)

    trace = desk.find_trace(event["trace_id"], spans=1, errors=1, has_root=False)
    span = next(each for each in trace["spans"] if each["name"] == "/orders")
    error = next(each for each in trace["errors"] if each["event_id"] == event["event_id"])
    assert (span["status"], error["span_id"]) == ("error", span["span_id"])


@pytest.mark.parametrize("name", ["web", "stream"])
def test_a_group_and_a_message_with_a_file_are_shown(
    desk: Desk, told: Mapping[str, Told], name: str
) -> None:
    issues = _wait_for_issues(desk, _RUNS[name][0], 3)
    group = _find_event(desk, issues["ExceptionGroup"])
    assert group["event_id"] == told[name]["events"]["checks"]
    assert _read_chain(group) == [
        ("ExceptionGroup", "two checks failed", True),
        ("ValueError", "stock", True),
        ("OSError", "printer", True),
    ]
    report = _find_event(desk, issues["Message"])
    assert report["event_id"] == told[name]["events"]["report"]
    assert (report["message"], report["level"]) == ("The report is empty", "warning")
    assert report["contexts"]["printer"] == {"model": "P-100", "paper": "A4"}
    assert report["extra"]["pages"] == 3
    path = f"issues/{issues['Message']['id']}/events/{report['event_id']}/attachments"
    (file,) = desk.read(path)["items"]
    assert (file["name"], file["content_type"]) == ("report.txt", "text/plain")
    assert desk.api.get(f"/api/monitor/{path}/{file['id']}").content == b"one\ntwo\n"


@pytest.mark.parametrize("name", ["web", "stream"])
def test_a_request_is_traced_down_to_its_query(
    desk: Desk, told: Mapping[str, Told], name: str
) -> None:
    project = _RUNS[name][0]
    segments = _find_traces(desk, project, ["/articles/{number}", "/orders", "/checks", "/report"])
    segment = segments["/articles/{number}"]
    assert (segment["op"], segment["status"], segment["span_count"]) == ("http.server", "ok", 2)
    _assert_is_from_the_shop(segment)
    trace = desk.find_trace(segment["trace_id"], spans=2, has_root=False)
    queries = [
        each for each in trace["spans"]
        if each["op"] == "db" and each["parent_span_id"] == segment["span_id"]
    ]  # fmt: skip
    assert [each["name"] for each in queries] == ["SELECT name FROM articles WHERE id = ?"]
    # The SDK traces how it sends, where the port is not 80; nobody wants to see that.
    assert not [each for each in trace["spans"] if "envelope" in each["name"]]


@pytest.mark.parametrize(
    ("name", "sessions", "crashed"), [("web", 5, 1), ("stream", 5, 1), ("worker", 1, 1)]
)
def test_sessions_are_counted(
    desk: Desk, told: Mapping[str, Told], name: str, sessions: int, crashed: int
) -> None:
    def find() -> Mapping[str, Any] | None:
        items = desk.read("releases", project=_RUNS[name][0])["items"]
        return items[0] if items and items[0]["health"]["sessions"] else None

    release = wait_for(find)
    health = release["health"]
    assert release["version"] == "shop@1.2.3"
    assert (health["sessions"], health["crashed"]) == (sessions, crashed)


def test_what_a_worker_logged_and_died_of_is_shown(desk: Desk, told: Mapping[str, Told]) -> None:
    issues = _wait_for_issues(desk, 2, 4)
    shown = {
        each: (issue["value"], issue["is_handled"], issue["event_count"])
        for each, issue in issues.items()
    }
    assert shown == {
        "TimeoutError": ("the supplier does not answer", True, 1),
        "ValueError": ("invalid literal for int() with base 10: 'twelve'", True, 1),
        "IndexError": ("list index out of range", False, 1),
        "RuntimeError": ("the worker gives up", False, 1),
    }
    logged = _find_event(desk, issues["ValueError"])
    assert logged["message"] == "a line of the price list is unreadable"
    crumbs = [(each["level"], each["message"]) for each in logged["breadcrumbs"]]
    assert ("warning", "slow") in crumbs
    died = _find_event(desk, issues["RuntimeError"])
    assert died["exceptions"][0]["mechanism"] == "excepthook"
    _assert_is_from_the_shop(died)


def test_jobs_are_as_they_checked_in(desk: Desk, told: Mapping[str, Told]) -> None:
    def find() -> dict[str, Any] | None:
        jobs = {each["slug"]: each for each in desk.read("crons", project=2)["items"]}
        return jobs if len(jobs) == 3 else None

    jobs = wait_for(find)
    states = {slug: job["environments"][0]["last_status"] for slug, job in jobs.items()}
    assert states == {"nightly-invoices": "ok", "hourly-import": "error", "cleanup": "in_progress"}
    assert jobs["hourly-import"]["status"] == "failing"
    config = jobs["nightly-invoices"]["config"]
    assert (config["crontab"], config["timezone"]) == ("0 3 * * *", "Europe/Berlin")
    assert (config["margin_seconds"], config["max_runtime_seconds"]) == (300, 1800)
    (run,) = desk.read("crons/2/nightly-invoices/runs")["items"]
    assert (run["status"], run["environment"], run["release"]) == ("ok", "staging", "shop@1.2.3")
    assert run["duration_seconds"] is not None


def test_feedback_that_is_sent_as_an_event_is_feedback(
    desk: Desk, told: Mapping[str, Told]
) -> None:
    issues = _wait_for_issues(desk, 2, 4)

    def find() -> Mapping[str, Any] | None:
        items = desk.read("feedback", project=2)["items"]
        return items[0] if len(items) == 1 else None

    said = wait_for(find)
    assert (said["message"], said["name"]) == ("My order vanished", "Ada")
    assert (said["email"], said["url"]) == ("ada@example.org", "https://shop.example/orders")
    assert said["event_id"] == told["worker"]["events"]["import"]
    assert said["issue_id"] == issues["TimeoutError"]["id"]
    assert len(issues) == 4


def test_what_a_worker_measured_can_be_queried(desk: Desk, told: Mapping[str, Told]) -> None:
    assert _read_metric(desk, 'shop_jobs_total{project="worker", job="invoices"}') == 3
    assert _read_metric(desk, 'shop_queue_depth{project="worker"}') == 7
    assert _read_metric(desk, 'shop_job_duration_seconds_count{project="worker"}') == 3
    assert _read_metric(desk, 'shop_job_duration_seconds_sum{project="worker"}') == pytest.approx(
        0.6
    )
    assert _read_metric(desk, 'shop_articles_shown_total{project="web"}') == 2


def test_a_transaction_without_a_framework_is_traced(desk: Desk, told: Mapping[str, Told]) -> None:
    trace = desk.find_trace(told["worker"]["trace"], spans=2)
    assert [(each["name"], each["op"], each["depth"]) for each in trace["spans"]] == [
        ("render invoices", "queue.task", 0),
        ("render page", "function", 1),
    ]
