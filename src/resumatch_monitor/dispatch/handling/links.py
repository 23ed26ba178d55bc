"""Links in messages that do one thing about one occurrence, for whoever got them.

The signature stands in for a sign-in: a link is good for its action, its occurrence and a week.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.kit.clock import Clock, from_milliseconds, to_milliseconds
from resumatch_monitor.notify.context import ActionUrls
from resumatch_monitor.notify.wording import Links

LIFETIME = timedelta(days=7)
LONGEST_TOKEN = 1024

_LONGEST_RECIPIENT = 254
_SIGNATURE_BYTES = 16
_DRILL_PATH = "/drills/"
_PURPOSE = b"resumatch-monitor action link v1\n"


class LinkAction(StrEnum):
    """What a link does."""

    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    SILENCE = "silence"
    RESOLVE = "resolve"
    CONFIRM_DRILL = "confirm_drill"


_LETTERS = {
    LinkAction.ACKNOWLEDGE: "a",
    LinkAction.SNOOZE: "z",
    LinkAction.SILENCE: "s",
    LinkAction.RESOLVE: "r",
    LinkAction.CONFIRM_DRILL: "d",
}
_ACTIONS = {letter: action for action, letter in _LETTERS.items()}


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says.

    Attributes:
        occurrence_id: What it is about; of a drill the drill's id, and since when it fired.
        recipient: Whom it was sent to; the journal names them.
    """

    action: LinkAction
    occurrence_id: OccurrenceId
    recipient: str
    expires_at: datetime


class InvalidLinkError(ValueError):
    """The link was not made here, or something has changed it on the way."""


class ExpiredLinkError(ValueError):
    """The link was made here, but it is too old."""


def write_link(link: Link, key: bytes) -> str:
    """Return a token that `read_link` reads; its characters need no quoting in a URL."""
    occurrence_id = link.occurrence_id
    payload = "|".join(
        (
            _LETTERS[link.action],
            occurrence_id.fingerprint,
            str(to_milliseconds(occurrence_id.starts_at)),
            str(to_milliseconds(link.expires_at) // 1000),
            link.recipient[:_LONGEST_RECIPIENT],
        )
    ).encode()
    return f"{_encode(payload)}.{_encode(_sign(payload, key))}"


def read_link(token: str, key: bytes, now: datetime) -> Link:
    """Return what a token says.

    Raises:
        InvalidLinkError: If its signature is not ours.
        ExpiredLinkError: If its time is over.
    """
    encoded, _, signature = token[:LONGEST_TOKEN].partition(".")
    payload = _decode(encoded)
    if not hmac.compare_digest(_decode(signature), _sign(payload, key)):
        raise InvalidLinkError
    # Nobody but us signs, so that what is signed has this form.
    letter, fingerprint, starts_ms, expires_seconds, recipient = payload.decode().split("|", 4)
    link = Link(
        _ACTIONS[letter],
        OccurrenceId(fingerprint, from_milliseconds(int(starts_ms))),
        recipient,
        from_milliseconds(int(expires_seconds) * 1000),
    )
    if now >= link.expires_at:
        raise ExpiredLinkError
    return link


class SignedLinks:
    """The `ActionLinks` of the monitor.

    `find_key` returns the secret; none as long as the data folder is not open.
    """

    def __init__(self, *, links: Links, clock: Clock, find_key: Callable[[], bytes | None]) -> None:
        self._links = links
        self._clock = clock
        self._find_key = find_key

    def urls(self, alert: Alert, recipient: str) -> ActionUrls:
        """Return the links about `alert` that are good for `recipient`."""
        key = self._find_key()
        if key is None or not self._links.base:
            return ActionUrls()
        if alert.generator_path.startswith(_DRILL_PATH):
            # Nothing is wrong, but whoever hears of a drill says so.
            drill = OccurrenceId(alert.generator_path.removeprefix(_DRILL_PATH), alert.starts_at)
            return ActionUrls(self._render(LinkAction.CONFIRM_DRILL, drill, recipient, key))
        occurrence_id = OccurrenceId(alert.fingerprint, alert.starts_at)
        return ActionUrls(
            acknowledge=self._render(LinkAction.ACKNOWLEDGE, occurrence_id, recipient, key),
            snooze=self._render(LinkAction.SNOOZE, occurrence_id, recipient, key),
            silence=self._render(LinkAction.SILENCE, occurrence_id, recipient, key),
            resolve=self._render(LinkAction.RESOLVE, occurrence_id, recipient, key),
        )

    def read(self, token: str) -> Link:
        """Return what a token says.

        Raises:
            InvalidLinkError: If its signature is not ours.
            ExpiredLinkError: If its time is over.
        """
        key = self._find_key()
        if key is None:
            raise InvalidLinkError
        return read_link(token, key, self._clock.now())

    def _render(
        self, action: LinkAction, occurrence_id: OccurrenceId, recipient: str, key: bytes
    ) -> str:
        link = Link(action, occurrence_id, recipient, self._clock.now() + LIFETIME)
        return self._links.to(f"/act/{write_link(link, key)}")


def _sign(payload: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + payload, hashlib.sha256)[:_SIGNATURE_BYTES]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidLinkError from None
