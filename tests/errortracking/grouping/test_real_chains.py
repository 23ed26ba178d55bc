"""Chains of exceptions as the real SDKs write them down; Node's by `node_chains.cjs`."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import anyio
import orjson
import pytest
import sentry_sdk
from sentry_sdk.utils import event_from_exception

from resumatch_monitor.errortracking.grouping.v2.group import decide
from resumatch_monitor.errortracking.normalise import normalise


class ServiceError(Exception):
    """What an application makes of an exception."""


def find_rate(rates: dict[str, int]) -> int:
    return rates["EUR"]


def price(rates: dict[str, int]) -> int:
    return 2 * find_rate(rates)


def plain() -> None:
    price({})


def by_another_way() -> None:
    def nightly() -> None:
        find_rate({})

    nightly()


def wrapped() -> None:
    try:
        price({})
    except KeyError as error:
        raise ServiceError("no price") from error


def wrapped_twice() -> None:
    try:
        wrapped()
    except ServiceError as error:
        raise RuntimeError("request failed") from error


def converted() -> None:
    try:
        price({})
    except KeyError:
        raise ServiceError("no price")  # noqa: B904 - that is what it is about


def while_handling_something_else() -> None:
    def read_cached() -> None:
        raise LookupError("not cached")

    try:
        read_cached()
    except LookupError:
        price({})


def in_a_task_group() -> None:
    async def run() -> None:
        async def work() -> None:
            price({})

        async with anyio.create_task_group() as group:
            group.start_soon(work)

    anyio.run(run)


def in_gathered_tasks() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        price({})

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(work())

    asyncio.run(run())


def suppressed() -> None:
    try:
        with contextlib.suppress(ValueError):
            price({})
    finally:
        pass


def by_a_helper_that_raises() -> None:
    def raise_wrapped(error: Exception) -> None:
        raise ServiceError("no price") from error

    try:
        price({})
    except KeyError as error:
        raise_wrapped(error)


def describe(fail: Callable[[], None]) -> list[tuple[str, tuple[str, ...]]]:
    """Return what counts of the exception that a function raises."""
    event: Any = {}
    try:
        fail()
    except Exception:  # noqa: BLE001 - whatever it is, it is looked at
        event, _ = event_from_exception(
            cast("Any", sys.exc_info()), client_options=sentry_sdk.Client().options
        )
    values = event["exception"]["values"]
    for value in values:
        for frame in value["stacktrace"]["frames"]:
            frame["in_app"] = frame["module"].startswith("tests.")
    read = normalise({"platform": "python", "exception": {"values": values}})
    return [(component.kind, component.values) for component in decide(read).components]


EXPECTED = [
    ("exception", ("KeyError",)),
    ("call", ("tests.errortracking.grouping.test_real_chains", "find_rate")),
]


@pytest.mark.parametrize(
    "fail",
    [
        plain, by_another_way, wrapped, wrapped_twice, converted, while_handling_something_else,
        in_a_task_group, in_gathered_tasks, suppressed, by_a_helper_that_raises,
    ],
)  # fmt: skip
def test_a_bug_is_the_same_however_it_comes(fail: Callable[[], None]) -> None:
    assert describe(fail) == EXPECTED


def test_what_fails_in_a_handler_is_not_what_was_handled() -> None:
    def parse_fallback() -> None:
        int("x")

    def fail() -> None:
        try:
            price({})
        except KeyError:
            parse_fallback()

    assert describe(fail)[0] == ("exception", ("ValueError",))


def test_members_that_differ_are_an_issue_of_their_own_whatever_their_order() -> None:
    def other() -> None:
        raise LookupError("gone")

    def failing(*works: Callable[[], None]) -> Callable[[], None]:
        async def start(work: Callable[[], None]) -> None:
            await asyncio.sleep(0)
            work()

        async def run() -> None:
            async with asyncio.TaskGroup() as group:
                for work in works:
                    group.create_task(start(work))

        return lambda: asyncio.run(run())

    together = describe(failing(plain, other))
    assert together == describe(failing(other, plain))
    assert together != EXPECTED


@pytest.mark.parametrize(
    "recorded",
    orjson.loads((Path(__file__).parent / "node_chains.json").read_bytes()),
    ids=lambda recorded: recorded["name"],
)
def test_a_bug_is_the_same_however_node_sends_it(recorded: dict[str, Any]) -> None:
    decision = decide(normalise(recorded))

    assert [(component.kind, component.values) for component in decision.components] == [
        ("exception", ("TypeError",)),
        ("call", ("node_chains", "findRate")),
    ]
