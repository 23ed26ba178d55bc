"""What must not be left half done when whoever waits for it goes away."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, also if this is cancelled meanwhile; the cancellation follows then."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("What nobody waits for any more has failed", exc_info=error)
        raise
