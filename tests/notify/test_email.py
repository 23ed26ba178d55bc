import socket
import ssl
import subprocess
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.notify.context import ActionUrls
from resumatch_monitor.notify.diagnosis import NO_DIAGNOSIS, Chart, Diagnosis, Fact
from resumatch_monitor.notify.email.config import EmailConfig
from resumatch_monitor.notify.email.message import EmailRenderer
from resumatch_monitor.notify.email.notifier import EmailNotifier
from resumatch_monitor.notify.notification import Notice, NoticeSection, Notification
from resumatch_monitor.notify.notifier import Attempt, FailureReason, NotifyError
from resumatch_monitor.notify.wording import Links
from tests.dispatch.builders import START, make_alert, resolve
from tests.notify.catchers import (
    PASSWORD,
    catch_mail,
    make_context,
    make_notification,
)

pytestmark = pytest.mark.anyio

ATTEMPT = Attempt("key-1")


def make_notifier(port: int, trust: ssl.SSLContext | None = None, **over: Any) -> EmailNotifier:
    config = {
        "to": ["alice@example.org", "bob@example.org"],
        "from": "ResuMatch Monitor <monitor@example.org>",
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        **over,
    }
    return EmailNotifier(EmailConfig.model_validate(config), make_context(), tls_context=trust)


async def test_sends_text_and_html_that_say_what_where_and_what_to_do() -> None:
    alert = make_alert(
        value=0.07342,
        job="database",
        annotations={
            "summary": "Database connection failed",
            "description": "<b>Nobody</b> answers at port 5432.",
            "runbook_url": "https://runbooks.example.org/database",
        },
    )
    async with catch_mail() as catcher:
        receipt = await make_notifier(catcher.port).notify(make_notification(alert), ATTEMPT)

    assert receipt.detail == "queued as 42"
    assert receipt.warning == ""
    (message,) = catcher.messages
    assert message["Subject"] == "[FIRING:1] DatabaseConnectionFailed (critical)"
    assert message["To"] == "alice@example.org, bob@example.org"
    assert message["From"] == "ResuMatch Monitor <monitor@example.org>"
    assert message["Message-ID"] == "<n1@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["References"] is None
    text = message.get_body(("plain",))
    html = message.get_body(("html",))
    assert text is not None
    assert html is not None
    for part in (text.get_content(), html.get_content()):
        assert "0.07342" in part
        assert "2026-01-05 12:00:00 UTC (3m)" in part
        assert "job=database" in part
        assert "https://runbooks.example.org/database" in part
        assert f"https://monitor.example.org/alerts/{alert.fingerprint}" in part
    assert "&lt;b&gt;Nobody&lt;/b&gt;" in html.get_content()
    assert "<b>Nobody</b>" in text.get_content()
    assert max(map(len, text.get_content().splitlines())) < 100


async def test_later_messages_of_a_group_go_into_its_thread() -> None:
    resolved = resolve(make_alert(), START + timedelta(minutes=2))
    notification = make_notification(resolved, id="n2", thread_id="n1")

    async with catch_mail() as catcher:
        await make_notifier(catcher.port).notify(notification, ATTEMPT)

    (message,) = catcher.messages
    assert message["Subject"] == "[RESOLVED] DatabaseConnectionFailed (critical)"
    assert (message["Message-ID"], message["References"]) == (
        "<n2@example.org>",
        "<n1@example.org>",
    )
    assert message["In-Reply-To"] == "<n1@example.org>"
    assert "(after 2m)" in str(message.get_body(("plain",)))


async def test_a_line_break_in_a_name_makes_no_header() -> None:
    alert = make_alert("Bad\r\nBcc: eve@example.org")

    async with catch_mail() as catcher:
        await make_notifier(catcher.port).notify(make_notification(alert), ATTEMPT)

    assert catcher.messages[0]["Bcc"] is None
    assert "Bad Bcc: eve@example.org" in catcher.messages[0]["Subject"]


async def test_addresses_beyond_ascii_use_smtputf8() -> None:
    async with catch_mail() as catcher:
        notifier = make_notifier(catcher.port, to=["jürgen@example.org"])
        await notifier.notify(make_notification(), ATTEMPT)

    assert catcher.envelopes[0].rcpt_tos == ["jürgen@example.org"]


async def test_a_recipient_refused_for_good_is_a_warning_and_the_others_get_it() -> None:
    async with catch_mail() as catcher:
        catcher.refusals["bob@example.org"] = "550 <bob@example.org> no such user"
        receipt = await make_notifier(catcher.port).notify(make_notification(), ATTEMPT)

    assert catcher.envelopes[0].rcpt_tos == ["alice@example.org"]
    assert receipt.warning == "b…@example.org refused: 550 <b…@example.org> no such user"


