"""Delivers to one integration."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from resumatch_monitor.dispatch.outbox.metrics import OutboxMetrics
from resumatch_monitor.dispatch.outbox.store import (
    LONGEST_RETRY_AFTER,
    DueDelivery,
    OutboxStore,
    Outcome,
)
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.dispatch.waiting import wait_for_signal
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.notify.notification import Notification, NotificationKind
from resumatch_monitor.notify.notifier import (
    Attempt,
    FailureReason,
    Integration,
    NotifyError,
    Receipt,
)

logger = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(hours=24)
"""A delivery that failed for so long, and at least `FEWEST_ATTEMPTS` times, is given up."""
FEWEST_ATTEMPTS = 10
FEWEST_BEFORE_FALLBACK = 2
"""Attempts before a delivery is handed to a fallback, however long they took."""

_LONGEST_BACKOFF_SECONDS = 300.0
_ATTEMPT_TIMEOUT_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 60.0
_GRACE_SECONDS = 5.0
_LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Fallback:
    """Who is told when an integration cannot be reached, and after how long."""

    integrations: Sequence[Integration]
    after: timedelta


class Worker:
    """Delivers to one integration."""

    def __init__(
        self,
        integration: Integration,
        store: OutboxStore,
        clock: Clock,
        metrics: OutboxMetrics,
        jitter: Callable[[], float],
        fallback: "Fallback | None" = None,
        on_heirs: Callable[[], None] = lambda: None,
    ) -> None:
        self.integration = integration
        self.signal = asyncio.Event()
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._jitter = jitter
        self._fallback = fallback
        self._on_heirs = on_heirs
        self._labels = (integration.id.receiver, integration.id.kind)
        self._resume_at = clock.monotonic()
        # What the destination has answered and the store has not yet taken, the disk being full
        # for instance. It must not be sent again meanwhile.
        self._unmarked: dict[int, Outcome] = {}
        for metric in (metrics.sent, metrics.waiting, metrics.latency, metrics.last_sent_at):
            metric.labels(*self._labels)
        for reason in FailureReason:
            metrics.failed.labels(*self._labels, reason.value)
            metrics.failed_attempts.labels(*self._labels, reason.value)

    async def run(self) -> None:
        while True:
            await self.deliver_due()
            await wait_for_signal(self.signal, seconds=await self._find_pause(), clock=self._clock)

    async def deliver_due(self) -> None:
        await self._mark_unmarked()
        seen: set[int] = set()
        while self._clock.monotonic() >= self._resume_at:
            due = await self._store.take_due(
                self.integration.id, now=self._clock.now(), limit=self.integration.concurrency
            )
            # A clock that stands still, or went back, must not make a failing one spin.
            fresh = [delivery for delivery in due if delivery.id not in seen]
            if not fresh:
                break
            seen.update(delivery.id for delivery in fresh)
            await self._finish(fresh)

    async def _find_pause(self) -> float:
        due_at = await self._store.next_due_at(self.integration.id)
        if due_at is None:
            return _LONGEST_PAUSE_SECONDS
        due_in = (due_at - self._clock.now()).total_seconds()
        held_for = self._resume_at - self._clock.monotonic()
        return min(max(due_in, held_for, 0.05), _LONGEST_PAUSE_SECONDS)

    async def _finish(self, deliveries: Sequence[DueDelivery]) -> None:
        """Attempt all of `deliveries`; when cancelled, first let them come to an end for a while.

        To break off an attempt that the destination may have accepted makes a second one.
        """
        tasks = [asyncio.ensure_future(self._attempt(delivery)) for delivery in deliveries]
        try:
            await asyncio.shield(asyncio.wait(tasks))
        except asyncio.CancelledError:
            await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        # Only when none is under way any more may one that raised stop the loop.
        for task in tasks:
            task.result()

    async def _attempt(self, delivery: DueDelivery) -> None:
        notification = _explain(delivery)
        if not self.integration.send_resolved and notification.firing_count:
            notification = notification.without_resolved()
        try:
            async with asyncio.timeout(_ATTEMPT_TIMEOUT_SECONDS):
                receipt = await self.integration.notifier.notify(
                    notification, Attempt(delivery.key, delivery.remaining)
                )
        except NotifyError as error:
            outcome = self._note_failure(delivery, error)
        except TimeoutError:
            error = NotifyError(
                f"no answer within {_ATTEMPT_TIMEOUT_SECONDS:.0f} s",
                retryable=True,
                reason=FailureReason.TIMEOUT,
            )
            outcome = self._note_failure(delivery, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not stop the outbox
            outcome = self._note_failure(delivery, self._describe_fault(error))
        else:
            outcome = self._note_success(delivery, receipt)
        self._unmarked[delivery.id] = outcome
        await self._mark(delivery.id, outcome)

    def _note_success(self, delivery: DueDelivery, receipt: Receipt) -> Outcome:
        now = self._clock.now()
        self._metrics.sent.labels(*self._labels).inc()
        self._metrics.last_sent_at.labels(*self._labels).set(now.timestamp())
        latency_seconds = (now - delivery.queued_at).total_seconds()
        self._metrics.latency.labels(*self._labels).observe(max(latency_seconds, 0.0))
        if receipt.warning:
            logger.warning("%s: %s", self.integration.id, receipt.warning)
        return Outcome(
            at=now,
            is_sent=True,
            error=receipt.warning[:_LONGEST_TEXT],
            detail=receipt.detail[:_LONGEST_TEXT],
            heirs=self._find_heirs(delivery),
        )

    def _note_failure(self, delivery: DueDelivery, error: NotifyError) -> Outcome:
        now = self._clock.now()
        attempts = delivery.attempts + 1
        message, reason = error.message[:_LONGEST_TEXT], error.reason
        self._metrics.failed_attempts.labels(*self._labels, reason.value).inc()
        is_expired = self._is_expired(attempts, now - delivery.queued_at)
        if error.retryable and not is_expired:
            pause_seconds = self._choose_pause(attempts, error)
            logger.warning(
                "%s: attempt %d failed, next in %.0f s: %s",
                self.integration.id,
                attempts,
                pause_seconds,
                message,
            )
            return Outcome(
                at=now,
                is_sent=False,
                error=message,
                next_attempt_at=now + timedelta(seconds=pause_seconds),
                remaining=error.remaining or delivery.remaining,
            )
        if is_expired:
            reason, message = FailureReason.EXPIRED, f"given up after {attempts} tries: {message}"
        self._metrics.failed.labels(*self._labels, reason.value).inc()
        logger.error("%s: a notification failed for good: %s", self.integration.id, message)
        return Outcome(
            at=now,
            is_sent=False,
            error=message,
            remaining=error.remaining,
            heirs=self._find_heirs(delivery),
        )

    def _is_expired(self, attempts: int, waited: timedelta) -> bool:
        if self._fallback is not None and waited >= self._fallback.after:
            return attempts >= FEWEST_BEFORE_FALLBACK
        return attempts >= FEWEST_ATTEMPTS and waited >= GIVE_UP_AFTER

    def _find_heirs(self, delivery: DueDelivery) -> tuple[NewDelivery, ...]:
        """Return the integrations of the fallback that want to hear this."""
        if self._fallback is None or delivery.notification.acknowledged_by:
            return ()
        is_over = delivery.notification.kind is NotificationKind.RESOLVED
        return tuple(
            NewDelivery(each.id, each.notifier.destination)
            for each in self._fallback.integrations
            if each.send_resolved or not is_over
        )

    def _choose_pause(self, attempts: int, error: NotifyError) -> float:
        backoff_seconds = min(2.0 ** min(attempts - 1, 20), _LONGEST_BACKOFF_SECONDS)
        backoff_seconds *= 0.5 + 0.5 * self._jitter()
        if error.retry_after_seconds is None:
            return backoff_seconds
        asked_seconds = min(error.retry_after_seconds, LONGEST_RETRY_AFTER.total_seconds())
        if error.reason is FailureReason.RATE_LIMITED:
            # The limit is the destination's, whichever message ran into it.
            self._resume_at = max(self._resume_at, self._clock.monotonic() + asked_seconds)
        return max(backoff_seconds, asked_seconds)

    def _describe_fault(self, error: Exception) -> NotifyError:
        # The exception's own text may hold anything, a URL with a token for instance.
        kind = type(error).__name__
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.error("%s: sending raised %s at\n%s", self.integration.id, kind, where)
        return NotifyError(
            f"the monitor failed to send it ({kind}); its log says where",
            retryable=False,
            reason=FailureReason.INTERNAL,
        )

    async def _mark_unmarked(self) -> None:
        for delivery_id, outcome in list(self._unmarked.items()):
            await self._mark(delivery_id, outcome)

    async def _mark(self, delivery_id: int, outcome: Outcome) -> None:
        await self._store.mark(delivery_id, outcome)
        self._unmarked.pop(delivery_id, None)
        if outcome.heirs:
            self._on_heirs()


def _explain(delivery: DueDelivery) -> Notification:
    """Return the notification, saying why it comes to a fallback."""
    notification, origin = delivery.notification, delivery.origin
    if origin is None:
        return notification
    failed = f"{origin.integration.kind} of {origin.integration.receiver}"
    note = f"Sent here because {failed} could not be reached: {origin.error}"
    return replace(notification, mute_note=note)
