"""Spreads the blocks of one query over the cores."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

_FEWEST_ITEMS = 16
"""Handing fewer slabs over costs more than it saves."""

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Crew:
    """Threads that take a share of the work of whichever query has much to do.

    NumPy releases the interpreter lock while it computes, so they run beside each other. Each takes
    a run of consecutive items, so that the same query adds up in the same order every time.
    """

    def __init__(self, helpers: int, *, fewest_items: int = _FEWEST_ITEMS) -> None:
        """Start no thread yet.

        Args:
            helpers: How many threads help the one that asks; 0 for none.
            fewest_items: Fewer are not shared.
        """
        self._helpers = helpers
        self._fewest_items = fewest_items
        self._executor = (
            ThreadPoolExecutor(helpers, thread_name_prefix="query-crew") if helpers else None
        )

    def share(
        self, work: Callable[[Sequence[ItemT]], ResultT], items: Sequence[ItemT]
    ) -> list[ResultT]:
        """Return what `work` makes of consecutive shares of `items`, in order."""
        if self._executor is None or len(items) < self._fewest_items:
            return [_without_warnings(work, items)]
        size = -(-len(items) // (self._helpers + 1))
        shares = [items[first : first + size] for first in range(0, len(items), size)]
        handed = [self._executor.submit(_without_warnings, work, share) for share in shares[1:]]
        try:
            results = [_without_warnings(work, shares[0])]
            for share, future in zip(shares[1:], handed, strict=True):
                # Nobody had time for it, so it is done here.
                is_untaken = future.cancel()
                results.append(_without_warnings(work, share) if is_untaken else future.result())
        finally:
            for future in handed:
                future.cancel()
        return results

    def stop(self) -> None:
        """End the threads; what they are at is finished first."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)


ALONE = Crew(0)
"""No help."""


def _without_warnings(
    work: Callable[[Sequence[ItemT]], ResultT], items: Sequence[ItemT]
) -> ResultT:
    # What NumPy is to ignore is known to the thread that said so, not to its helpers.
    with np.errstate(all="ignore"):
        return work(items)
