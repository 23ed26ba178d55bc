"""Waiting for what another process does."""

import time
from collections.abc import Callable
from typing import TypeVar

_SECONDS = 20.0
T = TypeVar("T")


def wait_for(find: Callable[[], T | None], *, seconds: float = _SECONDS) -> T:
    """Return what `find` returns as soon as that is not None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = find()
        if found is not None:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")
