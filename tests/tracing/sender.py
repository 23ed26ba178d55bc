"""A child that takes spans in until it is killed, and prints what was acknowledged and counted."""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import orjson

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, encode_record
from resumatch_monitor.tracing.feed import SegmentFeed
from resumatch_monitor.tracing.model import Segment
from tests.support.tracing import TraceStack, open_trace_stack

SPANS = 6
"""Of each trace; they come in two items, the root in the second."""


class Printer:
    """Prints what it observes."""

    async def observe(self, segments: Sequence[Segment]) -> None:
        lines = [f"observed {int(segment.root.trace_id, 16)}\n" for segment in segments]
        os.write(1, "".join(lines).encode())


def make_records(number: int, clock: SystemClock) -> list[ItemRecord]:
    """Return the two items of the trace `number`."""
    now = clock.now()

    def span(index: int) -> dict[str, object]:
        made: dict[str, object] = {
            "trace_id": f"{number:032x}",
            "span_id": f"{number * 100 + index:016x}",
            "name": f"work {index}",
            "status": "ok",
            "is_segment": index == 1,
            "start_timestamp": now.timestamp() - 1,
            "end_timestamp": now.timestamp(),
            "attributes": {"sentry.segment.id": {"value": f"{number * 100 + 1:016x}"}},
        }
        return made if index == 1 else {**made, "parent_span_id": f"{number * 100 + 1:016x}"}

    halves = ([span(index) for index in range(2, SPANS + 1)], [span(1)])
    return [
        ItemRecord(
            kind=ItemKind.SPAN,
            project_id=1,
            item_id=f"{number * 10 + half:032x}",
            received_at=now,
            payload=orjson.dumps({"version": 2, "items": spans}),
        )
        for half, spans in enumerate(halves)
    ]


async def send_for_ever(stack: TraceStack, first: int) -> None:
    """Spool traces, several at the same time, and print the numbers of those acknowledged."""
    clock = SystemClock()

    async def send(number: int) -> None:
        for record in make_records(number, clock):
            await stack.spool.append(encode_record(record))
        os.write(1, b"acknowledged %d\n" % number)

    for begin in range(first, first + 1_000_000, 8):
        await asyncio.gather(*(send(begin + index) for index in range(8)))


def build_feed(stack: TraceStack) -> SegmentFeed:
    """Return a feed that waits for nothing."""
    return SegmentFeed(
        queue=stack.store,
        observers=[Printer()],
        settle=timedelta(0),
        metrics=stack.metrics,
        clock=SystemClock(),
    )


async def run(folder: Path, first: int) -> None:
    """Send, digest and feed until the process ends."""
    async with open_trace_stack(folder, clock=SystemClock()) as stack:
        await asyncio.gather(
            send_for_ever(stack, first), stack.digest.run(), build_feed(stack).run()
        )


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
