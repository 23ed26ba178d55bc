"""A second process that prepares events while a long backlog lasts.

Preparing is most of the work of an event and holds the interpreter's lock, which the door needs
too. A monitor at rest has no second process and pays no memory for it.
"""

import asyncio
import fcntl
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO, cast

from resumatch_monitor.errortracking.batch import BatchPreparer, Prepared, PrepareSettings
from resumatch_monitor.errortracking.grouping.project import ProjectGroupings
from resumatch_monitor.errortracking.helper_main import Request, read_message, write_message
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.sentry.items import RecordError, read_project_id
from resumatch_monitor.sentry.projects import Projects

logger = logging.getLogger(__name__)

_PACKAGE = "resumatch_monitor.errortracking.helper_main"
_FULL_BATCHES = 1
_REST_SECONDS = 60.0
# A batch has megabytes, and each time that a pipe is full two processes take turns.
_PIPE_BYTES = 1024 * 1024


class HelperGoneError(Exception):
    """The second process is not there any more."""


class Preparing:
    """Prepares batches: in a thread, or in a second process once they are full.

    With one processor there never is a second process. One that ends by itself, whatever the
    reason, is missed for a minute; its batch is prepared here.
    """

    def __init__(
        self,
        settings: PrepareSettings,
        projects: Projects,
        *,
        clock: Clock,
        full_batches: int = _FULL_BATCHES,
        processors: int | None = None,
    ) -> None:
        self._settings = settings
        self._projects = projects
        self._clock = clock
        self._full_batches = full_batches
        self._may_help = (processors or os.cpu_count() or 1) > 1
        self._preparer = BatchPreparer(settings, projects)
        self._full_in_a_row = 0
        self._rests_until = 0.0
        self._starting: asyncio.Task[_Helper] | None = None
        self._helper: _Helper | None = None

    @property
    def is_helped(self) -> bool:
        """Whether a second process is at work."""
        return self._helper is not None

    @property
    def is_starting(self) -> bool:
        """Whether a second process was asked for and is not there yet."""
        return self._starting is not None

    @property
    def pid(self) -> int | None:
        """The second process, if there is one."""
        return self._helper.pid if self._helper is not None else None

    async def prepare(self, records: Sequence[bytes], groupings: ProjectGroupings) -> Prepared:
        """Return what is in `records`, in order."""
        if self._helper is not None:
            try:
                request = self._make_request(records, groupings)
                return await asyncio.to_thread(self._helper.ask, request)
            except HelperGoneError as error:
                logger.warning("Events are prepared without a second process for now: %s", error)
                await self.stop()
                self._rests_until = self._clock.monotonic() + _REST_SECONDS
        return await asyncio.to_thread(self._preparer.prepare_all, records, groupings)

    def _make_request(self, records: Sequence[bytes], groupings: ProjectGroupings) -> Request:
        numbers = read_project_ids(records)
        projects = [each for each in map(self._projects.get, numbers) if each is not None]
        return Request(list(records), groupings.only(numbers), projects)

    async def note_batch(self, *, is_full: bool) -> None:
        """Hear whether there was as much as fits into a batch; start the second process if so."""
        self._full_in_a_row = self._full_in_a_row + 1 if is_full else 0
        if self._starting is not None and self._starting.done():
            starting, self._starting = self._starting, None
            try:
                self._helper = starting.result()
            except (OSError, HelperGoneError) as error:
                logger.warning("The second process did not start: %s", error)
                self._rests_until = self._clock.monotonic() + _REST_SECONDS
        is_wanted = self._may_help and self._full_in_a_row >= self._full_batches
        is_here = self._helper is not None or self._starting is not None
        if is_wanted and not is_here and self._clock.monotonic() >= self._rests_until:
            self._starting = asyncio.create_task(asyncio.to_thread(_Helper, self._settings))

    async def stop(self) -> None:
        """End the second process, if there is one."""
        self._full_in_a_row = 0
        starting, self._starting = self._starting, None
        helper, self._helper = self._helper, None
        if starting is not None:
            with suppress(OSError, HelperGoneError):
                helper = await starting
        if helper is not None:
            await asyncio.to_thread(helper.end)


def read_project_ids(records: Sequence[bytes]) -> set[int]:
    """Return the projects of `records`; one that cannot be read has none."""
    found: set[int] = set()
    for data in records:
        with suppress(RecordError):
            found.add(read_project_id(data))
    return found


class _Helper:
    """The second process; blocks until it is ready."""

    def __init__(self, settings: PrepareSettings) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            # Not what happens to lie in the folder from which the monitor was started.
            [sys.executable, "-P", "-m", _PACKAGE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A signal for the monitor's group is the monitor's: it ends its helper itself.
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._input = cast("BinaryIO", self._process.stdin)
        self._output = cast("BinaryIO", self._process.stdout)
        for stream in (self._input, self._output):
            with suppress(OSError):
                fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            self._exchange(settings)
        except HelperGoneError:
            self.end()
            raise

    def ask(self, request: Request) -> Prepared:
        """Return what it made of a batch.

        Raises:
            HelperGoneError: If it ended.
        """
        return cast("Prepared", self._exchange(request))

    def _exchange(self, request: object) -> object:
        try:
            write_message(self._input, request)
            answer = read_message(self._output)
        except (OSError, EOFError, ValueError) as error:
            raise HelperGoneError(str(error) or type(error).__name__) from error
        except (pickle.PickleError, TypeError, AttributeError) as error:
            # Something that no other process can be told: then this one does it.
            raise HelperGoneError(f"it cannot be told: {error}") from error
        if answer is None:
            raise HelperGoneError("it ended")
        return answer

    def end(self) -> None:
        """End it; it has nothing that would be lost."""
        # First: whoever reads from it in another thread then finds the end.
        self._process.kill()
        self._process.wait()
        for stream in (self._input, self._output):
            with suppress(OSError):
                stream.close()
