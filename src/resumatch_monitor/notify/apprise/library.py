"""The library Apprise, loaded when the first message is sent: it takes some 35 MB."""

import importlib
import logging
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

MessageType = Literal["info", "success", "warning", "failure"]

_CONNECT_TIMEOUT_SECONDS = 5.0
_READ_TIMEOUT_SECONDS = 15.0
_LOGGER = "apprise"
_MOST_WORDS = 20
_STATUS = re.compile(r"\berror=(\d{3})\b")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Apprise said.

    Attributes:
        is_sent: The service has accepted the message.
        words: What Apprise logged about it; may hold secrets.
        status: The HTTP status of the failure, if it says one.
    """

    is_sent: bool
    words: str = ""
    status: int | None = None


class Service:
    """A service that Apprise knows; not safe in several threads at once."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin
        # Its own; the address may ask for others, or for redirects that lead anywhere.
        plugin.socket_connect_timeout = _CONNECT_TIMEOUT_SECONDS
        plugin.socket_read_timeout = _READ_TIMEOUT_SECONDS
        plugin.redirects = False

    @property
    def host(self) -> str:
        """The host that it connects to, if that is part of its address."""
        is_own = any("{host}" in str(each) for each in self._plugin.templates)
        return str(getattr(self._plugin, "host", "") or "") if is_own else ""

    def send(self, *, title: str, body: str, kind: MessageType) -> Outcome:
        """Send a message; blocks."""
        with _listen() as heard:
            is_sent = bool(self._plugin.notify(title=title, body=body, notify_type=kind))
        words = "; ".join(heard)
        found = _STATUS.search(words)
        return Outcome(is_sent, words, int(found[1]) if found else None)


def load_service(url: str) -> Service | None:
    """Return the service at `url`, None if Apprise does not understand the address; blocks."""
    apprise: Any = importlib.import_module("apprise")
    # What it logs goes to `_listen` only, and below warnings it names addresses with their tokens.
    logging.getLogger(_LOGGER).propagate = False
    for name in (_LOGGER, "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    asset: Any = apprise.AppriseAsset(http_redirects=False, secure_logging=True, app_id="ResuMatch")
    plugin: Any = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if plugin is None:
        return None
    # A long text in pieces would be several messages about one thing.
    plugin.overflow_mode = apprise.OverflowMode.TRUNCATE
    return Service(plugin)


@contextmanager
def _listen() -> Generator[list[str]]:
    """Collect what this thread hears of Apprise."""
    handler = _Ear(threading.get_ident())
    logger = logging.getLogger(_LOGGER)
    logger.addHandler(handler)
    try:
        yield handler.heard
    finally:
        logger.removeHandler(handler)


class _Ear(logging.Handler):
    def __init__(self, thread_id: int) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []
        self._thread_id = thread_id

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread_id and len(self.heard) < _MOST_WORDS:
            self.heard.append(record.getMessage())
