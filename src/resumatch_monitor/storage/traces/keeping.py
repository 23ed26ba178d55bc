"""Which parts are thinned and which are given up, so that traces fit into their room."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from resumatch_monitor.storage.traces.catalog import Catalog
from resumatch_monitor.storage.traces.part import Part, PartGoneError
from resumatch_monitor.storage.traces.thinning import FindWithErrors, has_unobserved, thin
from resumatch_monitor.tracing.retention import Fitted

logger = logging.getLogger(__name__)

_ATTEMPTS = 3
_WHOLE_SHARE = 4
"""The newest traces stay whole in this part of the room: a fourth."""


class Keeping:
    """Drops and thins the parts that nothing is written to any more; blocks."""

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        *,
        min_free_bytes: int,
        free_bytes: Callable[[Path], int],
        find_with_errors: FindWithErrors | None,
        writing: threading.Lock,
    ) -> None:
        """Build it; who holds `writing` may change parts, and finds those that there are."""
        self._writing = writing
        self._folder = folder
        self._catalog = catalog
        self._min_free_bytes = min_free_bytes
        self._free_bytes = free_bytes
        self._find_with_errors = find_with_errors

    def expire(self, before_ms: int) -> int:
        """Drop the parts that nothing was written to since; return how many."""
        expired = [part for part in self._sealed() if part.latest_ms < before_ms]
        for part in expired:
            self._drop(part)
        return len(expired)

    def fit(self, max_bytes: int) -> Fitted:
        """Thin and drop the oldest parts until the rest fits."""
        thinned = dropped = 0
        refused: set[int] = set()
        while self.size_bytes() > max_bytes:
            part = self._next_to_thin(max_bytes, refused)
            if part is not None:
                if self._thin(part):
                    thinned += 1
                else:
                    refused.add(part.name.number)
                continue
            sealed = self._sealed()
            if not sealed:
                break
            self._drop(sealed[0])
            dropped += 1
        return Fitted(thinned, dropped)

    def size_bytes(self) -> int:
        """Return how much of the disk the parts take."""
        return sum(part.size_bytes for part in self._catalog.newest_first())

    def _sealed(self) -> list[Part]:
        """Return the parts that are not written to, the oldest first."""
        return self._catalog.newest_first()[1:][::-1]

    def _next_to_thin(self, max_bytes: int, refused: set[int]) -> Part | None:
        whole = [part for part in self._catalog.newest_first() if part.name.generation == 0]
        if sum(part.size_bytes for part in whole) <= max_bytes // _WHOLE_SHARE:
            return None
        candidates = [part for part in whole[1:] if part.name.number not in refused]
        return candidates[-1] if candidates else None

    def _thin(self, part: Part) -> bool:
        """Put a smaller part in the place of `part`; return whether that was possible."""
        if self._free_bytes(self._folder) - part.size_bytes < self._min_free_bytes:
            return False
        try:
            return any(self._copy(part) for _ in range(_ATTEMPTS))
        except (OSError, sqlite3.Error, PartGoneError) as error:
            logger.warning("%s could not be thinned: %s", part.path.name, error)
            return False

    def _copy(self, part: Part) -> bool:
        """Thin a part, unless something is written to it meanwhile; return whether it was."""
        changes = part.changes
        # What is noted in a part while it is copied would be lost.
        if has_unobserved(part):
            return False
        smaller = thin(part, self._folder, self._find_with_errors)
        smaller.created_ms, smaller.latest_ms = part.created_ms, part.latest_ms
        with self._writing:
            is_same = part.changes == changes and self._catalog.find(part.name.number) is part
            if is_same:
                self._catalog.add(smaller)
            # Not later: whoever writes to it by its path would make an empty one.
            (part if is_same else smaller).drop()
        return is_same

    def _drop(self, part: Part) -> None:
        with self._writing:
            self._catalog.remove(part)
            part.drop()
