"""Parses what targets expose: Prometheus' text format and OpenMetrics.

A target answers nearly the same text every time. So a parser, which belongs to one target, keeps
the lines of the last scrape: a line that is the same has the same value, and of a line that begins
with the same `name{labels}` only the value is parsed. Formats:
https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt
import orjson

from resumatch_monitor.metrics.exposition_lines import (
    EXEMPLAR_MARK,
    LONGEST_LINE,
    Format,
    LineError,
    Metadata,
    MetadataBuilder,
    ParsedExemplar,
    parse_exemplar,
    parse_series,
    parse_tail,
)
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import FloatArray, TimeArray

NO_TIMESTAMP: int = np.iinfo(np.int64).min
_PLAIN = b"0123456789.eE+-,"
_END = b"# EOF"
_LINES_PER_SAMPLE = 4
_LINES_FREE = 10_000
_TOO_MANY = "the target exposes more than the {} samples that it may"


class ExpositionError(ValueError):
    """A scrape's text is malformed; the message names the line and the reason."""


class TooManySamplesError(ExpositionError):
    """A scrape's text has more samples than it may."""


_Pairs = dict[tuple[str, str], tuple[str, str]]
"""Labels that were met in a text, for its series to share."""


class _Kind(Enum):
    TEXT = "text/plain"
    OPEN_METRICS = "application/openmetrics-text"


@dataclass(frozen=True, slots=True, eq=False)
class Exposition:
    """One parsed scrape.

    Attributes:
        labels: The label set of each sample, in the order of the text; while the series stay the
            same it is the same object. Not necessarily distinct.
        values: (len(labels),).
        timestamps: (len(labels),) milliseconds, `NO_TIMESTAMP` where the text has none; None if
            it has none at all.
        exemplars: By the position of the sample; those whose line is as it was are left out.
    """

    labels: tuple[Labels, ...]
    values: FloatArray
    timestamps: TimeArray | None
    exemplars: Mapping[int, ParsedExemplar] = field(default_factory=dict[int, ParsedExemplar])


