"""Sends what is in the queue, in order per series, until the server has it."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Sequence
from datetime import timedelta

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.spool import SpoolBatch
from resumatch_monitor.storage.remote.connection import ServerAwayError
from resumatch_monitor.storage.remote.queue import SampleQueue
from resumatch_monitor.storage.remote.records import Record, pack, parse_record
from resumatch_monitor.storage.remote.requests import WriteRequest, plan_requests
from resumatch_monitor.storage.remote.server import RemoteServer, WriteAnswer
from resumatch_monitor.storage.remote.telemetry import RemoteTelemetry

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 15.0
_SETTLING_PAUSE_SECONDS = 2.0
_LOOK_EVERY_SECONDS = 2.0
_MOST_SPLITS = 64
"""How many further requests a batch may cost to find what the server refuses in it."""
_MOST_SPLITS_OF_RESENT = 16
_TELL_AGAIN_SECONDS = 3600.0
_LONGEST_KIND = 40
_MOST_KINDS = 100


class Sender:
    """The one reader of the queue.

    A request that gets no answer, or one that asks for patience, is sent again. What the server
    refuses is taken apart, so that a bad sample does not take its neighbours with it, dropped and
    counted. When the server was started anew, what it took last is sent once more.
    """

    def __init__(
        self,
        *,
        queue: SampleQueue,
        server: RemoteServer,
        clock: Clock,
        telemetry: RemoteTelemetry,
        samples_per_request: int,
        lanes: int,
        max_age: timedelta,
        resend_window: timedelta,
    ) -> None:
        self._queue = queue
        self._server = server
        self._clock = clock
        self._telemetry = telemetry
        self._samples_per_request = samples_per_request
        self._lanes = lanes
        self._max_age = max_age
        self._resend_seconds = resend_window.total_seconds()
        self._identity: str | None = None
        self._is_in_doubt = True
        self._settled_at = clock.monotonic()
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._splits_left = 0
        self._told: dict[str, float] = {}
        self.problem = ""
        """Why the server does not take samples at the moment, empty if it does."""

    async def run(self) -> None:
        """Send for ever."""
        try:
            while True:
                await self.step()
        finally:
            if not self._is_in_doubt:
                await self._queue.settle(self._clock.monotonic())

    async def step(self) -> None:
        """Send one batch, or wait until there is one or something is to be settled."""
        if self._is_in_doubt and self._queue.has_settling(self._clock.monotonic()):
            await self._find_again()
        await self._settle()
        batch = await self._queue.read(self._samples_per_request * self._lanes)
        if batch.count or batch.corrupt:
            await self._deliver(batch)
        else:
            await self._wait()

    async def _wait(self) -> None:
        tasks = [asyncio.ensure_future(self._queue.wait())]
        if self._queue.has_settling(self._clock.monotonic()):
            tasks.append(asyncio.ensure_future(self._clock.sleep(_LOOK_EVERY_SECONDS)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle(self) -> None:
        """Forget what the server has had for long enough, if it has not been started since."""
        now = self._clock.monotonic()
        before = now - self._resend_seconds
        if not self._queue.has_settling(before):
            return
        if self._resend_seconds:
            if now - self._settled_at < _SETTLING_PAUSE_SECONDS:
                return
            self._settled_at = now
            try:
                identity = await self._server.identify()
            except ServerAwayError as error:
                self._lose(error)
                return
            if identity != self._identity:
                # Looked at again before anything is forgotten.
                self._is_in_doubt = self._identity is not None
                self._identity = self._identity or identity
                return
            if not self._queue.waiting:
                self._note_success()
        await self._queue.settle(before)

    async def _deliver(self, batch: SpoolBatch) -> None:
        records = [parse_record(payload) for payload in batch.records]
        known = [record for record in records if record is not None]
        self._telemetry.dropped.labels("damaged").inc(len(records) - len(known))
        fresh = self._without_old(known)
        is_resent = self._queue.was_sent(batch)
        self._splits_left = _MOST_SPLITS_OF_RESENT if is_resent else _MOST_SPLITS
        for lanes in plan_requests(fresh, samples_per_request=self._samples_per_request):
            if not await self._finish(lanes, is_resent=is_resent):
                return
        samples = sum(record.samples for record in fresh)
        await self._queue.mark_sent(batch, samples=samples)

    def _without_old(self, records: Sequence[Record]) -> Sequence[Record]:
        age_ms = round(self._max_age / timedelta(milliseconds=1))
        if not age_ms:
            return records
        oldest_ms = to_milliseconds(self._clock.now()) - age_ms
        fresh = [record for record in records if record.appended_ms >= oldest_ms]
        lost = sum(record.samples for record in records if record.appended_ms < oldest_ms)
        self._telemetry.dropped.labels("too_old").inc(lost)
        return fresh

    async def _finish(self, lanes: Sequence[deque[WriteRequest]], *, is_resent: bool) -> bool:
        """Send all of `lanes`; tell whether it was done, or the queue was rewound."""
        while any(lanes):
            if self._is_in_doubt and await self._find_again():
                return False
            drains = [self._drain(lane, is_resent=is_resent) for lane in lanes if lane]
            for outcome in await asyncio.gather(*drains, return_exceptions=True):
                if isinstance(outcome, ServerAwayError):
                    self._lose(outcome)
                elif outcome is not None:
                    raise outcome
        return True

    async def _drain(self, lane: deque[WriteRequest], *, is_resent: bool) -> None:
        while lane:
            request = lane[0]
            answer = await self._send(request)
            lane.popleft()
            if answer.is_taken:
                counter = self._telemetry.resent if is_resent else self._telemetry.sent
                counter.inc(request.samples)
                continue
            halves = await asyncio.to_thread(request.halve) if self._splits_left > 0 else None
            if halves is not None:
                self._splits_left -= len(halves)
                lane.extendleft(reversed(halves))
            elif not is_resent:
                # The server has refused what was sent again because it has it.
                self._drop(request, answer)

    async def _send(self, request: WriteRequest) -> WriteAnswer:
        """Send until the server takes or refuses it.

        Raises:
            ServerAwayError: If there is no answer.
        """
        body = await asyncio.to_thread(lambda: pack(request.build()))
        while True:
            started = self._clock.monotonic()
            answer = await self._server.write(body)
            self._telemetry.request_seconds.observe(self._clock.monotonic() - started)
            self._telemetry.bytes_sent.inc(len(body))
            if answer.is_taken or not answer.is_retryable:
                result = "ok" if answer.is_taken else "rejected"
                self._telemetry.requests.labels(result).inc()
                self._note_success()
                return answer
            self._telemetry.requests.labels("retried").inc()
            self._note_failure(str(answer))
            await self._pause(answer.retry_after)

    async def _find_again(self) -> bool:
        """Wait until the server answers; tell whether the queue was rewound."""
        while True:
            if self.problem:
                await self._pause(None)
            try:
                identity = await self._server.identify()
            except ServerAwayError as error:
                self._lose(error)
            else:
                break
        is_the_same = identity is not None and identity == self._identity
        self._identity = identity
        self._is_in_doubt = False
        samples = 0 if is_the_same else self._queue.rewind()
        if samples:
            logger.info(
                "The metrics store was away or started anew: the last %d samples are sent once"
                " more",
                samples,
            )
        return samples > 0

    def _lose(self, error: ServerAwayError) -> None:
        self._is_in_doubt = True
        self._telemetry.requests.labels("failed").inc()
        self._note_failure(str(error))

    def _note_success(self) -> None:
        if self.problem:
            logger.info("The metrics store %s takes samples again", self._server.name)
        self.problem = ""
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._telemetry.up.set(1)

    def _note_failure(self, problem: str) -> None:
        self._telemetry.up.set(0)
        if problem != self.problem:
            self._tell(
                f"away {problem}",
                f"The metrics store {self._server.name} takes no samples; they wait in the queue:"
                f" {problem}",
            )
        self.problem = problem

    async def _pause(self, asked_for: timedelta | None) -> None:
        jitter = random.uniform(0.75, 1.25)  # noqa: S311 - not for secrets
        seconds = self._pause_seconds * jitter
        self._pause_seconds = min(self._pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
        if asked_for is not None:
            seconds = max(seconds, asked_for.total_seconds())
        await self._clock.sleep(seconds)

    def _drop(self, request: WriteRequest, answer: WriteAnswer) -> None:
        self._telemetry.dropped.labels("rejected").inc(request.samples)
        self._tell(
            f"refused {answer.status} {answer.message}",
            f"The metrics store {self._server.name} refuses samples, they are dropped: {answer}",
        )

    def _tell(self, kind: str, message: str) -> None:
        """Log once a kind and hour."""
        kind = kind[:_LONGEST_KIND]
        now = self._clock.monotonic()
        last = self._told.get(kind)
        if last is not None and now - last < _TELL_AGAIN_SECONDS:
            return
        if len(self._told) >= _MOST_KINDS:
            self._told.clear()
        self._told[kind] = now
        logger.warning("%s", message)
