"""An occurrence's timeline: which silences are in it, and where."""

from dataclasses import replace
from datetime import timedelta

import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.handling.timeline import build_timeline
from resumatch_monitor.dispatch.matchers import parse_matchers
from resumatch_monitor.dispatch.muting.silence import Silence
from tests.dispatch.builders import START, make_alert, resolve

HOUR = timedelta(hours=1)
NOW = START + 4 * HOUR
ALERT = make_alert()
OVER = resolve(ALERT, START + 2 * HOUR)
EVENT = make_alert(is_event=True)
SILENCE = Silence(
    id="1",
    matchers=tuple(parse_matchers('alertname=~"Database.*"')),
    starts_at=START + HOUR,
    ends_at=START + 8 * HOUR,
    created_by="ada",
    comment="planned",
    created_at=START,
    updated_at=START,
)
ENDED = replace(SILENCE, ends_at=START + 3 * HOUR, ended_by="bob")


def tell(alert: Alert, silence: Silence) -> list[str]:
    """Return the steps as `hours action actor`."""
    steps = build_timeline(alert, journal=[], sent=[], silences=[silence], now=NOW)
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    return [f"{(step.at - START) / HOUR:g} {step.action} {step.actor}".strip() for step in steps]


@pytest.mark.parametrize(
    ("alert", "silence", "steps"),
    [
        (ALERT, SILENCE, ["0 fired", "1 silenced ada"]),
        (ALERT, ENDED, ["0 fired", "1 silenced ada", "3 unsilenced bob"]),
        (ALERT, replace(ENDED, ended_by=""), ["0 fired", "1 silenced ada", "3 unsilenced"]),
        (OVER, ENDED, ["0 fired", "1 silenced ada", "2 ended"]),
        (ALERT, replace(SILENCE, starts_at=START - HOUR), ["0 fired", "0 silenced ada"]),
        (ALERT, replace(SILENCE, starts_at=NOW + HOUR), ["0 fired"]),
        (OVER, replace(SILENCE, starts_at=START + 3 * HOUR), ["0 fired", "2 ended"]),
        (ALERT, replace(SILENCE, starts_at=START - HOUR, ends_at=START), ["0 fired"]),
        (EVENT, replace(SILENCE, starts_at=START - HOUR), ["0 happened", "0 silenced ada"]),
        (EVENT, SILENCE, ["0 happened"]),
        (make_alert("Other"), SILENCE, ["0 fired"]),
    ],
    ids=[
        "holds on",
        "was ended",
        "ended by itself",
        "outlasts the alert",
        "was there before",
        "lies ahead",
        "came after the end",
        "had ended before",
        "an event under it",
        "an event before it",
        "of other alerts",
    ],
)
def test_silences_stand_where_they_began_and_ceased_to_hold(
    alert: Alert, silence: Silence, steps: list[str]
) -> None:
    assert tell(alert, silence) == steps


def test_a_silence_says_until_when_and_why() -> None:
    _, step = build_timeline(ALERT, journal=[], sent=[], silences=[SILENCE], now=NOW)

    assert step.text == "until 2026-01-05 20:00 UTC: planned"
