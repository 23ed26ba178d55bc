"""Parameters of a route as one value."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


def on_the_loop(parameters: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """Return a dependency that makes `parameters` of a request's, for `Depends`.

    A class is called on a thread by FastAPI, as if it might block: a request would wait for a
    processor twice, for nothing.

    Args:
        parameters: A dataclass whose fields are what the route takes.
    """

    async def read(**values: Any) -> T:
        return parameters(**values)

    # FastAPI goes by what is said here.
    read.__signature__ = inspect.signature(parameters)
    return read
