"""Waiting for a condition, with a deadline that only a broken system reaches."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx

_PAUSE_SECONDS = 0.1
T = TypeVar("T")


def wait_until(find: Callable[[], T | None], what: str, *, timeout_seconds: float = 60.0) -> T:
    """Return the first thing that `find` returns and that is not empty, None or False.

    A server that does not answer at the moment has not fulfilled the condition yet.

    Raises:
        TimeoutError: If `what` did not come true in time.
    """
    deadline = time.monotonic() + timeout_seconds
    last: object = None
    while True:
        try:
            found = find()
        except httpx.TransportError as error:
            last = error
        else:
            if found:
                return found
            last = found
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_seconds:.0f} s: {what} (last: {last!r})")
        time.sleep(_PAUSE_SECONDS)
