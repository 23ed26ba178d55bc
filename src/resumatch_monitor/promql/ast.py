"""What a parsed query is made of. Durations and times are whole milliseconds."""

from dataclasses import dataclass, field
from enum import StrEnum

from resumatch_monitor.metrics.labels import Matcher


class AtEdge(StrEnum):
    """A moment that is known when the query runs."""

    START = "start()"
    END = "end()"


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class StringLiteral:
    """A string."""

    value: str


@dataclass(frozen=True, slots=True)
class VectorSelector:
    """`metric{label="value"} offset 5m @ 100`.

    Attributes:
        matchers: All of them must match; the metric's name is among them.
        offset_ms: How far back to look; negative to look ahead.
        at: A fixed moment to look at, milliseconds or an edge of the query.
    """

    matchers: tuple[Matcher, ...]
    offset_ms: int
    at: int | AtEdge | None


@dataclass(frozen=True, slots=True)
class MatrixSelector:
    """`metric[5m]`: the samples of the last `range_ms`."""

    selector: VectorSelector
    range_ms: int


@dataclass(frozen=True, slots=True)
class Subquery:
    """`expression[1h:1m]`: the expression at every step of a range; no step is the default one."""

    expr: "Expr"
    range_ms: int
    step_ms: int | None
    offset_ms: int
    at: int | AtEdge | None


@dataclass(frozen=True, slots=True)
class Call:
    """A function applied to its arguments.

    Attributes:
        places: Where each argument is in the text, as `line:column`, if that is known.
    """

    function: str
    args: tuple["Expr", ...]
    places: tuple[str, ...] = field(default=(), compare=False)

    def place_of(self, argument: int) -> str:
        """Return where an argument is, empty if that is not known."""
        return self.places[argument] if argument < len(self.places) else ""


@dataclass(frozen=True, slots=True)
class Aggregation:
    """`sum by (job) (…)`.

    Attributes:
        grouping: The labels of `by` or `without`.
        is_without: Whether `grouping` is what is left out.
        param: The `k`, `φ` or label name that some aggregations take.
        places: Where `param`, if any, and `expr` are in the text, if that is known.
    """

    operator: str
    expr: "Expr"
    param: "Expr | None"
    grouping: tuple[str, ...]
    is_without: bool
    places: tuple[str, ...] = field(default=(), compare=False)


class Cardinality(StrEnum):
    """How many series of either side may share a match group."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


@dataclass(frozen=True, slots=True)
class Matching:
    """How series of two vectors find each other.

    Attributes:
        labels: The labels of `on` or `ignoring`.
        is_on: Whether only `labels` must agree, not everything but them.
        include: The labels that `group_left` or `group_right` copies from the one side.
        fill_left: The value of a left series that is missing, None to leave the match out.
        fill_right: The value of a right one.
    """

    cardinality: Cardinality
    labels: tuple[str, ...] = ()
    is_on: bool = False
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and an operator.

    Attributes:
        matching: Matters when both operands are vectors.
        is_bool: Whether a comparison yields 0 or 1 instead of filtering.
    """

    operator: str
    lhs: "Expr"
    rhs: "Expr"
    matching: Matching
    is_bool: bool


@dataclass(frozen=True, slots=True)
class Negation:
    """Minus in front of an expression."""

    expr: "Expr"


Expr = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Call
    | Aggregation
    | Binary
    | Negation
)
