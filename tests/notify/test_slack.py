from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.notify.context import ActionLinks, ActionUrls, NoActionLinks
from resumatch_monitor.notify.diagnosis import NO_DIAGNOSIS, Diagnosis, Fact
from resumatch_monitor.notify.notification import Notice, NoticeSection, Notification
from resumatch_monitor.notify.notifier import Attempt, NotifyError
from resumatch_monitor.notify.slack.blocks import measure
from resumatch_monitor.notify.slack.config import SlackConfig
from resumatch_monitor.notify.slack.message import render_message
from resumatch_monitor.notify.slack.notifier import SlackNotifier
from resumatch_monitor.notify.wording import Links
from tests.dispatch.builders import START, make_alert, resolve
from tests.notify.catchers import make_context, make_notification

LINKS = Links("https://monitor.example.org")
BASE = "https://monitor.example.org"


class Signed:
    """Links of one click, as handling makes them."""

    def urls(self, alert: Alert, recipient: str) -> ActionUrls:
        base = f"{BASE}/act/{alert.fingerprint}/{recipient}"
        return ActionUrls(*(f"{base}/{word}" for word in ("ack", "snooze", "silence", "resolve")))


def render(
    notification: Notification,
    diagnosis: Diagnosis = NO_DIAGNOSIS,
    action_links: ActionLinks | None = None,
) -> dict[str, Any]:
    return render_message(notification, diagnosis, LINKS, action_links or NoActionLinks())


def texts(message: dict[str, Any]) -> list[str]:
    blocks = message["attachments"][0]["blocks"]
    return [
        *(block["text"]["text"] for block in blocks if "text" in block),
        *(field["text"] for block in blocks for field in block.get("fields", [])),
        *(
            part["text"]
            for block in blocks
            if block["type"] == "context"
            for part in block["elements"]
        ),
    ]


def test_says_what_where_since_when_and_what_to_do() -> None:
    alert = make_alert(
        value=12.0,
        job="database",
        annotations={"summary": "Down", "runbook": "Restart it, then call Bob."},
    )

    message = render(make_notification(alert))

    assert message["text"] == "[FIRING:1] DatabaseConnectionFailed (critical)"
    assert message["attachments"][0]["color"] == "#d13438"
    section, _button, footer = message["attachments"][0]["blocks"]
    section = section["text"]["text"]
    footer = footer["elements"][0]["text"]
    assert section.splitlines() == [
        f"*<https://monitor.example.org/alerts/{alert.fingerprint}|DatabaseConnectionFailed>*"
        " FIRING (critical)",
        "Down",
        "*Value:* 12",
        "*Since:* 2026-01-05 12:00:00 UTC (3m)",
        "*Where:* job=database",
        "*What to do:* Restart it, then call Bob.",
        "<https://monitor.example.org/explore?expr=up|Source>",
    ]
    assert footer == "1 firing · <https://monitor.example.org/alerts|ResuMatch Monitor>"


def test_resolved_is_green() -> None:
    resolved = resolve(make_alert(), START + timedelta(minutes=1))

    message = render(make_notification(resolved))

    assert message["attachments"][0]["color"] == "#2e9e5b"
    assert message["text"] == "[RESOLVED] DatabaseConnectionFailed (critical)"


def test_nobody_can_mention_the_channel() -> None:
    alert = make_alert("<!channel>", annotations={"summary": "<!here> & <https://x|y>"})

    message = render(make_notification(alert))

    assert "<!" not in str(message)
    assert "&lt;!here&gt; &amp; &lt;https://x|y&gt;" in texts(message)[0]


def test_says_how_many_it_does_not_show() -> None:
    alerts = [make_alert(instance=str(number)) for number in range(30)]

    message = render(make_notification(*alerts))

    assert "22 more not shown" in texts(message)[-1]


def test_one_click_acknowledges_snoozes_silences_resolves_or_opens() -> None:
    alert = make_alert()

    blocks = render(make_notification(alert), action_links=Signed())["attachments"][0]["blocks"]

    base = f"{BASE}/act/{alert.fingerprint}/slack"
    (row,) = [block for block in blocks if block["type"] == "actions"]
    assert [(each["text"]["text"], each["url"]) for each in row["elements"]] == [
        ("Acknowledge", f"{base}/ack"),
        ("Snooze 1 h", f"{base}/snooze"),
        ("Silence", f"{base}/silence"),
        ("Resolve", f"{base}/resolve"),
        ("Open", f"{BASE}/alerts/{alert.fingerprint}"),
    ]


def test_what_is_over_has_nothing_to_acknowledge() -> None:
    resolved = resolve(make_alert(), START + timedelta(minutes=1))

    for alert in (resolved, make_alert("NewIssue", is_event=True)):
        assert "/ack" not in str(render(make_notification(alert), action_links=Signed()))


