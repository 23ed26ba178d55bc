"""A bound to the time that a search may take."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from resumatch_monitor.errortracking.store import SearchTooSlowError

_SECONDS_MAX = 4.0
_INSTRUCTIONS_PER_LOOK = 20_000
_TOO_MUCH = ("interrupted", "too many SQL variables")


@contextmanager
def bounded_time(connection: Connection, seconds: float = _SECONDS_MAX) -> Generator[None]:
    """Interrupt what takes longer than that.

    Raises:
        SearchTooSlowError: If it was interrupted, or asks for more values than the database takes.
    """
    driver: Any = connection.connection.driver_connection
    end = time.monotonic() + seconds
    driver.set_progress_handler(lambda: int(time.monotonic() > end), _INSTRUCTIONS_PER_LOOK)
    try:
        yield
    except OperationalError as error:
        if not any(reason in str(error.orig) for reason in _TOO_MUCH):
            raise
        raise SearchTooSlowError("The search takes too long; narrow it.") from error
    finally:
        driver.set_progress_handler(None, 0)
