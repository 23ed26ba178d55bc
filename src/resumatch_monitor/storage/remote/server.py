"""The server at the other end, as the sender sees it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.network import mask_url
from resumatch_monitor.storage.remote.connection import Connection, ServerAwayError

_WRITE_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_LONGEST_MESSAGE_BYTES = 4096
_LARGEST_METRICS_BYTES = 4 * 1024 * 1024
_START_TIMES = (b"process_start_time_seconds ", b"vm_app_start_timestamp ")
_LONGEST_PAUSE = timedelta(minutes=5)
# Not about the samples: they are good once the server, or the configuration, is.
_RETRIED = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
# What a proxy answers when there is nobody behind it.
_AWAY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """What the server said to a request.

    Attributes:
        message: The beginning of its answer, in one line.
        retry_after: How long it asks to wait.
    """

    status: int
    message: str
    retry_after: timedelta | None

    @property
    def is_taken(self) -> bool:
        """Whether the samples are stored."""
        return self.status // 100 == HTTPStatus.OK // 100

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return (
            self.status in _RETRIED
            or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            or self.status < HTTPStatus.BAD_REQUEST
        )

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"HTTP {self.status}{said}"


class RemoteServer:
    """Writes to the server, and asks when it was started."""

    def __init__(self, connection: Connection, *, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    @property
    def name(self) -> str:
        """The address for writes, fit to be shown."""
        return mask_url(self._connection.config.write_url)

    async def write(self, body: bytes) -> WriteAnswer:
        """Send a compressed message.

        Raises:
            ServerAwayError: If there is no answer.
        """
        url = self._connection.config.write_url
        async with self._connection.send(
            "POST", url, headers=_WRITE_HEADERS, content=body
        ) as response:
            start = (await response.read(_LONGEST_MESSAGE_BYTES))[:_LONGEST_MESSAGE_BYTES]
            answer = WriteAnswer(
                response.status,
                response.clean(start.decode(errors="replace")),
                _parse_retry_after(response.headers.get("retry-after", ""), self._clock.now()),
            )
        if answer.status in _AWAY:
            raise ServerAwayError(str(answer))
        return answer

    async def identify(self) -> str | None:
        """Return when the server was started, as it writes it; None if it does not tell.

        Raises:
            ServerAwayError: If there is no answer.
        """
        url = self._connection.config.identity_url
        if url is None:
            return None
        async with self._connection.send("GET", url) as response:
            if response.status != HTTPStatus.OK:
                return None
            body = await response.read(_LARGEST_METRICS_BYTES)
        for line in body.splitlines():
            if line.startswith(_START_TIMES):
                return line.decode(errors="replace").strip()
        return None


def _parse_retry_after(text: str, now: datetime) -> timedelta | None:
    """Return what a `Retry-After` header says: seconds, or a date; bounded."""
    text = text.strip()
    if not text:
        return None
    if text.isdecimal():
        pause = timedelta(seconds=min(int(text[:9]), 10**6))
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        pause = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(pause, timedelta(0)), _LONGEST_PAUSE)
