"""The function `info`: adds the labels of info metrics to the series of the same target."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import BoolArray, TimeArray
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.context import Context
from resumatch_monitor.promql.selection import select_instant, select_timestamps
from resumatch_monitor.promql.value import ExecutionError
from resumatch_monitor.promql.vector import IndexArray, Vector, empty_vector, merge_equal

IDENTIFYING_LABELS = ("instance", "job")
"""The labels by which a series and an info series find each other."""
_DEFAULT_NAME = Matcher(METRIC_NAME, MatchOp.EQUAL, "target_info")
_ANY_NAME = Matcher(METRIC_NAME, MatchOp.REGEX, ".+_info")
_NOBODY = -1

_Identity = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the second argument asks for: which info metrics, and which of their labels."""

    names: Sequence[Matcher]
    data: Sequence[Matcher]

    @property
    def needs_match(self) -> bool:
        """Whether a series without an info series is left out."""
        return any(not matcher.matches("") for matcher in self.data)

    def takes(self, label: str) -> bool:
        return not self.data or any(matcher.name == label for matcher in self.data)


def add_info(context: Context, base: Vector, node: ast.Call, steps: TimeArray) -> Vector:
    """Return `base` with the labels of the info series that are current at each step.

    Args:
        context: Reads the info series.
        base: (S, T); info series among them stay as they are.
        node: The call: its first argument tells when to look, its second what to look for.
        steps: (T,)

    Raises:
        ExecutionError: If two info series contradict each other.
    """
    wanted = _read_selector(node)
    labels = base.visible_labels()
    ignored = [_matches_all(wanted.names, each) for each in labels]
    identities = [_identity(each) for each in labels]
    known = {
        identity
        for identity, is_ignored in zip(identities, ignored, strict=True)
        if not is_ignored and any(identity)
    }
    current: dict[_Identity, list[_Current]] = {}
    if known:
        moments = _moments_of(context, node.args[0], steps)
        for each in _find_current(context, wanted, moments, known):
            current.setdefault(each.identity, []).append(each)
    made: list[Labels] = []
    rows: list[int] = []
    masks: list[BoolArray] = []
    mask = base.mask()
    for row, own in enumerate(labels):
        found = [] if ignored[row] else current.get(identities[row], [])
        for enriched, at in _enrich(own, found, wanted, len(steps), is_ignored=ignored[row]):
            made.append(enriched)
            rows.append(row)
            masks.append(mask[row] & at)
    if not made:
        return empty_vector(len(steps))
    result = Vector(made, base.values[rows], np.stack(masks))
    return merge_equal(result.without_empty_series())


def _read_selector(node: ast.Call) -> _Wanted:
    if len(node.args) < 2:
        return _Wanted((_DEFAULT_NAME,), ())
    selector = node.args[1]
    if not isinstance(selector, ast.VectorSelector):
        raise ExecutionError("expected label selectors as the second argument to info()")
    names = [matcher for matcher in selector.matchers if matcher.name == METRIC_NAME]
    if not names:
        names = [_DEFAULT_NAME]
    elif all(each.op in (MatchOp.NOT_EQUAL, MatchOp.NOT_REGEX) for each in names):
        # What is not wanted says nothing about what is.
        names.append(_ANY_NAME)
    return _Wanted(names, [each for each in selector.matchers if each.name != METRIC_NAME])


def _matches_all(matchers: Sequence[Matcher], labels: Labels) -> bool:
    return all(matcher.matches(labels.value(matcher.name)) for matcher in matchers)


def _identity(labels: Labels) -> _Identity:
    return tuple(labels.value(name) for name in IDENTIFYING_LABELS)


def _moments_of(context: Context, expr: ast.Expr, steps: TimeArray) -> TimeArray:
    """Return when the first selector in `expr` looks at its series, (T,)."""
    found = _first_selector(expr, ())
    for offset_ms, at in found or ():
        steps = context.look_at(steps, offset_ms=offset_ms, at=at)
    return steps


_Shift = tuple[int, int | ast.AtEdge | None]


