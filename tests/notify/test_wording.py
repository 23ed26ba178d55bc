from dataclasses import replace
from datetime import timedelta

import pytest

from resumatch_monitor.metrics.labels import NO_LABELS, Labels
from resumatch_monitor.notify.http import parse_retry_after
from resumatch_monitor.notify.notification import (
    MOST_ALERTS,
    Notice,
    NoticeSection,
    NotificationKind,
    notification_from_json,
    notification_to_json,
)
from resumatch_monitor.notify.redaction import Redactor, mask_url, url_secrets
from resumatch_monitor.notify.wording import (
    Links,
    describe_alert,
    format_value,
    render_counts,
    render_subject,
)
from tests.dispatch.builders import START, make_alert, resolve
from tests.notify.catchers import make_notification


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.073421, "0.07342"),
        (3.14159, "3.142"),
        (12345.6, "12,346"),
        (1e18, "1e+18"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
        (-0.5, "-0.5"),
    ],
)
def test_values_are_for_people(value: float, text: str) -> None:
    assert format_value(value) == text


def test_the_subject_is_about_what_fires() -> None:
    over = resolve(make_alert("Over"), START)
    firing = [make_alert("A", n="1"), make_alert("A", n="2"), make_alert("B", severity="info")]

    assert render_subject(make_notification(*firing, over)) == "[FIRING:3] A and 1 more (critical)"
    assert render_subject(make_notification(over)) == "[RESOLVED] Over (critical)"


def test_a_subject_is_short_and_one_line() -> None:
    subject = render_subject(make_notification(make_alert("x\n" * 400)))

    assert len(subject) <= 150
    assert subject.isprintable()


def test_counts_say_when_it_is_a_reminder() -> None:
    assert render_counts(make_notification(is_repeat=True)).endswith("nothing changed)")


def test_a_link_that_is_no_web_address_is_text() -> None:
    alert = make_alert(annotations={"runbook_url": "javascript:alert(1)"})

    text = describe_alert(alert, make_notification(alert), Links(""))

    assert (text.runbook_url, text.todo, text.url) == ("", "javascript:alert(1)", "")


def test_a_notification_comes_back_from_json_as_it_was() -> None:
    alerts = [
        make_alert(value=float("inf"), job="a"),
        make_alert("NewIssue", is_event=True),
        resolve(make_alert(job="b"), START + timedelta(seconds=3)),
    ]
    notification = make_notification(*alerts, external_labels=Labels.of(site="north"))

    assert notification_from_json(notification_to_json(notification)) == notification


def test_a_notice_comes_back_from_json_as_it_was() -> None:
    sections = (NoticeSection("Still firing", ("a since 12:00", "b since 13:00")),)
    notice = Notice("Daily digest", "Two alerts.", sections, severity="warning", path="/alerts?x=1")
    notification = replace(
        make_notification(is_drill=True, escalation="nobody acknowledged it", mute_note="ended"),
        alerts=(),
        firing_count=0,
        notice=notice,
        dependents=(make_alert("Slow", value=1.5),),
    )

    assert notification.kind is NotificationKind.NOTICE
    assert notification_from_json(notification_to_json(notification)) == notification
    assert (notification.common_labels, notification.severity) == (NO_LABELS, "warning")


def test_what_an_earlier_version_stored_is_read() -> None:
    data = notification_to_json(make_notification())
    for name in ("notice", "is_drill", "escalation", "dependents", "mute_note", "external_labels"):
        del data[name]

    assert notification_from_json(data) == make_notification()


def test_a_drill_is_another_incident_than_the_real_one() -> None:
    assert make_notification(is_drill=True).dedup_key != make_notification().dedup_key


def test_counts_what_it_does_not_list() -> None:
    notification = make_notification(*[make_alert(n=str(n)) for n in range(MOST_ALERTS + 5)])

    assert (len(notification.alerts), notification.truncated_count) == (MOST_ALERTS, 5)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("3", 3.0),
        (" 120 ", 120.0),
        ("Mon, 05 Jan 2026 12:00:30 GMT", 30.0),
        ("Mon, 05 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("9" * 400, 999_999_999.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, now=START) == seconds


def test_every_form_of_a_secret_is_hidden() -> None:
    url = "https://user:hunter2secret@example.org:8443/hooks/abcdefgh?token=s%20ecret1"
    redactor = Redactor(url_secrets(url))

    for text in (url, "at /hooks/abcdefgh", "abcdefgh", "s ecret1", "hunter2secret"):
        cleaned = redactor.clean(f"bad {text} here")
        assert "abcdefgh" not in cleaned
        assert "ecret1" not in cleaned
        assert "hunter2secret" not in cleaned
    assert mask_url(url) == "https://example.org:8443/…"


def test_a_message_of_a_drill_leads_to_the_drill() -> None:
    alert = replace(make_alert(), generator_path="/drills/17")
    links = Links("https://monitor.example.org")

    drilled = describe_alert(alert, make_notification(alert, is_drill=True), links)

    assert drilled.url == "https://monitor.example.org/drills/17"
    assert drilled.source_url == ""
    real = describe_alert(alert, make_notification(alert), links)
    assert real.url == f"https://monitor.example.org/alerts/{alert.fingerprint}"