def test_resolved_names_the_group() -> None:
    resolved = resolve(make_alert(), START + timedelta(minutes=1))

    assert (
        "Resolved: alertname=DatabaseConnectionFailed"
        in texts(render(make_notification(resolved)))[-1]
    )


def test_shows_the_diagnosis_as_text() -> None:
    diagnosis = Diagnosis(
        facts=(
            Fact("Threshold", "above 0.05"),
            Fact("Last release", "2.1.0 <4 min before>", "/issues?release=2.1.0"),
        ),
        todo="Roll back & look.",
        sparkline="▁▂▅▇",
    )

    found = texts(render(make_notification(), diagnosis))

    assert "*Threshold*\nabove 0.05" in found
    assert f"*Last release*\n<{BASE}/issues?release=2.1.0|2.1.0 &lt;4 min before&gt;>" in found
    assert "*Lately*\n`▁▂▅▇`" in found
    assert "*What to do first:* Roll back &amp; look." in found


def test_says_what_is_dragged_along_that_it_was_escalated_and_that_it_is_a_drill() -> None:
    message = render(
        make_notification(
            is_drill=True,
            escalation="escalated: nobody acknowledged it within 15 min",
            dependents=tuple(make_alert(f"Slow{number}", job="api") for number in range(12)),
        )
    )

    text = "\n".join(texts(message))
    assert message["text"].startswith("[DRILL] ")
    assert "*DRILL: nothing is wrong" in text
    assert "*Escalated: nobody acknowledged it within 15 min*" in text
    assert "Slow0 (job=api)" in text
    assert "and 2 more" in text


def test_a_notice_is_sections_of_lines() -> None:
    lines = tuple(f"line {number} <x>" for number in range(400))
    notice = Notice("Daily digest", "Two alerts.", (NoticeSection("Still firing", lines),) * 30)
    notification = replace(make_notification(), alerts=(), firing_count=0, notice=notice)

    message = render(notification)

    found = texts(message)
    assert message["text"] == "Daily digest"
    assert found[0] == "*Daily digest*\nTwo alerts."
    assert found[1].startswith("*Still firing*\n• line 0 &lt;x&gt;")
    assert found[1].endswith("more")
    assert "There is more than a message holds" in "\n".join(found)
    assert sum(map(len, found)) <= 13_200


@settings(deadline=None)
@given(
    name=st.text(max_size=400),
    summary=st.text(st.characters(codec="utf-8"), max_size=3000),
    runbook=st.one_of(st.text(max_size=900), st.just("https://r.example.org/" + "x" * 4000)),
    count=st.integers(1, 60),
)
def test_stays_inside_slacks_limits(name: str, summary: str, runbook: str, count: int) -> None:
    annotations = {"summary": summary, "description": summary[::-1], "runbook_url": runbook}
    alerts = [make_alert(name, n=str(number), annotations=annotations) for number in range(count)]

    diagnosis = Diagnosis(
        facts=(Fact(name or "x", summary or "x", "/" + summary),) * 20,
        todo=summary,
        sparkline="▁" * 60,
    )
    dependents = tuple(make_alert(name + summary) for _ in range(count))
    notification = make_notification(*alerts, dependents=dependents, escalation=summary)

    message = render(notification, diagnosis, Signed())

    blocks = message["attachments"][0]["blocks"]
    assert len(blocks) <= 50
    for block in blocks:
        assert len(block.get("fields", [])) <= 10
        assert all(len(field["text"]) <= 2000 for field in block.get("fields", []))
        assert all(len(each.get("url", "")) <= 3000 for each in block.get("elements", []))
    assert measure(blocks) <= 13_500
    assert all(0 < len(text) <= 3000 for text in texts(message))
    assert sum(map(len, texts(message))) <= 13_200
    assert 0 < len(message["text"]) <= 40_000
    assert len(blocks[0]["block_id"]) <= 255


def test_the_destination_shows_no_token() -> None:
    url = "https://hooks.slack.com/services/T0/B0/abcdefgh"
    config = SlackConfig.model_validate({"webhook_url": url})

    assert (
        SlackNotifier(config, make_context()).destination == "https://hooks.slack.com/services/T…"
    )


@pytest.mark.anyio
async def test_a_web_page_is_no_slack() -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, html="<h1>Sign in</h1>"))
    config = SlackConfig.model_validate({"webhook_url": "https://hooks.example.org/x"})

    with pytest.raises(NotifyError, match="web page") as caught:
        await SlackNotifier(config, make_context(transport)).notify(
            make_notification(), Attempt("k")
        )

    assert not caught.value.retryable
