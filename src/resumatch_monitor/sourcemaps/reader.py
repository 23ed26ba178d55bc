"""Asks the helper process for original places, and does without it when it fails."""

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from resumatch_monitor.sourcemaps.config import SourceMapsConfig
from resumatch_monitor.sourcemaps.metrics import SourceMapMetrics

logger = logging.getLogger(__name__)

CONTEXT_LINES = 5
LOOKUP_SECONDS = 10.0
"""How long one map may take to read."""
_GRACE_SECONDS = 2.0
_READ_BYTES = 256 * 1024
_LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
_PROGRAM = Path(__file__).with_name("helper.py")


class MapReadError(Exception):
    """The map could not be read; the message says why, for people.

    Attributes:
        is_lasting: Whether the same map would fail again.
    """

    def __init__(self, message: str, *, is_lasting: bool = True) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


@dataclass(frozen=True, slots=True)
class MapFile:
    """A map in a bundle.

    Attributes:
        bundle: The ZIP file.
        script: The name in it of the script that the map is of; None if it is not there, and then
            nobody knows the names of functions.
        map: The name of the map; None if it is in the script itself.
    """

    bundle: Path
    checksum: str
    script: str | None
    map: str | None

    @property
    def key(self) -> str:
        """What tells its content from every other map's."""
        return f"{self.checksum}\n{self.script}\n{self.map}"


@dataclass(frozen=True, slots=True)
class OriginalPlace:
    """Where a minified place was before.

    Attributes:
        source: As the map names it.
        function: The function around it; empty if there is none, or nobody knows.
        context_line: None if the map has no sources in it.
    """

    line: int
    column: int
    source: str
    name: str
    function: str
    context_line: str | None
    pre_context: tuple[str, ...]
    post_context: tuple[str, ...]


class MapReader:
    """Looks places up, one map at a time; blocks, for threads that are not the event loop's."""

    def __init__(
        self,
        *,
        config: SourceMapsConfig,
        metrics: SourceMapMetrics,
        lookup_seconds: float = LOOKUP_SECONDS,
    ) -> None:
        """Start nothing yet; one map may take `lookup_seconds` to read."""
        self._lookup_seconds = lookup_seconds
        self._too_slow = f"reading the map takes longer than {lookup_seconds:g} s"
        self._arguments = (str(config.lookup_memory_bytes), str(config.cache_bytes))
        self._metrics = metrics
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None

    def look_up(
        self, file: MapFile, places: Sequence[tuple[int, int]]
    ) -> list[OriginalPlace | None]:
        """Return where `places`, lines and columns from 1, were before; None for one unknown.

        Raises:
            MapReadError: If the map cannot be read, or not in time.
        """
        request = {
            "key": file.key,
            "bundle": str(file.bundle),
            "script": file.script,
            "map": file.map,
            "places": places,
            "context": CONTEXT_LINES,
            "seconds": self._lookup_seconds,
        }
        if not self._lock.acquire(timeout=self._lookup_seconds):
            raise MapReadError("other maps are being read; try again", is_lasting=False)
        try:
            started = time.perf_counter()
            answer = self._ask(orjson.dumps(request) + b"\n")
            self._metrics.lookup_seconds.observe(time.perf_counter() - started)
        finally:
            self._lock.release()
        if "error" in answer:
            raise MapReadError(
                f"the map cannot be read: {answer['error']}", is_lasting=not answer["is_gone"]
            )
        return [None if each is None else _read_place(each) for each in answer["places"]]

    def close(self) -> None:
        """End the helper process, if one is running; it comes back when it is needed."""
        with self._lock:
            self._end()

    @property
    def helper_pid(self) -> int | None:
        """The process that reads maps, None while there is none."""
        helper = self._helper
        return helper.pid if helper is not None and helper.poll() is None else None

    def _ask(self, request: bytes) -> dict[str, Any]:
        for is_last in (False, True):
            helper, is_fresh = self._start()
            try:
                answer = self._exchange(helper, request)
            except MapReadError:
                self._end()
                raise
            except OSError as error:
                self._end()
                raise MapReadError(
                    f"the reader of maps failed: {error.strerror}", is_lasting=False
                ) from error
            if answer is not None:
                return answer
            self._end()
            # One that has idled may have gone the moment before; a fresh one died of the map.
            if is_fresh or is_last:
                break
        raise MapReadError("the reader of maps died of it: it is too deeply nested, or too large")

    def _start(self) -> tuple["subprocess.Popen[bytes]", bool]:
        helper = self._helper
        if helper is not None and helper.poll() is None:
            return helper, False
        self._end()
        kept = {
            name: os.environ[name]
            for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
            if name in os.environ
        }
        try:
            helper = subprocess.Popen(  # noqa: S603 - our own program, with our own arguments
                # It imports nothing of ours; -P keeps our modules' names out of its way.
                [sys.executable, "-P", str(_PROGRAM), *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=kept,
                start_new_session=True,
            )
        except OSError as error:
            raise MapReadError(
                f"the reader of maps does not start: {error.strerror}", is_lasting=False
            ) from error
        self._helper = helper
        self._metrics.helper_starts.inc()
        return helper, True

    def _exchange(self, helper: "subprocess.Popen[bytes]", request: bytes) -> dict[str, Any] | None:
        """Return the answer; None if the helper has ended."""
        assert helper.stdin is not None
        assert helper.stdout is not None
        try:
            helper.stdin.write(request)
            helper.stdin.flush()
        except BrokenPipeError:
            return None
        # Not `select`, which knows no descriptors beyond 1,024.
        output = select.poll()
        output.register(helper.stdout, select.POLLIN)
        deadline = time.monotonic() + self._lookup_seconds + _GRACE_SECONDS
        answer = bytearray()
        while not answer.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not output.poll(left * 1000):
                raise MapReadError(self._too_slow)
            block = os.read(helper.stdout.fileno(), _READ_BYTES)
            if not block:
                if helper.wait(_GRACE_SECONDS) == -signal.SIGALRM:
                    raise MapReadError(self._too_slow)
                return None
            answer += block
            if len(answer) > _LARGEST_ANSWER_BYTES:
                raise MapReadError("the map gives too much of an answer")
        return orjson.loads(answer)

    def _end(self) -> None:
        helper, self._helper = self._helper, None
        if helper is None:
            return
        helper.kill()
        for stream in (helper.stdin, helper.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        helper.wait()


def _read_place(value: dict[str, Any]) -> OriginalPlace:
    return OriginalPlace(
        line=value["line"],
        column=value["column"],
        source=value["source"],
        name=value["name"],
        function=value["function"],
        context_line=value["context_line"],
        pre_context=tuple(value["pre_context"]),
        post_context=tuple(value["post_context"]),
    )
