"""Exact, spread-out times for things that recur."""

import hashlib
import math


def find_phase(key: str) -> float:
    """Return where in its interval `key` has its turn, in [0, 1): the same in every process."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def find_next_slot(now_seconds: float, *, interval_seconds: float, offset_seconds: float) -> float:
    """Return the first moment after `now_seconds` on the grid through `offset_seconds`."""
    slots = math.floor((now_seconds - offset_seconds) / interval_seconds) + 1
    return slots * interval_seconds + offset_seconds
