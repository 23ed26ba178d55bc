"""The monitor's own log: one line an event on standard error, in UTC."""

import logging
import sys
import time

from typing_extensions import override

_REPEAT_SECONDS = 10.0
_MOST_SUBJECTS = 100


class _OneLineFormatter(logging.Formatter):
    """Escapes control characters, so that what others sent cannot pass for a line of ours."""

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        text = super().formatMessage(record)
        if text.isprintable():
            return text
        return "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
        )


class _Seldom(logging.Filter):
    """Lets a line that anybody can cause at will through once in a while."""

    def __init__(self) -> None:
        super().__init__()
        self._last_at: dict[str, float] = {}

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        # asyncio's lines go on with details that differ from one to the next.
        subject = str(record.msg).partition("\n")[0]
        last_at = self._last_at.get(subject, float("-inf"))
        if record.created - last_at < _REPEAT_SECONDS:
            return False
        if len(self._last_at) >= _MOST_SUBJECTS:
            self._last_at.clear()
        self._last_at[subject] = record.created
        return True


def configure_logging(*, is_verbose: bool = False) -> None:
    """Send every logger's records to standard error."""
    formatter = _OneLineFormatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(
        level=logging.DEBUG if is_verbose else logging.INFO, handlers=[handler], force=True
    )
    # Their lines at INFO hold URLs, and so may hold secrets.
    for name in ("httpx", "httpcore", "alembic", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It would repeat the stack trace that the API has logged with the request's id.
    server = logging.getLogger("uvicorn.error")
    server.addFilter(_is_not_a_crash)
    for logger in (server, logging.getLogger("asyncio")):
        logger.addFilter(_Seldom())


def _is_not_a_crash(record: logging.LogRecord) -> bool:
    return record.exc_info is None
