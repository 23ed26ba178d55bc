"""Sends events to PagerDuty: triggers, acknowledgements, resolutions, and changes."""

from typing import Any, cast

import orjson

from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.http import Answer, HttpSender
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import Attempt, FailureReason, NotifyError, Receipt
from resumatch_monitor.notify.pagerduty.config import PagerDutyConfig
from resumatch_monitor.notify.pagerduty.event import (
    is_change,
    render_acknowledgement,
    render_change,
    render_event,
)


class PagerDutyNotifier:
    """Sends to the service behind an integration key.

    A repeated delivery is harmless: events about a group share a `dedup_key`, and PagerDuty adds
    them to the incident that is open.
    """

    def __init__(self, config: PagerDutyConfig, context: NotifierContext) -> None:
        self._routing_key = config.routing_key.get_secret_value()
        self._context = context
        self.destination = f"{config.url} (key {self._routing_key[:3]}…)"
        self._events = self._build_sender(f"{config.url}/v2/enqueue")
        self._changes = self._build_sender(f"{config.url}/v2/change/enqueue")

    async def notify(self, notification: Notification, attempt: Attempt) -> Receipt:
        links = self._context.links
        if notification.acknowledged_by:
            return await self._send(self._events, render_acknowledgement(notification), attempt)
        if is_change(notification):
            return await self._send(self._changes, render_change(notification, links), attempt)
        diagnosis = await self._context.find_diagnosis(notification)
        event = render_event(notification, diagnosis, links)
        return await self._send(self._events, event, attempt)

    async def _send(self, sender: HttpSender, event: dict[str, Any], attempt: Attempt) -> Receipt:
        body = orjson.dumps({"routing_key": self._routing_key, **event})
        answer = await sender.post(body, {"Idempotency-Key": attempt.key})
        return Receipt(_read_success(answer))

    def _build_sender(self, url: str) -> HttpSender:
        return HttpSender(
            client=self._context.client,
            clock=self._context.clock,
            url=url,
            secrets=[self._routing_key],
        )


def _read_success(answer: Answer) -> str:
    """Return PagerDuty's words.

    Raises:
        NotifyError: If the answer is not PagerDuty's: a proxy may say 200 to anything.
    """
    try:
        said = orjson.loads(answer.text)
    except ValueError:
        said = None
    fields = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    if fields.get("status") != "success":
        raise NotifyError(
            f"the destination answered {answer.status}, but not as PagerDuty does",
            retryable=True,
            reason=FailureReason.SERVER_ERROR,
        )
    return f"{answer.status} {fields.get('message', '')}".strip()