def choose_format(content_type: str, fallback: str | None = None) -> Format:
    """Return how to parse an answer of `content_type`.

    Args:
        content_type: What the target says it is.
        fallback: The protocol, as `scrape_fallback_protocol` names it, of what says nothing useful.

    Raises:
        ExpositionError: If it is no metrics format.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _Kind.OPEN_METRICS.value:
        return Format.OPEN_METRICS
    if media_type != _Kind.TEXT.value and fallback is not None:
        return Format.OPEN_METRICS if fallback.startswith("OpenMetrics") else Format.TEXT
    # Small exporters send no type at all; what is not metrics fails on its first line.
    if media_type in (_Kind.TEXT.value, ""):
        return Format.TEXT
    raise ExpositionError(
        f"the target answered {media_type[:100]}, which is not a metrics format;"
        " check metrics_path and the port"
    )


class ExpositionParser:
    """Parses the scrapes of one target, one after the other."""

    def __init__(self, *, keep_empty_labels: bool = False) -> None:
        """Begin without a last scrape.

        Args:
            keep_empty_labels: Whether a label with an empty value stays in a label set: with
                `honor_labels` it says that the series shall not have it.
        """
        self._keep_empty_labels = keep_empty_labels
        self._known: dict[bytes, Labels] = {}
        self._scrape: _Scrape | None = None
        self._format = Format.TEXT

    @property
    def metadata(self) -> dict[str, Metadata]:
        """What the last scrape said of each metric: type, help and unit."""
        return self._scrape.metadata if self._scrape is not None else {}

    def parse(self, body: bytes, *, form: Format = Format.TEXT, max_samples: int = 0) -> Exposition:
        """Parse one scrape.

        Args:
            body: The text.
            form: How to read it.
            max_samples: How many samples it may have; 0 for no limit.

        Raises:
            ExpositionError: If it is malformed or too long; the message names the line and the
                reason.
        """
        # A text of nothing but line ends would take a hundred times its size to split.
        if max_samples and body.count(b"\n") > _LINES_PER_SAMPLE * max_samples + _LINES_FREE:
            raise TooManySamplesError(_TOO_MANY.format(max_samples))
        lines = body.split(b"\n")
        if form is Format.OPEN_METRICS:
            _check_end(lines)
        last = self._scrape
        if last is not None and form is self._format and len(lines) == len(last.lines):
            updated = last.update(lines, form)
            if updated is not None:
                return updated
        self._format = form
        scrape, exemplars = _parse_all(
            lines,
            form,
            self._known,
            max_samples=max_samples,
            keep_empty_labels=self._keep_empty_labels,
        )
        if last is not None and scrape.labels == last.labels:
            scrape.labels = last.labels
        self._scrape = scrape
        self._known = {prefix: scrape.labels[at] for prefix, at in scrape.positions.items()}
        return Exposition(scrape.labels, scrape.values.copy(), scrape.timestamps, exemplars)


class _Scrape:
    """The last scrape, line by line."""

    def __init__(
        self,
        lines: list[bytes],
        labels: tuple[Labels, ...],
        values: FloatArray,
        timestamps: TimeArray | None,
        *,
        prefixes: list[bytes],
        sample_lines: npt.NDArray[np.intp],
        metadata: dict[str, Metadata],
    ) -> None:
        self.lines = lines
        self.labels = labels
        self.values = values
        self.timestamps = timestamps
        self.metadata = metadata
        self.positions = {prefix: at for at, prefix in enumerate(prefixes)}
        self._heads = [prefix + b" " for prefix in prefixes]
        self._sample_of = np.full(len(lines), -1, dtype=np.intp)
        self._sample_of[sample_lines] = np.arange(len(sample_lines))

    def update(self, lines: list[bytes], form: Format) -> Exposition | None:
        """Return a scrape with the same series, or None if it has to be parsed."""
        if self.timestamps is not None:
            return None
        differs = np.fromiter(map(operator.ne, lines, self.lines), np.bool_, len(lines))
        changed = np.flatnonzero(differs)
        samples = self._sample_of[changed]
        if len(samples) and samples.min() < 0:
            return None
        where: list[int] = changed.tolist()
        at: list[int] = samples.tolist()
        tails = _cut_heads([lines[each] for each in where], [self._heads[each] for each in at])
        if tails is None:
            return None
        exemplars: dict[int, ParsedExemplar] = {}
        if form is Format.OPEN_METRICS:
            try:
                tails = _cut_exemplars(tails, at, exemplars)
            except LineError:
                return None
        fresh = _parse_values(tails)
        if fresh is None:
            return None
        self.values[samples] = fresh
        self.lines = lines
        return Exposition(self.labels, self.values.copy(), None, exemplars)


def _cut_heads(lines: list[bytes], heads: list[bytes]) -> list[bytes] | None:
    """Return what follows each line's head; None if one does not begin with it."""
    tails = list(map(bytes.removeprefix, lines, heads))
    if sum(map(len, lines)) - sum(map(len, tails)) != sum(map(len, heads)):
        return None
    return tails


def _cut_exemplars(
    tails: list[bytes], at: list[int], exemplars: dict[int, ParsedExemplar]
) -> list[bytes]:
    """Return the tails without their exemplars, which are added to `exemplars`."""
    # Most expositions have none at all.
    if EXEMPLAR_MARK not in b"\n".join(tails):
        return tails
    cut: list[bytes] = []
    for position, tail in zip(at, tails, strict=True):
        value, mark, exemplar = tail.partition(EXEMPLAR_MARK)
        if mark:
            exemplars[position] = parse_exemplar(exemplar)
        cut.append(value)
    return cut


