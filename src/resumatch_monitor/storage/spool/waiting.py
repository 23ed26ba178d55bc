"""Tells coroutines of any event loop, from a thread, that what they wait for has happened."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

logger = logging.getLogger(__name__)

Future = asyncio.Future[None]


def resolve(futures: Iterable[Future], failure: Exception | None = None) -> None:
    """Complete `futures`, waking each event loop once."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Future]] = defaultdict(list)
    for future in futures:
        by_loop[future.get_loop()].append(future)
    for loop, group in by_loop.items():
        try:
            loop.call_soon_threadsafe(partial(_complete, group, failure))
        except RuntimeError:
            logger.debug("Nobody waits any more: the event loop is closed")


def _complete(futures: Sequence[Future], failure: Exception | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
