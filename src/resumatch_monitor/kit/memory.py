"""Makes the C library give memory back.

Left to itself, glibc takes ever larger blocks from its heaps, of which each thread has one; what a
large query or body used for a moment then stays with the process, in pieces, for good. To give all
of it back at once costs as much: a query whose arrays of two mebibytes come from the kernel anew
each time spends three quarters of its time on page faults.
"""

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import cast

from resumatch_monitor.kit.clock import Clock

# From glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 4 * 1024 * 1024
_KEPT_BYTES = 16 * 1024 * 1024
_ARENAS = 2
_PAUSE_SECONDS = 10.0


def keep_memory_small() -> bool:
    """Set the bounds, before threads are started; tell whether the C library knows them."""
    set_option = _find("mallopt")
    if set_option is None:
        return False
    options = (
        (_TRIM_THRESHOLD, _KEPT_BYTES),
        (_MMAP_THRESHOLD, _LARGE_BYTES),
        (_ARENA_MAX, _ARENAS),
    )
    return all(set_option(option, value) == 1 for option, value in options)


def give_memory_back() -> bool:
    """Return to the system what is free in between; tell whether there was any.

    It takes up to some milliseconds, and what is needed again comes anew, page by page: nothing for
    after each query.
    """
    trim = _find("malloc_trim")
    return trim is not None and trim(0) == 1


async def keep_giving_back(clock: Clock) -> None:
    """Give back now and then what a start, large queries and bodies leave free; a loop."""
    while True:
        await asyncio.to_thread(give_memory_back)
        await clock.sleep(_PAUSE_SECONDS)


def _find(name: str) -> Callable[..., int] | None:
    """Return a function of glibc's, None where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return cast("Callable[..., int]", getattr(ctypes.CDLL(None), name))
    except (OSError, AttributeError):
        return None
