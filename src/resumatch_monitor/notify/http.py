"""What the channels that speak HTTP share: sending, and what a status means."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import anyio
import httpx

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.http import AddressRefusedError
from resumatch_monitor.notify.notifier import FailureReason, NotifyError
from resumatch_monitor.notify.redaction import Redactor

_LONGEST_ANSWER_BYTES = 4096
_LONGEST_EXCERPT = 200
_TIMEOUT_SECONDS = 20.0
_BODY_TIMEOUT_SECONDS = 5.0
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
_RETRYABLE_CLIENT_ERRORS = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a destination answered to a request that it accepted."""

    status: int
    media_type: str
    text: str


class HttpSender:
    """Posts to one URL, which is a secret."""

    def __init__(
        self, *, client: httpx.AsyncClient, clock: Clock, url: str, secrets: Iterable[str]
    ) -> None:
        self._client = client
        self._clock = clock
        self._url = url
        self._redactor = Redactor(secrets)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post JSON.

        Raises:
            NotifyError: Unless the answer is a 2xx.
        """
        try:
            with anyio.fail_after(_TIMEOUT_SECONDS):
                async with self._client.stream(
                    "POST",
                    self._url,
                    content=body,
                    headers={**_HEADERS, **headers},
                    follow_redirects=False,
                ) as response:
                    text = await self._read(response)
        except (TimeoutError, httpx.TimeoutException):
            raise NotifyError(
                "the destination did not answer in time",
                retryable=True,
                reason=FailureReason.TIMEOUT,
            ) from None
        except AddressRefusedError as error:
            raise self._fail(error, FailureReason.REFUSED, retryable=False) from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
            raise self._fail(error, FailureReason.REFUSED, retryable=False) from None
        except httpx.HTTPError as error:
            raise self._fail(error, FailureReason.NETWORK, retryable=True) from None
        if not response.is_success:
            raise self._judge(response, text)
        return Answer(
            response.status_code,
            response.headers.get("content-type", "").partition(";")[0].strip().lower(),
            self._redactor.clean(text),
        )

    async def _read(self, response: httpx.Response) -> str:
        """Return the beginning of the body; a status is an answer even if no body follows."""
        if response.is_stream_consumed:
            body = response.content
        else:
            body = b""
            with contextlib.suppress(httpx.HTTPError), anyio.move_on_after(_BODY_TIMEOUT_SECONDS):
                # Raw, so that a compressed answer cannot unfold to any size.
                async for piece in response.aiter_raw(_LONGEST_ANSWER_BYTES):
                    body += piece
                    if len(body) >= _LONGEST_ANSWER_BYTES:
                        break
        return body[:_LONGEST_ANSWER_BYTES].decode("utf-8", "replace").strip()

    def _fail(self, error: Exception, reason: FailureReason, *, retryable: bool) -> NotifyError:
        text = self._redactor.clean(str(error)) or type(error).__name__
        return NotifyError(text, retryable=retryable, reason=reason)

    def _judge(self, response: httpx.Response, text: str) -> NotifyError:
        status = response.status_code
        excerpt = self._redactor.clean(" ".join(text.split()))[:_LONGEST_EXCERPT]
        message = f"the destination answered {status}" + (f": {excerpt}" if excerpt else "")
        return NotifyError(
            message,
            retryable=is_retryable_status(status),
            reason=_classify(status),
            retry_after_seconds=parse_retry_after(
                response.headers.get("retry-after", ""), now=self._clock.now()
            ),
        )


def is_retryable_status(status: int) -> bool:
    """Tell whether a request that was answered so may succeed later.

    Redirects are not followed: a webhook that has moved is a matter for a person.
    """
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _RETRYABLE_CLIENT_ERRORS


def parse_retry_after(text: str, *, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` asks for, as a number or a date; None if none."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    return max((moment - now).total_seconds(), 0.0)


def _classify(status: int) -> FailureReason:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return FailureReason.RATE_LIMITED
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FailureReason.SERVER_ERROR
    return FailureReason.CLIENT_ERROR
