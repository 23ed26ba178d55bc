"""Gives the minified frames of events their original places, and says why some have none."""

import copy
import logging
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.sentry.values import as_text
from resumatch_monitor.sourcemaps import problems
from resumatch_monitor.sourcemaps.budget import ReadingBudget
from resumatch_monitor.sourcemaps.frames import (
    MinifiedFrame,
    copy_minified,
    has_minified_frames,
    is_resolved,
    list_stacks,
    put_place,
    read_debug_ids,
    read_minified,
    read_subject,
    recall_minified,
    recall_way,
)
from resumatch_monitor.sourcemaps.locate import Located, Locator
from resumatch_monitor.sourcemaps.metrics import SourceMapMetrics
from resumatch_monitor.sourcemaps.problems import Problem, ProblemKind
from resumatch_monitor.sourcemaps.reader import MapReader, MapReadError, OriginalPlace
from resumatch_monitor.sourcemaps.store import ArtifactUsage

logger = logging.getLogger(__name__)

_MOST_PLACE_BYTES = 8 * 1024 * 1024
_PLACE_BYTES = 400
"""Of a place in memory, beside its texts."""
_MOST_FILES = 50
"""Of one event; a stack trace goes through a few."""
_NOTHING_UPLOADED = (ProblemKind.NOTHING_TO_GO_BY, ProblemKind.RELEASE_UNKNOWN)
_MOST_FAILURES = 500
_FAILURE_AGE = timedelta(minutes=10)
_NOTE_INTERVAL = timedelta(hours=1)
_DAY = timedelta(days=1)
_NOTE_SECONDS = 30.0
_MOST_NOTED = 5_000
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FrameReport:
    """What became of one frame.

    Attributes:
        minified: What it said before; None if it has no original place.
        problem: Why it has none, or no code.
        by: `debug_id` or `url`; None if it has no original place.
    """

    minified: dict[str, Any] | None
    problem: Problem | None
    by: str | None = None


@dataclass(slots=True)
class EventReport:
    """An event with the original places of its frames, and what became of each.

    Attributes:
        raw: The event; its frames are the keys of `frames` by identity.
        resolved_at_digest: Whether places were found when the event came.
    """

    raw: dict[str, Any]
    frames: dict[int, FrameReport] = field(default_factory=dict[int, FrameReport])
    resolved_at_digest: bool = False

    def of(self, frame: dict[str, Any]) -> FrameReport | None:
        """Return what became of a frame of `raw`; None if it was never minified."""
        return self.frames.get(id(frame))

    def problems(self) -> list[tuple[Problem, int]]:
        """Return what stands in the way and of how many frames, each once, worst first."""
        counts: dict[Problem, int] = {}
        for report in self.frames.values():
            if report.problem is not None:
                counts[report.problem] = counts.get(report.problem, 0) + 1
        return sorted(counts.items(), key=lambda each: -each[1])

    @property
    def resolved_count(self) -> int:
        """How many frames have their original place."""
        return sum(1 for report in self.frames.values() if report.minified is not None)


