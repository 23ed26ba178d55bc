"""Writes a target's scrapes as rows: target labels, `up` and its companions, staleness markers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.mutate import SampleMutator
from resumatch_monitor.metrics.samples import STALE, BoolArray, FloatArray, RowLayout, SampleSink

REPORT_NAMES = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
"""The series that every scrape gets, also a failed one; named as Prometheus names them."""

_LAYOUTS_REMEMBERED = 2

IndexArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of a row's samples.

    Attributes:
        added: Series that the target's previous row did not have.
        kept: Samples that relabelling left, duplicates included.
        duplicates: Samples left out because an earlier one has the same labels.
    """

    added: int
    kept: int
    duplicates: int


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRow:
    """What has been worked out for one sequence of scraped label sets.

    Attributes:
        source: The S scraped label sets.
        stamped: (S,) which samples have times of their own; None if none has.
        kept: Which of the S are in the row; None for all.
        live: The series of the row, distinct.
        layout: `live`, and the series that report on the scrape.
        own_at: Which of the S are stored at times of their own.
        own: Their series; one may occur more than once.
        count_kept: How many of the S relabelling left.
        known: What each scraped label set became; None for those that were dropped.
    """

    source: tuple[Labels, ...]
    stamped: BoolArray | None
    kept: IndexArray | None
    live: tuple[Labels, ...]
    layout: RowLayout
    own_at: IndexArray
    own: tuple[Labels, ...]
    count_kept: int
    known: Mapping[Labels, Labels | None]

    @property
    def count_duplicates(self) -> int:
        """How many samples are left out because an earlier one has the same labels."""
        return self.count_kept - len(self.live) - len(self.own)

    def is_for(self, labels: tuple[Labels, ...], stamped: BoolArray | None) -> bool:
        """Tell whether this is what was worked out for these."""
        if self.source is not labels:
            return False
        if stamped is None or self.stamped is None:
            return stamped is self.stamped
        return np.array_equal(stamped, self.stamped)


