from dataclasses import replace
from datetime import timedelta

import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.notify.context import ActionUrls
from resumatch_monitor.notify.diagnosis import NO_DIAGNOSIS, Diagnosis, Fact
from resumatch_monitor.notify.notification import Notice, NoticeSection
from resumatch_monitor.notify.text import render_text
from resumatch_monitor.notify.wording import Links
from tests.dispatch.builders import START, make_alert, resolve
from tests.notify.catchers import make_notification

LINKS = Links("https://monitor.example.org")


class Signed:
    """Links of one click, as handling makes them."""

    def urls(self, alert: Alert, recipient: str) -> ActionUrls:
        return ActionUrls(
            *(f"https://m/{recipient}/{word}" for word in ("ack", "snooze", "mute", "resolve"))
        )


def test_reads_well_in_a_terminal() -> None:
    alert = make_alert(
        value=0.07342,
        job="api",
        annotations={
            "summary": "Errors are above 5 % of the requests",
            "runbook_url": "https://runbooks.example.org/errors",
        },
    )
    diagnosis = Diagnosis(
        facts=(
            Fact("Threshold", "above 0.05"),
            Fact("Last release", "2.1.0, 4 min before", "/issues?release=2.1.0"),
        ),
        todo="Look at what release 2.1.0 changed.",
        sparkline="▁▁▂▇",
    )

    text = render_text(
        make_notification(alert, escalation="nobody acknowledged it within 15 min"),
        diagnosis,
        LINKS,
        actions=Signed(),
        recipient="alice@example.org",
    )

    assert (
        text
        == f"""\
[FIRING:1] DatabaseConnectionFailed (critical)
1 firing

Escalated: nobody acknowledged it within 15 min

FIRING: DatabaseConnectionFailed (critical)
Errors are above 5 % of the requests

  Value         0.07342
  Threshold     above 0.05
  Last release  2.1.0, 4 min before
  Lately        ▁▁▂▇
  Since         2026-01-05 12:00:00 UTC (3m)
  Where         job=api

  What to do first
    Look at what release 2.1.0 changed.

  Runbook       https://runbooks.example.org/errors
  Look          https://monitor.example.org/alerts/{alert.fingerprint}
  Source        https://monitor.example.org/explore?expr=up
  Last release  https://monitor.example.org/issues?release=2.1.0
  Acknowledge   https://m/alice@example.org/ack
  Snooze 1 h    https://m/alice@example.org/snooze
  Silence       https://m/alice@example.org/mute
  Resolve       https://m/alice@example.org/resolve

--\x20
ResuMatch Monitor, 2026-01-05 12:03:00 UTC, to the receiver team
https://monitor.example.org/alerts
"""
    )


def test_lines_are_short_and_addresses_whole() -> None:
    address = "https://runbooks.example.org/" + "x" * 200
    annotations = {"summary": "word " * 200, "runbook_url": address, "description": "w" * 300}

    text = render_text(make_notification(make_alert(annotations=annotations)), NO_DIAGNOSIS, LINKS)

    assert address in text
    assert all(len(line) <= 78 or " " not in line.strip()[20:] for line in text.splitlines())


@pytest.mark.parametrize("is_event", [True, False])
def test_what_is_over_has_nothing_to_acknowledge(is_event: bool) -> None:
    alert = make_alert(is_event=is_event)
    if not is_event:
        alert = resolve(alert, START + timedelta(minutes=1))

    text = render_text(make_notification(alert), NO_DIAGNOSIS, LINKS, actions=Signed())

    assert "Acknowledge" not in text


def test_a_notice_is_sections_of_lines() -> None:
    sections = (NoticeSection("Still firing", ("a", "b\nc")), NoticeSection("Ended", ("d",)))
    notice = Notice("Daily digest", "Two alerts.", sections, path="/alerts")
    notification = replace(make_notification(), alerts=(), firing_count=0, notice=notice)

    text = render_text(notification, NO_DIAGNOSIS, LINKS)

    assert text.startswith(
        "Daily digest\n\nTwo alerts.\n\nStill firing\n  - a\n  - b c\n\nEnded\n  - d\n"
        "\nhttps://monitor.example.org/alerts\n"
    )


def test_says_what_is_dragged_along_and_how_many_are_not_listed() -> None:
    alerts = [make_alert(n=str(number)) for number in range(5)]
    notification = make_notification(*alerts, dependents=(make_alert("Slow", job="api"),))

    text = render_text(notification, NO_DIAGNOSIS, LINKS, most_alerts=2)

    assert "Drags along, and therefore not told on their own\n  - Slow (job=api)\n" in text
    assert "3 more are not listed here." in text


def test_a_notice_that_sums_alerts_up_names_them_once() -> None:
    notice = Notice("3 messages in one", sections=(NoticeSection("Firing", ("[critical] A",)),))

    text = render_text(make_notification(make_alert("A"), notice=notice), NO_DIAGNOSIS, LINKS)

    assert "[critical] A" in text
    assert "FIRING: A" not in text