async def test_a_recipient_refused_for_now_is_left_for_the_next_attempt() -> None:
    async with catch_mail() as catcher:
        catcher.refusals["bob@example.org"] = "451 greylisted"
        notifier = make_notifier(catcher.port)
        with pytest.raises(NotifyError) as caught:
            await notifier.notify(make_notification(), ATTEMPT)
        catcher.refusals.clear()
        await notifier.notify(
            make_notification(), Attempt("key-1", remaining=caught.value.remaining)
        )

    assert caught.value.retryable
    assert [each.rcpt_tos for each in catcher.envelopes] == [
        ["alice@example.org"],
        ["bob@example.org"],
    ]


@pytest.mark.parametrize(
    ("answers", "retryable", "remaining"),
    [
        (["550 no", "550 no"], False, ()),
        (["451 later", "451 later"], True, ("alice@example.org", "bob@example.org")),
        (["550 no", "451 later"], True, ("bob@example.org",)),
    ],
)
async def test_all_recipients_refused(
    answers: list[str], retryable: bool, remaining: tuple[str, ...]
) -> None:
    async with catch_mail() as catcher:
        catcher.refusals = dict(zip(("alice@example.org", "bob@example.org"), answers, strict=True))
        with pytest.raises(NotifyError) as caught:
            await make_notifier(catcher.port).notify(make_notification(), ATTEMPT)

    assert (caught.value.retryable, caught.value.remaining) == (retryable, remaining)
    assert "alice" not in caught.value.message


@pytest.mark.parametrize(
    ("answer", "retryable"),
    [(f"{code} words", 400 <= code < 500) for code in (421, 450, 451, 452, 550, 552, 554)],
)
async def test_the_code_says_whether_it_is_worth_another_try(answer: str, retryable: bool) -> None:
    async with catch_mail() as catcher:
        catcher.data_answer = answer
        with pytest.raises(NotifyError, match=answer) as caught:
            await make_notifier(catcher.port).notify(make_notification(), ATTEMPT)

    assert caught.value.retryable == retryable


async def test_signs_in_and_keeps_the_password_to_itself() -> None:
    async with catch_mail(auth=True) as catcher:
        good = make_notifier(catcher.port, username="monitor", password=PASSWORD)
        await good.notify(make_notification(), ATTEMPT)
        bad = make_notifier(catcher.port, username="monitor", password="wrong-password")
        with pytest.raises(NotifyError) as caught:
            await bad.notify(make_notification(), ATTEMPT)

    assert len(catcher.envelopes) == 1
    assert not caught.value.retryable
    assert "wrong-password" not in caught.value.message


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run([*command.split(), *subject, *files], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_starttls_with_a_certificate_that_is_trusted(certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=f"{certificate}.crt")
    async with catch_mail(tls=server_tls(certificate)) as catcher:
        notifier = make_notifier(catcher.port, trust, tls="starttls")
        await notifier.notify(make_notification(), ATTEMPT)

    assert len(catcher.envelopes) == 1


async def test_a_certificate_that_is_not_trusted_is_a_permanent_error(certificate: Path) -> None:
    async with catch_mail(tls=server_tls(certificate)) as catcher:
        with pytest.raises(NotifyError, match="certificate") as caught:
            await make_notifier(catcher.port, tls="starttls").notify(make_notification(), ATTEMPT)

    assert not caught.value.retryable
    assert catcher.envelopes == []


async def test_starttls_is_demanded_of_a_server_that_offers_none() -> None:
    async with catch_mail() as catcher:
        with pytest.raises(NotifyError) as caught:
            await make_notifier(catcher.port, tls="starttls").notify(make_notification(), ATTEMPT)

    assert not caught.value.retryable
    assert catcher.envelopes == []


async def test_nobody_listening_is_worth_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(NotifyError) as caught:
        await make_notifier(port).notify(make_notification(), ATTEMPT)

    assert caught.value.retryable
    assert caught.value.reason is FailureReason.NETWORK


def test_the_destination_tells_people_apart_and_gives_no_address_away() -> None:
    addresses = [f"{name}@example.org" for name in ("alice", "bob", "charlie", "dora", "eve")]

    destination = make_notifier(25, to=addresses).destination

    assert destination == "a…@example.org, b…@example.org, c…@example.org and 2 more"


@pytest.mark.parametrize("address", ["alice", "a@b, c@d", "alice@example.org\nBcc: x@y", ""])
def test_refuses_what_is_no_address(address: str) -> None:
    with pytest.raises(ValidationError, match="address"):
        make_notifier(25, to=[address])


async def test_no_mail_goes_to_the_addresses_of_a_machines_surroundings() -> None:
    notifier = make_notifier(25, host="169.254.169.254", tls="none")

    with pytest.raises(NotifyError, match="allowed_hosts") as raised:
        await notifier.notify(make_notification(), ATTEMPT)

    assert not raised.value.retryable
    assert raised.value.reason is FailureReason.REFUSED


class Signed:
    """Links of one click, as handling makes them."""

    def urls(self, alert: Alert, recipient: str) -> ActionUrls:
        return ActionUrls(
            *(f"https://m/{recipient}/{word}" for word in ("ack", "snooze", "mute", "resolve"))
        )


def render(
    notification: Notification, diagnosis: Diagnosis = NO_DIAGNOSIS, *to: str
) -> tuple[EmailMessage, str]:
    """Return a mail and its HTML."""
    renderer = EmailRenderer(
        sender="monitor@example.org", links=Links("https://m.example.org"), actions=Signed()
    )
    message = renderer.render(notification, to or ("alice@example.org",), diagnosis)
    html = message.get_body(("html",))
    assert html is not None
    return message, html.get_content()


def test_the_chart_is_inside_the_mail() -> None:
    chart = Chart(b"\x89PNG picture", 600, 200, "Chart of the <expression>")
    message, html = render(make_notification(), Diagnosis(chart=chart))

    types = [part.get_content_type() for part in message.walk()]
    assert types == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]
    (image,) = (part for part in message.walk() if part.get_content_type() == "image/png")
    assert f'src="cid:{image["Content-ID"][1:-1]}"' in html
    assert image.get_content_disposition() == "inline"
    assert image.get_payload(decode=True) == b"\x89PNG picture"
    assert 'alt="Chart of the &lt;expression&gt;"' in html


