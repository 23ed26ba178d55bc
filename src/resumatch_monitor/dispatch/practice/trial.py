"""Tries channels: a real message through the real one, and what was answered."""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert, AlertSource
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.notify.notification import Notice, Notification, split_alerts
from resumatch_monitor.notify.notifier import (
    Attempt,
    FailureReason,
    Integration,
    IntegrationId,
    NotifyError,
)

TEST_ALERT = "TestMessage"
_TIMEOUT_SECONDS = 30.0
_MOST_TRIALS = 10
_WINDOW = timedelta(minutes=1)
_MACHINES = ("pagerduty", "webhook")
"""What reads alerts and makes something of them; the others are read by people."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a message that was sent to try a channel.

    Attributes:
        is_accepted: Whether the destination took it.
        detail: What the destination answered, in its own words and without secrets.
        is_retryable: If it did not take it: whether the same message may be taken later.
    """

    integration: IntegrationId
    destination: str
    is_accepted: bool
    detail: str
    is_retryable: bool
    duration_seconds: float


class TooManyTrialsError(Exception):
    """Channels have been tried too often of late."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"try again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class ChannelTester:
    """Sends test messages at once, past routes, groups and the outbox."""

    def __init__(self, integrations: Sequence[Integration], *, clock: Clock, ids: Ids) -> None:
        self._integrations = integrations
        self._clock = clock
        self._ids = ids
        self._times: deque[float] = deque()

    def find(self, receiver: str, kind: str = "", index: int | None = None) -> list[Integration]:
        """Return the integrations of a receiver, of one kind, or one."""
        return [
            each
            for each in self._integrations
            if each.id.receiver == receiver
            and kind in ("", each.id.kind)
            and index in (None, each.id.index)
        ]

    async def test(self, integrations: Sequence[Integration], *, by: str) -> list[Trial]:
        """Send a test message through each of `integrations`.

        Args:
            integrations: From `find`.
            by: Who wants it, for those who get it.

        Returns:
            What became of each, in order.

        Raises:
            TooManyTrialsError: If there were many within the last minute.
        """
        self._count(len(integrations))
        return list(await asyncio.gather(*(self._try(each, by) for each in integrations)))

    def _count(self, number: int) -> None:
        now = self._clock.monotonic()
        window_seconds = _WINDOW.total_seconds()
        while self._times and now - self._times[0] >= window_seconds:
            self._times.popleft()
        # One receiver with many channels can be tried, if nothing was before.
        if self._times and len(self._times) + number > _MOST_TRIALS:
            raise TooManyTrialsError(max(math.ceil(window_seconds - (now - self._times[0])), 1))
        self._times.extend([now] * number)

    async def _try(self, integration: Integration, by: str) -> Trial:
        began = self._clock.monotonic()
        notification = self._compose(integration.id, by)
        try:
            detail = await self._send(integration, notification)
            if integration.keeps_incidents:
                # Nobody shall have to close what was opened for a test.
                detail += "; resolved: " + await self._send(
                    integration, self._resolve(notification)
                )
        except NotifyError as error:
            detail, is_accepted, is_retryable = error.message, False, error.retryable
        else:
            is_accepted, is_retryable = True, False
        return Trial(
            integration.id,
            integration.notifier.destination,
            is_accepted,
            detail,
            is_retryable,
            duration_seconds=self._clock.monotonic() - began,
        )

    async def _send(self, integration: Integration, notification: Notification) -> str:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                receipt = await integration.notifier.notify(
                    notification, Attempt(f"{notification.id}-{notification.kind}")
                )
        except TimeoutError:
            text = f"no answer within {_TIMEOUT_SECONDS:.0f} s"
            raise NotifyError(text, retryable=True, reason=FailureReason.TIMEOUT) from None
        if receipt.warning:
            return f"{receipt.detail} ({receipt.warning})".strip()
        return receipt.detail

    def _compose(self, integration: IntegrationId, by: str) -> Notification:
        now, notification_id = self._clock.now(), self._ids.uuid()
        summary = f"A test of the receiver {integration.receiver}, asked for by {by}."
        text = "If you can read this, alerts reach you this way."
        said = Notification(
            id=notification_id,
            thread_id=notification_id,
            receiver=integration.receiver,
            group_key=f"test:{notification_id}",
            group_labels=Labels.of({ALERT_NAME: TEST_ALERT}),
            alerts=(),
            firing_count=0,
            resolved_count=0,
            created_at=now,
            is_drill=True,
        )
        if integration.kind not in _MACHINES:
            notice = Notice("Test message", f"{summary}\n{text}", path="/notifications")
            return replace(said, notice=notice)
        alert = Alert(
            labels=Labels.of({ALERT_NAME: TEST_ALERT, SEVERITY: "info"}),
            annotations={"summary": summary, "description": text},
            starts_at=now,
            source=AlertSource.MONITOR,
            generator_path="/notifications",
        )
        return replace(said, alerts=(alert,), firing_count=1)

    def _resolve(self, notification: Notification) -> Notification:
        ended = [replace(each, ends_at=self._clock.now()) for each in notification.alerts]
        listed, firing_count, resolved_count = split_alerts(ended)
        return replace(
            notification,
            alerts=listed,
            firing_count=firing_count,
            resolved_count=resolved_count,
        )
