"""Reads from a Prometheus-compatible server: queries go there as they are."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote, urlencode

from typing_extensions import override

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import Queryable, SeriesBlock
from resumatch_monitor.promql.context import DEFAULT_LOOKBACK_MS, Options, no_checkpoint
from resumatch_monitor.promql.engine import Answer, QueryEngine
from resumatch_monitor.promql.format import format_seconds
from resumatch_monitor.promql.value import (
    InstantValue,
    Matrix,
    QueryLimitError,
    RangeVector,
)
from resumatch_monitor.storage.remote.answers import (
    read_data,
    read_error,
    read_instant,
    read_range,
    unavailable,
)
from resumatch_monitor.storage.remote.connection import Connection, ServerAwayError

_LARGEST_ANSWER_BYTES = 32 * 1024 * 1024
_LOOK_SECONDS = 0.1
_FURTHEST_AHEAD_MS = 60 * 60 * 1000
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Accept": "application/json", "Accept-Encoding": "gzip"}

Form = Sequence[tuple[str, str]]


class RemoteReader(Queryable, QueryEngine):
    """A `QueryEngine` that asks the server, and a `Queryable` for what is no query.

    The methods block. Requests run on an event loop of their own, on a thread of its own, so that
    any thread may ask.
    """

    def __init__(self, connection: Connection, *, clock: Clock, timeout: timedelta) -> None:
        """Connect to nothing yet.

        Args:
            connection: The reader's own, since a client belongs to one event loop.
            clock: What the time is.
            timeout: How long a query may take; the server is told.
        """
        self._clock = clock
        self._connection = connection
        self._timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()

    def open(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="remote-read", daemon=True
        )
        self._thread.start()

    def interrupt(self) -> None:
        """Let everything that is asked end now, without an answer."""
        self._is_stopping.set()

    def close(self) -> None:
        """End the thread, and the requests under way."""
        if self._thread is None:
            self._loop.close()
            return
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._thread = None

    @override
    def evaluate_instant(
        self, query: str, at_ms: int, *, options: Options, checkpoint: Callable[[], None]
    ) -> Answer[InstantValue]:
        form = [("query", query), ("time", format_seconds(at_ms)), *self._bounds(options)]
        body = self._ask("/api/v1/query", form, checkpoint)
        return read_instant(body, at_ms, server=self._connection.name)

    @override
    def evaluate_range(
        self,
        query: str,
        *,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        options: Options,
        checkpoint: Callable[[], None],
    ) -> Answer[Matrix]:
        form = [
            ("query", query),
            ("start", format_seconds(start_ms)),
            ("end", format_seconds(end_ms)),
            ("step", format_seconds(step_ms)),
            # VictoriaMetrics otherwise moves the range to multiples of the step.
            ("nocache", "1"),
            *self._bounds(options),
        ]
        body = self._ask("/api/v1/query_range", form, checkpoint)
        return read_range(
            body, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms, server=self._connection.name
        )

    @override
    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        """See `Queryable`; staleness markers are left out, the API does not tell them."""
        # Before Prometheus 3 a range includes its beginning, since then it does not.
        query = f"{_selector(matchers)}[{end_ms - start_ms + 1}ms]"
        form = [("query", query), ("time", format_seconds(end_ms)), ("nocache", "1")]
        body = self._ask("/api/v1/query", form)
        value = read_instant(body, end_ms, server=self._connection.name).value
        blocks = value.blocks if isinstance(value, RangeVector) else ()
        found: list[SeriesBlock] = []
        for block in blocks:
            inside = block.timestamps >= start_ms
            if inside.any():
                values = block.values[:, inside]
                found.append(SeriesBlock(block.labels, block.timestamps[inside], values))
        return found

    @override
    def find_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        form = [("match[]", _selector(matchers)), *self._period(start_ms, end_ms)]
        found = self._list("/api/v1/series", form)
        return sorted(Labels(cast("dict[str, str]", each).items()) for each in found)

    @override
    def find_label_names(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        form = [*_matching(matchers), *self._period(start_ms, end_ms)]
        return sorted(str(each) for each in self._list("/api/v1/labels", form))

    @override
    def find_label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        form = [*_matching(matchers), *self._period(start_ms, end_ms)]
        path = f"/api/v1/label/{quote(name, safe='')}/values"
        return sorted(str(each) for each in self._list(path, form, method="GET"))

    def _bounds(self, options: Options) -> Form:
        lookback = f"{options.lookback_ms}ms"
        bounds = [
            ("timeout", f"{self._timeout.total_seconds():g}s"),
            # VictoriaMetrics otherwise guesses from how far apart a series' samples are.
            ("max_lookback", lookback),
        ]
        if options.lookback_ms != DEFAULT_LOOKBACK_MS:
            bounds.append(("lookback_delta", lookback))
        return bounds

    def _period(self, start_ms: int, end_ms: int) -> Form:
        # VictoriaMetrics finds no series where the end is a year ahead.
        latest_ms = to_milliseconds(self._clock.now()) + _FURTHEST_AHEAD_MS
        end_ms = min(end_ms, max(start_ms, latest_ms))
        # It takes a start of 0 for none, and looks only at what is close to the end.
        start_ms = start_ms or 1
        return [("start", format_seconds(start_ms)), ("end", format_seconds(end_ms))]

    def _list(self, path: str, form: Form, *, method: str = "POST") -> list[Any]:
        body = self._ask(path, form, method=method)
        data, _, _ = read_data(body, server=self._connection.name)
        if data is None:
            return []
        if not isinstance(data, list):
            raise unavailable(self._connection.name, "its answer is not one of Prometheus' API")
        return cast("list[Any]", data)

    def _ask(
        self,
        path: str,
        form: Form,
        checkpoint: Callable[[], None] = no_checkpoint,
        *,
        method: str = "POST",
    ) -> bytes:
        self._check_running()
        asking = asyncio.run_coroutine_threadsafe(self._request(method, path, form), self._loop)
        try:
            while not concurrent.futures.wait([asking], _LOOK_SECONDS).done:
                checkpoint()
                self._check_running()
        except BaseException:
            asking.cancel()
            raise
        return asking.result()

    def _check_running(self) -> None:
        if self._thread is None or self._is_stopping.is_set():
            raise unavailable(self._connection.name, "the monitor is stopping")

    async def _request(self, method: str, path: str, form: Form) -> bytes:
        connection = self._connection
        url, encoded = connection.config.url + path, urlencode(form)
        headers: Mapping[str, str] = {**_JSON, **_FORM}
        content: bytes | None = encoded.encode()
        if method == "GET":
            url, headers, content = f"{url}?{encoded}", _JSON, None
        try:
            async with connection.send(
                method, url, headers=headers, content=content, timeout=self._timeout
            ) as response:
                body = await response.read(_LARGEST_ANSWER_BYTES)
        except ServerAwayError as error:
            raise unavailable(connection.name, str(error)) from error
        if len(body) > _LARGEST_ANSWER_BYTES:
            raise QueryLimitError(
                f"the answer of the metrics store is larger than {_LARGEST_ANSWER_BYTES} bytes:"
                " ask for fewer series, a shorter range or a longer step"
            )
        if response.status // 100 != HTTPStatus.OK // 100:
            text = response.clean(body.decode(errors="replace"))
            raise read_error(response.status, text.encode(), server=connection.name)
        return body

    async def _finish(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connection.aclose()


def _matching(matchers: Sequence[Matcher]) -> Form:
    return [("match[]", _selector(matchers))] if matchers else []


def _selector(matchers: Sequence[Matcher]) -> str:
    """Render matchers as a selector; one that selects at least something not empty."""
    if not any(_needs_something(each) for each in matchers):
        matchers = [*matchers, Matcher("__name__", MatchOp.NOT_EQUAL, "")]
    return f"{{{','.join(map(repr, matchers))}}}"


def _needs_something(matcher: Matcher) -> bool:
    return not matcher.matches("")