def test_shows_what_was_found_out_with_links() -> None:
    diagnosis = Diagnosis(
        facts=(
            Fact("Threshold", "fires above 0.05"),
            Fact("Last release", "2.1.0 <b>", "/issues?project=1"),
        ),
        todo="Roll back.",
    )

    _, html = render(make_notification(), diagnosis)

    assert "fires above 0.05" in html
    assert '<a href="https://m.example.org/issues?project=1"' in html
    assert "2.1.0 &lt;b&gt;" in html
    assert "Roll back." in html


def test_one_click_is_the_recipients_own() -> None:
    message, html = render(make_notification(), NO_DIAGNOSIS, "Alice <alice@example.org>")
    _, many = render(make_notification(), NO_DIAGNOSIS, "alice@example.org", "bob@example.org")

    for word in ("ack", "snooze", "mute", "resolve"):
        assert f'href="https://m/alice@example.org/{word}"' in html
        assert f"https://m/alice@example.org/{word}" in str(message.get_body(("plain",)))
        assert f'href="https://m/email/{word}"' in many


def test_what_is_over_has_nothing_to_acknowledge() -> None:
    resolved = resolve(make_alert(), START + timedelta(minutes=1))

    for alert in (resolved, make_alert("NewIssue", is_event=True)):
        assert "/ack" not in render(make_notification(alert))[1]


def test_says_that_it_is_a_drill_that_it_was_escalated_and_what_it_drags_along() -> None:
    dependents = tuple(make_alert(f"Slow{number}", job="<api>") for number in range(12))
    message, html = render(
        make_notification(
            is_drill=True, escalation="nobody acknowledged it in time", dependents=dependents
        )
    )

    assert message["Subject"].startswith("[DRILL] ")
    assert "DRILL: nothing is wrong" in html
    assert "Escalated: nobody acknowledged it in time" in html
    assert "Slow0 (job=&lt;api&gt;)" in html
    assert "and 2 more" in html


def test_a_notice_is_sections_of_lines() -> None:
    sections = (NoticeSection("Still <firing>", ("a & b",) * 150),)
    notice = Notice("Daily digest", "Two alerts.", sections, path="/alerts?x=1")
    notification = replace(make_notification(), alerts=(), firing_count=0, notice=notice)

    message, html = render(notification)

    assert message["Subject"] == "Daily digest"
    assert "NOTICE" in html
    assert "Still &lt;firing&gt;" in html
    assert html.count("a &amp; b") == 100
    assert "and 50 more" in html
    assert 'href="https://m.example.org/alerts?x=1"' in html
    assert "FIRING" not in html


def test_a_thousand_alerts_make_a_mail_of_bounded_size() -> None:
    annotations = {"summary": "x" * 4000, "description": "y" * 4000}
    alerts = [make_alert(n=str(number), annotations=annotations) for number in range(1000)]

    message, html = render(make_notification(*alerts))

    assert "950 more are not listed here." in html
    assert len(message.as_bytes()) < 1_500_000
