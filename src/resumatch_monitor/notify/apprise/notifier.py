"""Sends through Apprise, in a thread that is given up when it takes too long."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from resumatch_monitor.kit.http import AddressRefusedError, resolve_all_allowed
from resumatch_monitor.notify.apprise.config import AppriseConfig
from resumatch_monitor.notify.apprise.library import MessageType, Outcome, Service, load_service
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.http import is_retryable_status
from resumatch_monitor.notify.notification import Notification, NotificationKind
from resumatch_monitor.notify.notifier import Attempt, FailureReason, NotifyError, Receipt
from resumatch_monitor.notify.redaction import Redactor, url_secrets
from resumatch_monitor.notify.text import render_text
from resumatch_monitor.notify.wording import clip, render_subject

_TIMEOUT_SECONDS = 30.0
_MOST_THREADS = 2
_MOST_ALERTS = 10
_LONGEST_WORDS = 300
_RECIPIENT = "apprise"
_TYPES: dict[str, MessageType] = {"critical": "failure", "error": "failure", "info": "info"}

T = TypeVar("T")


class AppriseNotifier:
    """Sends text to one service."""

    def __init__(self, config: AppriseConfig, context: NotifierContext) -> None:
        self._url = config.url.get_secret_value()
        self._context = context
        scheme, _, rest = self._url.partition("://")
        self.destination = f"{scheme.lower()}://…"
        self._redactor = Redactor([*url_secrets(self._url), rest, *_split_secrets(rest)])
        self._service: Service | None = None
        self._running = 0
        self._lock = asyncio.Lock()

    async def notify(self, notification: Notification, attempt: Attempt) -> Receipt:
        context = self._context
        diagnosis = await context.find_diagnosis(notification)
        body = render_text(
            notification,
            diagnosis,
            context.links,
            actions=context.actions,
            recipient=_RECIPIENT,
            most_alerts=_MOST_ALERTS,
        )
        # The subject is the title.
        _, _, body = body.partition("\n")
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._lock:
                service = await self._load()
                outcome = await self._run(
                    lambda: service.send(
                        title=render_subject(notification),
                        body=body.strip(),
                        kind=_choose_type(notification),
                    )
                )
        except TimeoutError:
            # The thread that was given up may still use it.
            self._service = None
            raise NotifyError(
                "the service did not answer in time", retryable=True, reason=FailureReason.TIMEOUT
            ) from None
        if not outcome.is_sent:
            raise self._judge(outcome)
        return Receipt("accepted")

    async def _load(self) -> Service:
        if self._service is None:
            self._service = await self._run(lambda: load_service(self._url))
        if self._service is None:
            raise NotifyError(
                "Apprise does not understand the address",
                retryable=False,
                reason=FailureReason.CLIENT_ERROR,
            )
        if self._service.host:
            await self._check_host(self._service.host)
        return self._service

    async def _check_host(self, host: str) -> None:
        try:
            await resolve_all_allowed(host, 0, allowed_hosts=self._context.allowed_hosts)
        except AddressRefusedError as error:
            raise NotifyError(str(error), retryable=False, reason=FailureReason.REFUSED) from None
        except OSError as error:
            text = self._redactor.clean(str(error))
            raise NotifyError(text, retryable=True, reason=FailureReason.NETWORK) from None

    def _judge(self, outcome: Outcome) -> NotifyError:
        words = clip(" ".join(self._redactor.clean(outcome.words).split()), _LONGEST_WORDS)
        status = outcome.status
        is_retryable = status is None or is_retryable_status(status)
        return NotifyError(
            f"Apprise could not send it: {words}" if words else "Apprise could not send it",
            retryable=is_retryable,
            reason=FailureReason.NETWORK if is_retryable else FailureReason.CLIENT_ERROR,
        )

    async def _run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread that nobody waits for at the end of the process.

        Raises:
            NotifyError: If too many threads that were given up are still at it.
        """
        if self._running >= _MOST_THREADS:
            raise NotifyError(
                "the service has not yet let go of earlier messages",
                retryable=True,
                reason=FailureReason.TIMEOUT,
            )
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def finish(result: T | None, error: BaseException | None) -> None:
            self._running -= 1
            if answer.cancelled():
                return
            if error is None:
                answer.set_result(result)  # pyright: ignore[reportArgumentType]
            else:
                answer.set_exception(error)

        def target() -> None:
            result, error = None, None
            try:
                result = work()
            except Exception as caught:  # noqa: BLE001 - it is raised where it is waited for
                error = caught
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish, result, error)

        self._running += 1
        threading.Thread(target=target, name="apprise", daemon=True).start()
        return await answer


def _choose_type(notification: Notification) -> MessageType:
    if notification.kind is NotificationKind.RESOLVED:
        return "success"
    return _TYPES.get(notification.severity, "warning")


def _split_secrets(rest: str) -> list[str]:
    """Return the parts of an address that may be tokens: in Apprise, almost any may be one."""
    for separator in "/:@?&=":
        rest = rest.replace(separator, " ")
    return [part for part in rest.split() if len(part) >= 8]
