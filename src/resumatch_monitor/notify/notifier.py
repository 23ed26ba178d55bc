"""The contract between the outbox and the channels."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from resumatch_monitor.notify.notification import Notification


class FailureReason(StrEnum):
    """Why a delivery failed, in as many words as a metric's label may have."""

    TIMEOUT = "timeout"
    NETWORK = "network"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    CLIENT_ERROR = "client_error"
    REFUSED = "refused"
    EXPIRED = "expired"
    INTERNAL = "internal"


class NotifyError(Exception):
    """A notification was not, or not wholly, delivered.

    Attributes:
        message: For people; holds no secret.
        retryable: Whether the same call may succeed later.
        retry_after_seconds: How long the destination asks us to wait.
        remaining: The recipients that have not got it, if others have.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool,
        reason: FailureReason,
        retry_after_seconds: float | None = None,
        remaining: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        self.remaining = remaining


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at delivering a notification.

    Attributes:
        key: The same for every try at this delivery; destinations that can, drop a second one.
        remaining: The recipients that are left from an earlier try; empty means all.
    """

    key: str
    remaining: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a destination said when it accepted a notification.

    Attributes:
        detail: In its own words, without secrets.
        warning: What went wrong although it was accepted, for instance a recipient that is
            refused for good.
    """

    detail: str = ""
    warning: str = ""


class Notifier(Protocol):
    """Sends one grouped notification to one destination."""

    @property
    def destination(self) -> str:
        """Where it sends to, for people and without secrets."""
        ...

    async def notify(self, notification: Notification, attempt: Attempt) -> Receipt:
        """Send `notification` as one message.

        Raises:
            NotifyError: With `retryable` saying whether the same call may succeed later.
        """
        ...


@dataclass(frozen=True, slots=True)
class IntegrationId:
    """Names an integration: the receiver, the kind, and which one of that kind it is."""

    receiver: str
    kind: str
    index: int

    def __str__(self) -> str:
        return f"{self.receiver}/{self.kind}/{self.index}"


@dataclass(frozen=True, slots=True)
class Integration:
    """A notifier in its place in the configuration.

    Attributes:
        send_resolved: Whether it wants to hear that alerts have ended.
        concurrency: How many messages may be under way to it at once.
        keeps_incidents: It has incidents of its own, which can be acknowledged and resolved.
    """

    id: IntegrationId
    notifier: Notifier
    send_resolved: bool = True
    concurrency: int = 4
    keeps_incidents: bool = False
