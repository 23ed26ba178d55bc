"""The monitor's own log: one line an event on standard error, in UTC."""

import logging
import sys
import time


def configure_logging(*, is_verbose: bool = False) -> None:
    """Send every logger's records to standard error."""
    formatter = logging.Formatter(
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
    logging.getLogger("uvicorn.error").addFilter(_is_not_a_crash)


def _is_not_a_crash(record: logging.LogRecord) -> bool:
    return record.exc_info is None