class FrameResolver:
    """Resolves frames as events are digested, and once more as they are looked at.

    The methods without `async` block: they are for threads that are not the event loop's.
    """

    def __init__(
        self,
        *,
        locator: Locator,
        reader: MapReader,
        usage: ArtifactUsage,
        metrics: SourceMapMetrics,
        clock: Clock,
        clean_lines: Callable[[list[str]], list[str]],
    ) -> None:
        """Take what it works with; `clean_lines` takes secrets out of lines of source code."""
        self._clean_lines = clean_lines
        self._locator = locator
        self._reader = reader
        self._usage = usage
        self._metrics = metrics
        self._clock = clock
        self._budget = ReadingBudget(clock)
        self._lock = threading.Lock()
        self._places: OrderedDict[tuple[str, int, int], OriginalPlace | None] = OrderedDict()
        self._place_bytes = 0
        self._failures: OrderedDict[str, tuple[datetime, str]] = OrderedDict()
        self._used: set[int] = set()
        self._noted: dict[int, datetime] = {}

    def forget(self) -> None:
        """Forget what can be found: that has changed. Places stay true, and are kept."""
        self._locator.forget()

    def resolve(self, project_id: int, raw: dict[str, Any]) -> bool:
        """Give the frames of an event that arrives their original places, where it is.

        What they said before is kept in their `data`. Whatever happens, the event can be stored:
        nothing is raised. When maps have taken too much time, only known places are given: the
        others are found when somebody looks.

        Returns:
            Whether any frame has one.
        """
        if not has_minified_frames(raw):
            return False
        report = EventReport(raw)
        self._try_to_resolve(project_id, report, self._budget)
        return report.resolved_count > 0

    def explain(self, project_id: int, raw: dict[str, Any]) -> EventReport:
        """Return a stored event with what can be found of its frames by now, and why not more.

        `raw` stays as it is.
        """
        if not has_minified_frames(raw):
            return EventReport(raw)
        report = EventReport(copy.deepcopy(raw))
        for stack in list_stacks(report.raw):
            for frame in filter(is_resolved, stack.frames):
                report.frames[id(frame)] = _recall_report(frame, report.raw, project_id)
        report.resolved_at_digest = report.resolved_count > 0
        self._try_to_resolve(project_id, report, None)
        return report

    async def run(self) -> None:
        """Note which uploads are of use, now and then, until cancelled."""
        while True:
            await self._clock.sleep(_NOTE_SECONDS)
            await self.note_used()

    async def note_used(self) -> None:
        """Note which uploads were of use since the last time."""
        now = self._clock.now()
        with self._lock:
            used, self._used = self._used, set()
        news = [each for each in used if self._noted.get(each, now - _DAY) < now - _NOTE_INTERVAL]
        if not news:
            return
        try:
            await self._usage.note_use(news, now)
        except StorageUnavailableError as error:
            logger.warning("The use of source maps could not be noted: %s", error)
            return
        if len(self._noted) > _MOST_NOTED:
            self._noted.clear()
        self._noted.update(dict.fromkeys(news, now))

    def _try_to_resolve(
        self, project_id: int, report: EventReport, budget: ReadingBudget | None
    ) -> None:
        try:
            self._resolve_all(project_id, report, budget)
        except Exception:
            # The event is worth more than its original places.
            logger.exception("Frames of an event stay minified")

    def _resolve_all(
        self, project_id: int, report: EventReport, budget: ReadingBudget | None
    ) -> None:
        raw = report.raw
        debug_ids = read_debug_ids(raw)
        stacks = [
            read_minified(stack, raw, project_id=project_id, debug_ids=debug_ids)
            for stack in list_stacks(raw)
        ]
        found = self._find_places([frame for frames in stacks for frame in frames], budget)
        for frames in stacks:
            self._put_places(frames, found, report)

    def _put_places(
        self,
        frames: Sequence[MinifiedFrame],
        found: dict[int, "tuple[Located, OriginalPlace] | Problem | None"],
        report: EventReport,
    ) -> None:
        caller_name = ""
        for each in frames:
            answer = found[id(each.frame)]
            if isinstance(answer, tuple):
                located, place = answer
                minified = copy_minified(each.frame)
                put_place(
                    each.frame,
                    place,
                    map_url=located.url,
                    found_by=located.by,
                    caller_name=caller_name,
                )
                problem = (
                    problems.no_content(each.subject, (), as_text(each.frame.get("filename")))
                    if place.context_line is None
                    else None
                )
                report.frames[id(each.frame)] = FrameReport(minified, problem, located.by)
                caller_name = place.name
            else:
                caller_name = ""
                if answer is not None:
                    report.frames[id(each.frame)] = FrameReport(None, answer)

    def _find_places(
        self, frames: Sequence[MinifiedFrame], budget: ReadingBudget | None
    ) -> dict[int, "tuple[Located, OriginalPlace] | Problem | None"]:
        found: dict[int, tuple[Located, OriginalPlace] | Problem | None] = {}
        by_map: defaultdict[Located, list[MinifiedFrame]] = defaultdict(list)
        subjects = set(list(dict.fromkeys(each.subject for each in frames))[-_MOST_FILES:])
        for each in frames:
            if each.subject not in subjects:
                found[id(each.frame)] = None
                continue
            located = self._locator.locate(each.subject)
            if isinstance(located, Located):
                by_map[located].append(each)
            else:
                is_told = self._is_worth_telling(each, located)
                found[id(each.frame)] = located if is_told else None
                self._metrics.frames.labels("missing").inc(is_told)
        for located, of_map in by_map.items():
            self._read_map(located, of_map, found, budget)
        return found

    def _is_worth_telling(self, each: MinifiedFrame, found: Problem) -> bool:
        """Tell whether a map was to be expected: programs for Node often run as they were written.

        Their frames come with the code around them, read where they run.
        """
        if each.subject.debug_id is not None:
            return True
        return "context_line" not in each.frame or found.kind not in _NOTHING_UPLOADED

    def _read_map(
        self,
        located: Located,
        frames: Sequence[MinifiedFrame],
        found: dict[int, "tuple[Located, OriginalPlace] | Problem | None"],
        budget: ReadingBudget | None,
    ) -> None:
        try:
            places = self._look_up(located, {(each.line, each.column) for each in frames}, budget)
        except MapReadError as error:
            self._metrics.frames.labels("failed").inc(len(frames))
            for each in frames:
                found[id(each.frame)] = problems.unreadable(
                    each.subject, located.searched, str(error)
                )
            return
        for each in frames:
            place = places.get((each.line, each.column))
            if place is None:
                found[id(each.frame)] = problems.no_position(
                    each.subject, located.searched, each.line, each.column
                )
            else:
                found[id(each.frame)] = located, place
        self._metrics.frames.labels("resolved").inc(len(frames))
        with self._lock:
            self._used.add(located.bundle_id)

    def _look_up(
        self, located: Located, wanted: set[_Place], budget: ReadingBudget | None
    ) -> dict[_Place, OriginalPlace | None]:
        key = located.map.key
        places = self._recall(key, wanted)
        missing = sorted(wanted - places.keys())
        if not missing:
            return places
        self._refuse_failed(key)
        if budget is not None and budget.is_spent():
            raise MapReadError("too many maps were being read", is_lasting=False)
        started = self._clock.monotonic()
        try:
            answers = self._reader.look_up(located.map, missing)
        except MapReadError as error:
            if error.is_lasting:
                self._remember_failure(key, str(error))
            raise
        finally:
            if budget is not None:
                budget.spend(self._clock.monotonic() - started)
        fresh = dict(zip(missing, map(self._clean, answers), strict=True))
        self._remember(key, fresh.items())
        return {**places, **fresh}

    def _clean(self, place: OriginalPlace | None) -> OriginalPlace | None:
        if place is None or place.context_line is None:
            return place
        before = len(place.pre_context)
        lines = self._clean_lines([*place.pre_context, place.context_line, *place.post_context])
        return replace(
            place,
            context_line=lines[before],
            pre_context=tuple(lines[:before]),
            post_context=tuple(lines[before + 1 :]),
        )

    def _recall(self, key: str, wanted: Iterable[_Place]) -> dict[_Place, OriginalPlace | None]:
        places: dict[_Place, OriginalPlace | None] = {}
        with self._lock:
            for line, column in wanted:
                name = (key, line, column)
                if name in self._places:
                    self._places.move_to_end(name)
                    places[line, column] = self._places[name]
        return places

    def _remember(self, key: str, places: Iterable[tuple[_Place, OriginalPlace | None]]) -> None:
        with self._lock:
            for (line, column), place in places:
                if (key, line, column) not in self._places:
                    self._places[key, line, column] = place
                    self._place_bytes += _weigh(place)
            while self._place_bytes > _MOST_PLACE_BYTES:
                self._place_bytes -= _weigh(self._places.popitem(last=False)[1])

    def _refuse_failed(self, key: str) -> None:
        """Raise what reading a map came to some minutes ago: it would hold up everything again."""
        with self._lock:
            failed = self._failures.get(key)
            if failed is None:
                return
            at, message = failed
            if self._clock.now() - at < _FAILURE_AGE:
                raise MapReadError(message)
            del self._failures[key]

    def _remember_failure(self, key: str, message: str) -> None:
        with self._lock:
            self._failures[key] = self._clock.now(), message
            if len(self._failures) > _MOST_FAILURES:
                self._failures.popitem(last=False)


def _recall_report(frame: dict[str, Any], raw: dict[str, Any], project_id: int) -> FrameReport:
    """Return what became of a frame that got its original place when its event came."""
    minified = recall_minified(frame)
    if "context_line" in frame:
        return FrameReport(minified, None, recall_way(frame))
    subject = read_subject(minified, raw, project_id=project_id, debug_ids=read_debug_ids(raw))
    problem = problems.no_content(subject, (), as_text(frame.get("filename")))
    return FrameReport(minified, problem, recall_way(frame))


def _weigh(place: OriginalPlace | None) -> int:
    if place is None:
        return _PLACE_BYTES
    lines = (place.context_line or "", *place.pre_context, *place.post_context)
    return _PLACE_BYTES + len(place.source) + sum(map(len, lines))