def _parse_values(tails: list[bytes]) -> FloatArray | None:
    """Parse the values of lines, without what precedes them; None if any is not that simple."""
    joined = b",".join(tails)
    is_plain = not joined.translate(None, _PLAIN) and joined.count(b",") == len(tails) - 1
    # To JSON `-0` is an integer and has no sign.
    if is_plain and b"-0," not in joined and not joined.endswith(b"-0"):
        # A JSON parser reads plain numbers an order of magnitude faster.
        try:
            return np.array(orjson.loads(b"[" + joined + b"]"), dtype=np.float64)
        except (orjson.JSONDecodeError, OverflowError):
            pass
    # Python reads `1_000`, Prometheus does not.
    if b"_" in joined:
        return None
    try:
        return np.fromiter(map(float, tails), np.float64, len(tails))
    except ValueError:
        return None


def _parse_all(
    lines: list[bytes],
    form: Format,
    known: dict[bytes, Labels],
    *,
    max_samples: int,
    keep_empty_labels: bool,
) -> tuple[_Scrape, dict[int, ParsedExemplar]]:
    labels: list[Labels] = []
    values: list[float] = []
    timestamps: list[int] = []
    prefixes: list[bytes] = []
    sample_lines: list[int] = []
    exemplars: dict[int, ParsedExemplar] = {}
    metadata = MetadataBuilder(form)
    pairs: _Pairs = {}
    for number, line in enumerate(lines):
        if len(line) > LONGEST_LINE:
            raise ExpositionError(
                f"line {number + 1}: it is longer than the {LONGEST_LINE} bytes that it may be"
            )
        text = line.lstrip(b" \t")
        if not text:
            continue
        if text[0] == 35:  # '#'
            metadata.add(text)
            continue
        if max_samples and len(labels) == max_samples:
            raise TooManySamplesError(f"line {number + 1}: {_TOO_MANY.format(max_samples)}")
        try:
            series, prefix, tail = _split(text, known, pairs, keep_empty_labels=keep_empty_labels)
            if form is Format.OPEN_METRICS:
                (tail,) = _cut_exemplars([tail], [len(labels)], exemplars)
            value, timestamp = parse_tail(tail, form)
        except LineError as error:
            raise ExpositionError(f"line {number + 1}: {error}") from None
        labels.append(series)
        values.append(value)
        timestamps.append(NO_TIMESTAMP if timestamp is None else timestamp)
        prefixes.append(prefix)
        sample_lines.append(number)
    times = np.array(timestamps, dtype=np.int64)
    scrape = _Scrape(
        lines,
        tuple(labels),
        np.array(values, dtype=np.float64),
        times if bool((times != NO_TIMESTAMP).any()) else None,
        prefixes=prefixes,
        sample_lines=np.array(sample_lines, dtype=np.intp),
        metadata=metadata.build(),
    )
    return scrape, exemplars


def _split(
    line: bytes, known: dict[bytes, Labels], pairs: _Pairs, *, keep_empty_labels: bool
) -> tuple[Labels, bytes, bytes]:
    """Return series, the text that names it, and what follows.

    A line that begins with a text that once named a series names that series, whatever follows:
    the text ends with its closing brace or, without labels, before a space.
    """
    brace = line.rfind(b"}") + 1
    prefix = line[:brace] if brace else line.partition(b" ")[0]
    series = known.get(prefix)
    if series is not None:
        return series, prefix, line[len(prefix) :]
    series, end = parse_series(line, keep_empty_labels=keep_empty_labels)
    series.share(tuple(map(pairs.setdefault, series.pairs, series.pairs)))
    return series, line[:end], line[end:]


def _check_end(lines: list[bytes]) -> None:
    end = len(lines) - 1
    while end > 0 and not lines[end]:
        end -= 1
    if lines[end] != _END:
        raise ExpositionError(
            f"line {end + 1}: the text does not end with '# EOF', so it may have been cut off"
        )
    first = lines.index(_END)
    if first != end:
        raise ExpositionError(f"line {first + 2}: the text goes on after '# EOF'")
