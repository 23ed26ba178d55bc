from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.notify.notifier import Attempt, NotifyError
from resumatch_monitor.notify.slack.config import SlackConfig
from resumatch_monitor.notify.slack.message import render_message
from resumatch_monitor.notify.slack.notifier import SlackNotifier
from resumatch_monitor.notify.wording import Links
from tests.dispatch.builders import START, make_alert, resolve
from tests.notify.catchers import make_context, make_notification

LINKS = Links("https://monitor.example.org")


def texts(message: dict[str, Any]) -> list[str]:
    blocks = message["attachments"][0]["blocks"]
    return [
        *(block["text"]["text"] for block in blocks if block["type"] == "section"),
        *(part["text"] for block in blocks for part in block.get("elements", [])),
    ]


def test_says_what_where_since_when_and_what_to_do() -> None:
    alert = make_alert(
        value=12.0,
        job="database",
        annotations={"summary": "Down", "runbook": "Restart it, then call Bob."},
    )

    message = render_message(make_notification(alert), LINKS)

    assert message["text"] == "[FIRING:1] DatabaseConnectionFailed (critical)"
    assert message["attachments"][0]["color"] == "#d13438"
    section, footer = texts(message)
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

    message = render_message(make_notification(resolved), LINKS)

    assert message["attachments"][0]["color"] == "#2e9e5b"
    assert message["text"] == "[RESOLVED] DatabaseConnectionFailed (critical)"


def test_nobody_can_mention_the_channel() -> None:
    alert = make_alert("<!channel>", annotations={"summary": "<!here> & <https://x|y>"})

    message = render_message(make_notification(alert), LINKS)

    assert "<!" not in str(message)
    assert "&lt;!here&gt; &amp; &lt;https://x|y&gt;" in texts(message)[0]


def test_says_how_many_it_does_not_show() -> None:
    alerts = [make_alert(instance=str(number)) for number in range(30)]

    message = render_message(make_notification(*alerts), LINKS)

    assert "22 more not shown" in texts(message)[-1]


@given(
    name=st.text(max_size=400),
    summary=st.text(st.characters(codec="utf-8"), max_size=3000),
    runbook=st.one_of(st.text(max_size=900), st.just("https://r.example.org/" + "x" * 4000)),
    count=st.integers(1, 60),
)
def test_stays_inside_slacks_limits(name: str, summary: str, runbook: str, count: int) -> None:
    annotations = {"summary": summary, "description": summary[::-1], "runbook_url": runbook}
    alerts = [make_alert(name, n=str(number), annotations=annotations) for number in range(count)]

    message = render_message(make_notification(*alerts), LINKS)

    blocks = message["attachments"][0]["blocks"]
    assert len(blocks) <= 50
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
