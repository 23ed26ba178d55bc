"""The guide's seven alerts, provoked: by requests to ResuMatch, by their absence, and by an end."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from tests.acceptance.guide_rules import CRITICAL, WARNING
from tests.acceptance.guide_world import GuideWorld
from tests.acceptance.messages import Message
from tests.acceptance.story import Person
from tests.acceptance.waiting import wait_until

DATABASE = "DatabaseConnectionFailed"
DRAGGED_ALONG = ("HighErrorRate", "ProbeDown")
_SLOW_SECONDS = 4
_ANALYSTS = 3
"""Analyses that each of two people waits for at a time."""
_PAUSE_SECONDS = 0.5
_EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
_BACK_TO_NORMAL = 10


@dataclass(frozen=True, slots=True)
class Told:
    """What is left when all is over.

    Attributes:
        messages: All that was sent, in order.
        alerts: All alerts that there were, as the API lists them.
        dragged_along: The alerts that the database's failure held back, while they fired.
        acknowledgement: What the page behind the link in the mail said.
    """

    messages: list[Message]
    alerts: list[dict[str, Any]]
    dragged_along: list[dict[str, Any]]
    acknowledgement: str


def tell(world: GuideWorld) -> Told:
    """Let all seven fire and end, and everybody be told."""
    _break_and_mend_resumatch(world)
    acknowledgement, dragged_along = _break_and_mend_the_database(world)
    return Told(
        messages=world.catcher.messages(),
        alerts=list(world.monitor.api.items("/api/monitor/alerts", state="resolved")),
        dragged_along=dragged_along,
        acknowledgement=acknowledgement,
    )


def _break_and_mend_resumatch(world: GuideWorld) -> None:
    """Provoke six at once: attacks, a bad release, and nobody who registers."""
    # An increase needs a sample from before it.
    wait_until(
        lambda: world.monitor.api.query("suspicious_file_uploads_total"), "ResuMatch is scraped"
    )
    provoked = [each for each in (*CRITICAL, *WARNING) if each != DATABASE]
    people = [Person(world.resumatch, f"ada-{number}@example.com") for number in range(2)]
    for person in people:
        person.upload()
    world.set_faults(fail_analysis_ratio=1.0, slow_analysis_seconds=_SLOW_SECONDS)
    assert people[1].send_file("resume.txt", _EICAR).status_code in (400, 415, 422)
    guesses = count()
    actions = [
        lambda: _guess_password(world.resumatch, next(guesses)),
        *[person.analyse for person in people] * _ANALYSTS,
    ]
    with _repeating(actions):
        _wait_for_all(world, provoked, "[FIRING:1]")
        world.set_faults()
    for number in range(_BACK_TO_NORMAL):
        Person(world.resumatch, f"grace-{number}@example.com")
    _wait_for_all(world, provoked, "[RESOLVED]")


def _guess_password(resumatch: httpx.Client, number: int) -> None:
    """Sign in wrongly as somebody else each time, from elsewhere: no limit is meant to stop it."""
    guess = {"email": f"somebody-{number}@example.com", "password": "12345678"}
    # An address for documentation (RFC 5737), as a proxy in front would report it.
    headers = {"X-Forwarded-For": f"192.0.2.{number % 250 + 1}"}
    answer = resumatch.post("/login", json=guess, headers=headers)
    assert answer.status_code == 401, answer.text


def _break_and_mend_the_database(world: GuideWorld) -> tuple[str, list[dict[str, Any]]]:
    def try_to_sign_in() -> None:
        world.resumatch.post("/login", json={"email": "ada-0@example.com", "password": "12345678"})

    world.postgres.stop()
    with _repeating([try_to_sign_in]):
        _wait_for_all(world, [DATABASE], "[FIRING:1]")
        acknowledgement = _acknowledge(world)
        dragged_along = [
            wait_until(lambda name=name: _find_alert(world, name), f"{name} fires")
            for name in DRAGGED_ALONG
        ]
        world.postgres.start()
        _wait_for_all(world, [DATABASE], "[RESOLVED]")
    wait_until(
        lambda: not list(world.monitor.api.items("/api/monitor/alerts", state="firing,suppressed")),
        "nothing fires any more",
    )
    return acknowledgement, dragged_along


def _acknowledge(world: GuideWorld) -> str:
    """Press the button behind the link in the mail."""
    (mail,) = world.catcher.messages(channel="email", titled=DATABASE)
    start = mail["body"].index(f"{world.monitor.url}/act/")
    url = mail["body"][start:].split()[0]
    answer = httpx.post(url, trust_env=False).raise_for_status()
    wait_until(
        lambda: [
            each
            for each in world.catcher.messages(channel="pagerduty", titled=DATABASE)
            if each["details"]["event_action"] == "acknowledge"
        ],
        "PagerDuty hears of the acknowledgement",
    )
    return answer.text


def _wait_for_all(world: GuideWorld, names: list[str], head: str) -> None:
    """Wait until the alerts are told by Slack, and nothing is on its way to another channel."""
    missing: list[str] = []

    def have_all() -> bool:
        titles = {each["title"] for each in world.catcher.messages(channel="slack")}
        missing.clear()
        missing.extend(
            name for name in names if not any(f"{head} {name} " in title for title in titles)
        )
        if missing:
            return False
        deliveries = world.monitor.api.items("/api/monitor/notifications")
        return all(each["status"] not in ("queued", "retrying") for each in deliveries)

    try:
        wait_until(have_all, f"{head} of {', '.join(names)}", timeout_seconds=90)
    except TimeoutError as error:
        error.add_note(f"not told: {missing}")
        raise


def _find_alert(world: GuideWorld, name: str) -> dict[str, Any] | None:
    alerts = world.monitor.api.items("/api/monitor/alerts", status="firing", name=name)
    return next(alerts, None)


@contextmanager
def _repeating(actions: Sequence[Callable[[], object]]) -> Generator[None]:
    """Repeat each of `actions` in a thread of its own, with half a second in between.

    They begin one after another, for what happens in bursts comes and goes with a short window.
    """
    is_over = threading.Event()

    def repeat(action: Callable[[], object], delay_seconds: float) -> None:
        is_over.wait(delay_seconds)
        while not is_over.is_set():
            try:
                action()
            except httpx.TransportError:
                # It is meant to be broken.
                continue
            is_over.wait(_PAUSE_SECONDS)

    stagger_seconds = (_SLOW_SECONDS + _PAUSE_SECONDS) / len(actions)
    threads = [
        threading.Thread(target=repeat, args=(action, number * stagger_seconds), daemon=True)
        for number, action in enumerate(actions)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join(30)
