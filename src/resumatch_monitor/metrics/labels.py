"""Label sets and the matchers that select them."""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum

from resumatch_monitor.kit.regex import Regex, RegexError

METRIC_NAME = "__name__"


class Labels(Mapping[str, str]):
    """An immutable, sorted, hashable label set; the metric's name is the label `__name__`.

    A label with an empty value is the same as an absent one, as in Prometheus.
    """

    __slots__ = ("_hash", "_map", "pairs")

    pairs: tuple[tuple[str, str], ...]
    _map: dict[str, str]

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.pairs = tuple(sorted((name, value) for name, value in pairs if value))
        self._hash = hash(self.pairs)

    def __getattr__(self, name: str) -> dict[str, str]:
        # Called for what is not there yet. Most series are stored and never looked at, and the
        # dictionary is the largest part of a label set.
        if name != "_map":
            raise AttributeError(name)
        self._map = mapping = dict(self.pairs)
        return mapping

    @classmethod
    def of(cls, mapping: Mapping[str, str] | None = None, /, **labels: str) -> "Labels":
        """Build a label set from a mapping, keyword arguments, or both."""
        return cls({**(mapping or {}), **labels}.items())

    @classmethod
    def from_sorted(cls, pairs: tuple[tuple[str, str], ...]) -> "Labels":
        """Build a label set from pairs that are sorted, distinct and have no empty value."""
        labels = cls.__new__(cls)
        labels.pairs = pairs
        labels._hash = hash(pairs)
        return labels

    def share(self, pairs: tuple[tuple[str, str], ...]) -> None:
        """Hold `pairs`, which are equal to those here and which others hold as well."""
        self.pairs = pairs

    def value(self, name: str) -> str:
        """Return the value of label `name`, empty if there is none."""
        return self._map.get(name, "")

    @property
    def mapping(self) -> dict[str, str]:
        """The labels as what JSON is made of soonest; not to be changed."""
        return self._map

    @staticmethod
    def values_of(labels: Iterable["Labels"], name: str) -> list[str]:
        """Return the value of label `name` in each of `labels`, empty where there is none."""
        # Thousands at a time, so without a call for each.
        return [each._map.get(name, "") for each in labels]

    @property
    def metric_name(self) -> str:
        """The metric's name, empty if there is none."""
        return self._map.get(METRIC_NAME, "")

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that are the same in every process and on every machine."""
        digest = hashlib.blake2b(digest_size=8)
        for name, value in self.pairs:
            digest.update(f"{name}\xff{value}\xff".encode())
        return digest.hexdigest()

    def without(self, names: Iterable[str]) -> "Labels":
        """Return the labels whose names are not in `names`."""
        dropped = frozenset(names)
        return Labels(pair for pair in self.pairs if pair[0] not in dropped)

    def only(self, names: Iterable[str]) -> "Labels":
        """Return the labels whose names are in `names`."""
        kept = frozenset(names)
        return Labels(pair for pair in self.pairs if pair[0] in kept)

    def with_labels(self, mapping: Mapping[str, str]) -> "Labels":
        """Return these labels overridden by `mapping`; an empty value removes a label."""
        return Labels({**self._map, **mapping}.items())

    def __getitem__(self, name: str) -> str:
        return self._map[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __len__(self) -> int:
        return len(self.pairs)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels):
            return self.pairs == other.pairs
        return NotImplemented

    def __lt__(self, other: "Labels") -> bool:
        return self.pairs < other.pairs

    def __repr__(self) -> str:
        return f"Labels({render_labels(self)})"


NO_LABELS = Labels()


def render_labels(labels: Mapping[str, str]) -> str:
    """Render as Prometheus does: `name{a="b",c="d"}`."""
    inner = ",".join(
        f'{name}="{escape_label_value(value)}"'
        for name, value in labels.items()
        if name != METRIC_NAME
    )
    name = labels.get(METRIC_NAME, "")
    return f"{name}{{{inner}}}" if inner or not name else name


def escape_label_value(value: str) -> str:
    """Escape a label value for exposition formats and selectors."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class MatchOp(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


class Matcher:
    """Selects series by one label; regular expressions are fully anchored.

    Raises:
        ValueError: If the regular expression does not compile.
    """

    __slots__ = ("_pattern", "name", "op", "value")

    def __init__(self, name: str, op: MatchOp, value: str) -> None:
        self.name = name
        self.op = op
        self.value = value
        self._pattern: Callable[[str], bool] | None = None
        if op in (MatchOp.REGEX, MatchOp.NOT_REGEX):
            self._pattern = _compile(value)

    def matches(self, value: str) -> bool:
        """Tell whether a label value (empty for an absent label) is selected."""
        match self.op:
            case MatchOp.EQUAL:
                return value == self.value
            case MatchOp.NOT_EQUAL:
                return value != self.value
            case MatchOp.REGEX:
                return self._pattern is not None and self._pattern(value)
            case MatchOp.NOT_REGEX:
                return self._pattern is not None and not self._pattern(value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Matcher):
            return (self.name, self.op, self.value) == (other.name, other.op, other.value)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.op, self.value))

    def __repr__(self) -> str:
        return f'{self.name}{self.op}"{escape_label_value(self.value)}"'


@functools.lru_cache(maxsize=1024)
def _compile(pattern: str) -> Callable[[str], bool]:
    try:
        return Regex(pattern, dot_matches_newline=True).matches
    except RegexError as error:
        raise ValueError(f"{pattern!r} is not a valid regular expression: {error}") from error