def _first_selector(expr: ast.Expr, shifts: tuple[_Shift, ...]) -> tuple[_Shift, ...] | None:
    match expr:
        case ast.VectorSelector():
            return (*shifts, (expr.offset_ms, expr.at))
        case ast.MatrixSelector():
            return _first_selector(expr.selector, shifts)
        case ast.Subquery():
            return _first_selector(expr.expr, (*shifts, (expr.offset_ms, expr.at)))
        case ast.Call():
            children: Sequence[ast.Expr] = expr.args
        case ast.Aggregation():
            children = (expr.expr,)
        case ast.Binary():
            children = (expr.lhs, expr.rhs)
        case ast.Negation():
            children = (expr.expr,)
        case ast.NumberLiteral() | ast.StringLiteral():
            children = ()
    found = (_first_selector(child, shifts) for child in children)
    return next((each for each in found if each is not None), None)


@dataclass(frozen=True, slots=True, eq=False)
class _Current:
    """The info series of one metric and one target.

    Attributes:
        identity: The target.
        labels: Of each of its series.
        winner: (T,) which of them is current, -1 for none.
    """

    identity: _Identity
    labels: Sequence[Labels]
    winner: IndexArray


def _find_current(
    context: Context, wanted: _Wanted, moments: TimeArray, known: set[_Identity]
) -> Iterator[_Current]:
    matchers = (*wanted.names, *wanted.data)
    selector = ast.VectorSelector(matchers, 0, None)
    infos = select_instant(context, selector, moments)
    if not len(infos.labels):
        return
    times = select_timestamps(context, selector, moments)
    rows_of: dict[tuple[str, _Identity], list[int]] = {}
    for row, labels in enumerate(infos.labels):
        identity = _identity(labels)
        if identity in known:
            rows_of.setdefault((labels.metric_name, identity), []).append(row)
    mask = infos.mask()
    for (_, identity), rows in rows_of.items():
        labels = [infos.labels[row] for row in rows]
        ages = np.where(mask[rows], times.values[rows], -np.inf)
        winner = np.argmax(ages, axis=0)
        latest = ages.max(axis=0)
        _refuse_twins(labels, ages, latest)
        yield _Current(identity, labels, np.where(latest > -np.inf, winner, _NOBODY))


def _refuse_twins(labels: Sequence[Labels], ages: TimeArray, latest: TimeArray) -> None:
    twins = (ages == latest) & (latest > -np.inf)
    steps = np.flatnonzero(twins.sum(axis=0) > 1)
    if len(steps):
        first, second = np.flatnonzero(twins[:, steps[0]])[:2].tolist()
        at = int(latest[steps[0]] * 1000)
        raise ExecutionError(
            f"found duplicate series for info metric: existing {labels[first]!r} @ {at},"
            f" new {labels[second]!r} @ {at}"
        )


def _enrich(
    own: Labels, found: Sequence[_Current], wanted: _Wanted, step_count: int, *, is_ignored: bool
) -> Iterator[tuple[Labels, BoolArray]]:
    """Yield each label set that a series gets, and at which steps, (T,)."""
    if not found:
        if is_ignored or not wanted.needs_match:
            yield own, np.ones(step_count, dtype=np.bool_)
        return
    combinations, which = np.unique(
        np.stack([each.winner for each in found]), axis=1, return_inverse=True
    )
    chosen: list[list[int]] = combinations.T.tolist()
    for index, winners in enumerate(chosen):
        infos = [
            each.labels[winner]
            for each, winner in zip(found, winners, strict=True)
            if winner != _NOBODY
        ]
        if infos or not wanted.needs_match:
            yield _join(own, infos, wanted), which.reshape(-1) == index


def _join(own: Labels, infos: Sequence[Labels], wanted: _Wanted) -> Labels:
    added: dict[str, str] = {}
    for info in infos:
        for name, value in info.pairs:
            if name == METRIC_NAME or not wanted.takes(name):
                continue
            if added.get(name, value) != value:
                raise ExecutionError(f"conflicting label: {name}")
            if name not in own:
                added[name] = value
    return own.with_labels(added)
