import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from resumatch_monitor.notify.apprise.config import AppriseConfig
from resumatch_monitor.notify.apprise.notifier import AppriseNotifier
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import Attempt, FailureReason, NotifyError
from tests.dispatch.builders import START, make_alert, resolve
from tests.notify.catchers import HttpCatcher, catch_http, make_context, make_notification

pytestmark = pytest.mark.anyio

ATTEMPT = Attempt("k1")


def make_notifier(url: str) -> AppriseNotifier:
    return AppriseNotifier(AppriseConfig.model_validate({"url": url}), make_context())


async def send(catcher: HttpCatcher, notification: Notification, query: str = "") -> Any:
    url = catcher.url.replace("http", "json", 1)
    await make_notifier(f"{url}/alerts{query}").notify(notification, ATTEMPT)
    return catcher.requests[-1].json


async def test_sends_the_subject_and_the_text() -> None:
    async with catch_http() as catcher:
        said = await send(catcher, make_notification(make_alert(value=0.5)))

    assert said["title"] == "[FIRING:1] DatabaseConnectionFailed (critical)"
    assert said["message"].startswith("1 firing\n")
    assert "Value  0.5" in said["message"]
    assert said["type"] == "failure"


async def test_the_type_says_how_bad_it_is() -> None:
    resolved = resolve(make_alert(), START + timedelta(minutes=1))
    cases = {
        "success": make_notification(resolved),
        "warning": make_notification(make_alert(severity="warning")),
        "info": make_notification(make_alert(severity="info")),
    }
    async with catch_http() as catcher:
        for kind, notification in cases.items():
            assert (await send(catcher, notification))["type"] == kind


async def test_an_address_cannot_ask_for_redirects() -> None:
    async with catch_http() as catcher:
        catcher.answers = [
            f"HTTP/1.1 307 X\r\nLocation: {catcher.url}/else\r\nContent-Length: 0\r\n\r\n".encode()
        ]
        with pytest.raises(NotifyError):
            await send(catcher, make_notification(), "?redirect=yes")

    assert len(catcher.requests) == 1


async def test_an_address_that_apprise_does_not_understand_fails_for_good() -> None:
    with pytest.raises(NotifyError, match="does not understand") as caught:
        await make_notifier("nosuchservice://token-token").notify(make_notification(), ATTEMPT)

    assert not caught.value.retryable


async def test_metadata_addresses_are_refused_for_good() -> None:
    with pytest.raises(NotifyError, match="may not reach") as caught:
        await make_notifier("json://169.254.169.254/latest").notify(make_notification(), ATTEMPT)

    assert (caught.value.retryable, caught.value.reason) == (False, FailureReason.REFUSED)


def test_the_destination_shows_no_token() -> None:
    assert make_notifier("discord://webhook-id/webhook-token").destination == "discord://…"


@pytest.mark.parametrize("url", ["", "ntfy", "ntfy:topic", "ntfy://a b", "://x"])
def test_refuses_what_is_no_address(url: str) -> None:
    with pytest.raises(ValidationError, match="address of Apprise"):
        AppriseConfig.model_validate({"url": url})


async def test_messages_at_the_same_time_go_one_after_the_other() -> None:
    async with catch_http() as catcher:
        notifier = make_notifier(f"{catcher.url.replace('http', 'json', 1)}/alerts")
        await asyncio.gather(
            *(notifier.notify(make_notification(id=str(n)), ATTEMPT) for n in range(4))
        )

    assert len(catcher.requests) == 4
