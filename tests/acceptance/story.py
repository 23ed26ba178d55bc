"""What befalls the world while the tests run: it is told once, beside them, to save their time."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from tests.acceptance.messages import Message
from tests.acceptance.waiting import wait_until
from tests.acceptance.world import World

DATABASE_ALERT = "DatabaseConnectionFailed"
_CHANNELS = ("email", "slack", "webhook")
_RESUME = (
    "Ada Example, data engineer. Eight years of Python, PostgreSQL, Redis and Docker at Example"
    " Ltd. Built data pipelines, led a team of four, and taught SQL to analysts."
)
_JOB = (
    "Data engineer wanted. You know Python, SQL and Docker well, like clear writing, and have run"
    " PostgreSQL in production. Salary 70,000 to 90,000 EUR."
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Moments:
    """Between which moments, by the tests' clock, something happened."""

    earliest: datetime
    latest: datetime


@dataclass(frozen=True, slots=True)
class SeenException:
    """An exception in ResuMatch and what the monitor made of it."""

    issue: dict[str, Any]
    event: dict[str, Any]
    messages: list[Message]


@dataclass(frozen=True, slots=True)
class SeenOutage:
    """ResuMatch was stopped and started."""

    stopped: Moments
    started: Moments
    open_outage: dict[str, Any]
    closed_outage: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SeenDatabaseFailure:
    """PostgreSQL was stopped and started."""

    stopped: Moments
    firing: dict[str, Any]
    resolved: dict[str, Any]


class Story(threading.Thread):
    """Breaks and mends one thing after another; each chapter's outcome is a future."""

    def __init__(self, world: World) -> None:
        super().__init__(name="story", daemon=True)
        self._world = world
        self.exception: Future[SeenException] = Future()
        self.outage: Future[SeenOutage] = Future()
        self.database: Future[SeenDatabaseFailure] = Future()

    def run(self) -> None:
        _tell(self.exception, lambda: raise_exception(self._world))
        _tell(self.outage, lambda: restart_resumatch(self._world))
        _tell(self.database, lambda: restart_postgres(self._world))


def _tell(future: Future[T], chapter: Callable[[], T]) -> None:
    try:
        future.set_result(chapter())
    except BaseException as error:  # noqa: BLE001 - whoever waits for the chapter raises it
        future.set_exception(error)


def raise_exception(world: World) -> SeenException:
    """Let an analysis divide by zero for somebody who has registered and uploaded."""
    _fail_analysis(world)
    api = world.monitor.api

    def find_issue() -> dict[str, Any] | None:
        found = api.get("/api/monitor/issues", query="ZeroDivisionError")["items"]
        return found[0] if found else None

    issue = wait_until(find_issue, "an issue for the exception")
    event = api.get(f"/api/monitor/issues/{issue['id']}/events/latest")

    def find_messages() -> list[Message] | None:
        found = world.catcher.messages(about=issue["short_id"])
        return found if {each["channel"] for each in found} == set(_CHANNELS) else None

    messages = wait_until(find_messages, "the new issue's messages")
    return SeenException(issue, event, messages)


def _fail_analysis(world: World) -> None:
    person = Person(world.resumatch, "ada@example.com")
    person.upload()
    world.set_faults(fail_analysis_ratio=1.0)
    try:
        answer = person.analyse()
    finally:
        world.set_faults()
    assert answer.status_code == 500, answer.text


class Person:
    """Somebody invented who has just registered at ResuMatch."""

    def __init__(self, resumatch: httpx.Client, email: str) -> None:
        self._resumatch = resumatch
        person = {"email": email, "password": "an-invented-persons-password"}
        token = resumatch.post("/register", json=person).raise_for_status().json()["token"]
        self._headers = {"Authorization": f"Bearer {token}"}
        self._resume_id = ""

    def upload(self) -> None:
        """Upload a résumé."""
        answer = self.send_file("resume.txt", _RESUME.encode())
        self._resume_id = answer.raise_for_status().json()["resume_id"]

    def send_file(self, name: str, content: bytes) -> httpx.Response:
        """Upload anything, and return what ResuMatch says to it."""
        files = {"file": (name, content, "text/plain")}
        return self._resumatch.post("/upload-resume", headers=self._headers, files=files)

    def analyse(self) -> httpx.Response:
        """Have the résumé analysed."""
        body = {"resume_id": self._resume_id, "job_text": _JOB}
        return self._resumatch.post("/analyze", headers=self._headers, json=body)


def restart_resumatch(world: World) -> SeenOutage:
    """Stop ResuMatch until the outage is open, then start it and wait until it is closed."""
    probe = _find_probe(world, "ResuMatch API")
    wait_until(lambda: _find_probe(world, "ResuMatch API")["status"] == "up", "ResuMatch is up")
    stopping_at = datetime.now(UTC)
    world.stop_resumatch()
    stopped = Moments(stopping_at, datetime.now(UTC))

    def find_outage() -> dict[str, Any] | None:
        newest = next(world.monitor.api.items(f"/api/monitor/probes/{probe['id']}/outages"), None)
        is_this_one = newest is not None and parse_time(newest["started_at"]) >= stopping_at
        return newest if is_this_one else None

    open_outage = wait_until(find_outage, "the outage opens")
    starting_at = datetime.now(UTC)
    world.start_watched_resumatch()
    started = Moments(starting_at, datetime.now(UTC))

    def find_end() -> dict[str, Any] | None:
        outage = find_outage()
        return None if outage is None or outage["is_open"] else outage

    closed_outage = wait_until(find_end, "the outage closes")
    return SeenOutage(stopped, started, open_outage, closed_outage)


def restart_postgres(world: World) -> SeenDatabaseFailure:
    """Stop PostgreSQL until everybody knows, then start it and wait until everybody knows."""
    stopping_at = datetime.now(UTC)
    world.postgres.stop()
    stopped = Moments(stopping_at, datetime.now(UTC))
    firing = wait_until(
        lambda: _find_database_alert(world, "firing"), "the alert fires", timeout_seconds=150
    )
    _wait_for_messages(world, "FIRING")
    world.postgres.start()
    resolved = wait_until(lambda: _find_database_alert(world, "resolved"), "the alert is resolved")
    _wait_for_messages(world, "RESOLVED")
    return SeenDatabaseFailure(stopped, firing, resolved)


def _wait_for_messages(world: World, word: str) -> None:
    def have_all() -> bool:
        mails = world.catcher.messages(channel="email", titled=DATABASE_ALERT)
        slacks = world.catcher.messages(channel="slack", titled=DATABASE_ALERT)
        return all(any(word in each["title"] for each in found) for found in (mails, slacks))

    wait_until(have_all, f"the {word} mail and Slack message")


def _find_database_alert(world: World, status: str) -> dict[str, Any] | None:
    alerts = world.monitor.api.items("/api/monitor/alerts", status=status)
    return next((each for each in alerts if each["name"] == DATABASE_ALERT), None)


def _find_probe(world: World, name: str) -> dict[str, Any]:
    probes = world.monitor.api.items("/api/monitor/probes")
    return next(each for each in probes if each["name"] == name)


def parse_time(text: str) -> datetime:
    """Read one of the API's times."""
    return datetime.fromisoformat(text)
