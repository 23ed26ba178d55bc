"""Makes the C library give memory back.

Left to itself, glibc takes ever larger blocks from its heaps, of which each thread has one; what a
large query or body used for a moment then stays with the process, in pieces, for good. To give all
of it back at once costs as much: a query whose arrays of two mebibytes come from the kernel anew
each time spends three quarters of its time on page faults.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import cast

# From glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 4 * 1024 * 1024
_KEPT_BYTES = 16 * 1024 * 1024
_ARENAS = 2


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

    For after work that used much, and comes seldom: it takes milliseconds, and what is needed again
    soon comes anew, page by page.
    """
    trim = _find("malloc_trim")
    return trim is not None and trim(0) == 1


def _find(name: str) -> Callable[..., int] | None:
    """Return a function of glibc's, None where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return cast("Callable[..., int]", getattr(ctypes.CDLL(None), name))
    except (OSError, AttributeError):
        return None