class TargetWriter:
    """Writes one target's rows to a sink; not for concurrent use.

    A series that the previous row had and the next has not gets a staleness marker. The state
    advances only when the sink has taken the row, so a refused write is made good by the next.
    """

    def __init__(
        self,
        *,
        sink: SampleSink,
        target_key: str,
        target_labels: Mapping[str, str],
        honor_labels: bool = False,
        mutator: SampleMutator | None = None,
        track_own_times: bool = False,
    ) -> None:
        """Begin without a previous row.

        Args:
            sink: Where rows go.
            target_key: Names the target across restarts.
            target_labels: What the series that report on a scrape have.
            honor_labels: How they are joined with a series' own, where there is no `mutator`.
            mutator: What series become.
            track_own_times: Whether a series with times of its own is marked when it is gone.
        """
        self._sink = sink
        self._target_key = target_key
        self._mutator = mutator or SampleMutator(target_labels, honor_labels=honor_labels)
        self._track_own_times = track_own_times
        self._report = tuple(
            Labels.of({**target_labels, METRIC_NAME: name}) for name in REPORT_NAMES
        )
        self._recent: list[PreparedRow] = []
        self._last: PreparedRow | None = None

    async def write(
        self,
        series: Sequence[tuple[Labels, float]],
        *,
        timestamp_ms: int,
        duration_seconds: float,
        is_up: bool,
    ) -> None:
        """Write one collection, and `up` with its companions; durable when it returns.

        Args:
            series: Label sets without the target's own labels, and their values.
            timestamp_ms: When the collection began.
            duration_seconds: How long it took.
            is_up: False if it failed; `series` may then be empty or partial.

        Raises:
            StoreFullError: If the store refuses; nothing of the row is then stored.
        """
        labels = tuple(each for each, _ in series)
        for known in self._recent:
            if known.source == labels:
                labels = known.source
                break
        values = np.fromiter((value for _, value in series), np.float64, len(series))
        await self.write_row(
            self.prepare(labels),
            values,
            timestamp_ms=timestamp_ms,
            duration_seconds=duration_seconds,
            is_up=is_up,
        )

    def find_prepared(
        self, labels: tuple[Labels, ...], stamped: BoolArray | None = None
    ) -> PreparedRow | None:
        """Return what `prepare` worked out for the same `labels` object, if it is remembered."""
        for known in self._recent:
            if known.is_for(labels, stamped):
                return known
        return None

    def count_begun(self, prepared: PreparedRow) -> int:
        """Return how many series the target did not have when it last had any; 0 at first."""
        before = next((each for each in self._recent if each.live or each.own), None)
        if before is None or prepared is before:
            return 0
        return len({*prepared.live, *prepared.own}.difference(before.live, before.own))

    async def write_row(
        self,
        prepared: PreparedRow,
        values: FloatArray,
        *,
        timestamp_ms: int,
        duration_seconds: float,
        is_up: bool,
        samples_scraped: int | None = None,
    ) -> RowCounts:
        """Write one row; passing what the last row was prepared as is the fast path.

        Args:
            prepared: What `prepare` made of the scraped label sets.
            values: (S,); those of samples with times of their own are not looked at.
            timestamp_ms: When the scrape began.
            duration_seconds: How long it took.
            is_up: Whether it succeeded.
            samples_scraped: What to report, if it is not S.

        Raises:
            StoreFullError: If the store refuses; nothing of the row is then stored.
        """
        layout, stale, added = prepared.layout, 0, 0
        if prepared is not self._last:
            gone, added = self._compare(prepared)
            stale = len(gone)
            layout = RowLayout((*layout.labels, *gone)) if gone else layout
        kept = values if prepared.kept is None else values[prepared.kept]
        report = (
            1.0 if is_up else 0.0,
            duration_seconds,
            len(prepared.source) if samples_scraped is None else samples_scraped,
            prepared.count_kept,
            added,
        )
        row = np.concatenate((kept, report, np.full(stale, STALE)))
        await self._sink.append_row(self._target_key, layout, timestamp_ms, row)
        self._last = prepared
        self._recent = [prepared, *(each for each in self._recent if each is not prepared)]
        del self._recent[_LAYOUTS_REMEMBERED:]
        return RowCounts(
            added=added, kept=prepared.count_kept, duplicates=prepared.count_duplicates
        )

    async def end(self, *, timestamp_ms: int) -> None:
        """Mark every series of the target as ended: it is watched no longer."""
        if self._last is None:
            return
        labels = self._last.layout.labels
        if self._track_own_times:
            labels = tuple(dict.fromkeys((*labels, *self._last.own)))
        row = np.full(len(labels), STALE)
        await self._sink.append_row(self._target_key, RowLayout(labels), timestamp_ms, row)
        self._last = None

    def prepare(self, labels: tuple[Labels, ...], stamped: BoolArray | None = None) -> PreparedRow:
        """Work out what scraped label sets become; may take long if most of them are new.

        Args:
            labels: The S scraped label sets, without the target's.
            stamped: (S,) which samples have times of their own; None if none has.

        Raises:
            LimitExceededError: If a series is over a limit.
            ValueError: If relabelling leaves a series without a name.
        """
        found = self.find_prepared(labels, stamped)
        if found is not None:
            return found
        remembered = [each.known for each in self._recent]
        # Report series come from the scrape itself; a target that exposes one of the same name
        # and labels loses to it, as a duplicate.
        reports = frozenset(self._report)
        taken: set[Labels] = set(reports)
        known: dict[Labels, Labels | None] = {}
        places: tuple[list[int], list[int]] = ([], [])
        series: tuple[list[Labels], list[Labels]] = ([], [])
        count_kept = 0
        for position, each in enumerate(labels):
            merged = known[each] = self._mutate(each, known, remembered)
            if merged is None:
                continue
            count_kept += 1
            # A series may have several samples with times of their own.
            has_own_time = stamped is not None and bool(stamped[position])
            if merged in (reports if has_own_time else taken):
                continue
            places[has_own_time].append(position)
            series[has_own_time].append(merged)
            if not has_own_time:
                taken.add(merged)
        live = tuple(series[0])
        return PreparedRow(
            source=labels,
            stamped=stamped,
            kept=None if len(live) == len(labels) else np.array(places[0], dtype=np.intp),
            live=live,
            layout=RowLayout((*live, *self._report)),
            own_at=np.array(places[1], dtype=np.intp),
            own=tuple(series[1]),
            count_kept=count_kept,
            known=known,
        )

    def _mutate(
        self,
        labels: Labels,
        known: Mapping[Labels, Labels | None],
        remembered: Sequence[Mapping[Labels, Labels | None]],
    ) -> Labels | None:
        for each in (known, *remembered):
            if labels in each:
                return each[labels]
        return self._mutator.mutate(labels)

    def _compare(self, prepared: PreparedRow) -> tuple[tuple[Labels, ...], int]:
        """Return the series that are gone since the last row, and how many are new."""
        before = set(self._tracked(self._last))
        now = set(self._tracked(prepared))
        gone = tuple(before.difference(prepared.live, prepared.own))
        return gone, len(now) - len(before & now)

    def _tracked(self, prepared: PreparedRow | None) -> tuple[Labels, ...]:
        if prepared is None:
            return ()
        return (*prepared.live, *prepared.own) if self._track_own_times else prepared.live
