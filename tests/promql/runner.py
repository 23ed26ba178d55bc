"""Runs the cases of promqltest scripts against the engine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import is_absent
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.engine import Answer, evaluate_instant, evaluate_range
from resumatch_monitor.promql.parse import FEATURES
from resumatch_monitor.promql.remarks import TYPE_AND_UNIT_LABELS
from resumatch_monitor.promql.value import (
    InstantValue,
    InstantVector,
    Matrix,
    QueryError,
    RangeVector,
    ScalarValue,
    StringValue,
)
from tests.promql.script import Clear, Eval, Load, is_close, parse_script
from tests.support.memory_store import MemoryStore

OPTIONS = Options(features=FEATURES - {TYPE_AND_UNIT_LABELS})
_OPTIONS_BY_TYPE = Options(features=FEATURES)
_AROUND_MS = 60_000
_ASKS_FOR_THE_RANGE = re.compile(r"\b(start|end|step|range)\s*\(")


class MismatchError(AssertionError):
    """A query did not answer what the script expects."""


@dataclass(frozen=True)
class Outcome:
    """What became of one case; `problem` is None if it passed."""

    name: str
    query: str
    problem: str | None


def run_script(path: Path, *, is_matrix: bool) -> list[Outcome]:
    """Run all cases of a script, named `file.test:line`."""
    store = MemoryStore(is_matrix=is_matrix)
    options = _OPTIONS_BY_TYPE if path.name.startswith("type_and_unit") else OPTIONS
    outcomes: list[Outcome] = []
    for command in parse_script(path.read_text()):
        match command:
            case Clear():
                store.clear()
            case Load(step_ms, series):
                for labels, values in series:
                    points = {
                        index * step_ms: value
                        for index, value in enumerate(values)
                        if value is not None
                    }
                    store.add(labels, points)
            case Eval():
                name = f"{path.name}:{command.line}"
                outcomes.append(Outcome(name, command.query, _try(command, store, options)))
    return outcomes


def _try(case: Eval, store: MemoryStore, options: Options) -> str | None:
    if case.has_histograms:
        return "expects native histograms"
    try:
        _check(case, store, options)
        if case.is_instant and not case.is_ordered and case.text is None:
            _check_in_range(case, store, options)
    except QueryError as error:
        return f"{type(error).__name__}: {error}"
    except MismatchError as error:
        return str(error)
    return None


def _check(case: Eval, store: MemoryStore, options: Options) -> None:
    try:
        answer: Answer[InstantValue] | Answer[Matrix]
        if case.is_instant:
            answer = evaluate_instant(store, case.query, case.start_ms, options=options)
        else:
            answer = evaluate_range(
                store,
                case.query,
                start_ms=case.start_ms,
                end_ms=case.end_ms,
                step_ms=case.step_ms,
                options=options,
            )
    except QueryError as error:
        if not case.fails:
            raise
        _check_message(case, str(error))
        return
    if case.fails:
        raise MismatchError("should fail and does not")
    _check_annotations(case, answer)
    _compare(case, answer.value)


def _check_message(case: Eval, message: str) -> None:
    if case.fail_text is not None and case.fail_text not in message:
        raise MismatchError(f"fails with {message!r} instead of {case.fail_text!r}")
    if case.fail_pattern is not None and not re.search(case.fail_pattern, message):
        raise MismatchError(f"fails with {message!r}, which {case.fail_pattern!r} does not match")


def _check_annotations(case: Eval, answer: Answer[InstantValue] | Answer[Matrix]) -> None:
    if case.warns is not None and bool(answer.warnings) != case.warns:
        raise MismatchError(f"warnings are {answer.warnings}")
    if case.informs is not None and bool(answer.infos) != case.informs:
        raise MismatchError(f"infos are {answer.infos}")
    for kind, remarks in (("warn", answer.warnings), ("info", answer.infos)):
        wanted = [pattern for each, pattern in case.remarks if each == kind]
        for pattern in wanted:
            if not any(pattern.fullmatch(remark) for remark in remarks):
                raise MismatchError(f"no {kind} is {pattern.pattern}, they are {remarks}")
        for remark in remarks if wanted else ():
            if not any(pattern.fullmatch(remark) for pattern in wanted):
                raise MismatchError(f"{kind} is {remark!r} besides")


def _compare(case: Eval, value: InstantValue | Matrix) -> None:
    match value:
        case StringValue():
            _expect(value.value == case.text, f"is {value.value!r}")
        case ScalarValue():
            expected = case.scalar
            _expect(expected is not None and is_close(value.value, expected), f"is {value.value!r}")
        case InstantVector():
            found = {
                labels: [each]
                for labels, each in zip(value.labels, value.values.tolist(), strict=True)
            }
            _expect(len(found) == len(value.labels), "has equal label sets")
            _compare_series(case, found)
        case Matrix():
            _compare_series(case, _rows(value))
        case RangeVector():
            _expect(case.has_range_vector, "is a range vector")
            _compare_range_vector(case, value)


def _rows(matrix: Matrix) -> dict[Labels, list[float | None]]:
    absent = is_absent(matrix.values)
    return {
        labels: [
            None if gap else value
            for value, gap in zip(values.tolist(), absent[row].tolist(), strict=True)
        ]
        for row, (labels, values) in enumerate(zip(matrix.labels, matrix.values, strict=True))
    }


def _compare_series(case: Eval, found: Mapping[Labels, list[float] | list[float | None]]) -> None:
    if case.scalar is not None:
        # A scalar over a range is one series without labels.
        wanted: dict[Labels, list[float | None]] = {Labels(): [case.scalar]}
    else:
        wanted = {
            labels: values
            for labels, values in case.series
            if any(value is not None for value in values)
        }
    if case.is_ordered:
        _expect(list(found) == list(wanted), f"is in the order {list(found)}")
    missing, surplus = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    _expect(not missing and not surplus, f"misses {missing}, has besides {surplus}")
    steps = (case.end_ms - case.start_ms) // case.step_ms + 1
    for labels, values in wanted.items():
        padded = [*values, *[None] * (steps - len(values))]
        for step, (actual, expected) in enumerate(zip(found[labels], padded, strict=True)):
            if actual is None or expected is None:
                fits = actual is expected
            else:
                fits = is_close(actual, expected)
            _expect(fits, f"{labels} is {actual} instead of {expected} at step {step}")


def _compare_range_vector(case: Eval, value: RangeVector) -> None:
    found: dict[Labels, dict[int, float]] = {}
    for block in value.blocks:
        for labels, row in zip(block.labels, block.values, strict=True):
            found[labels] = dict(zip(block.timestamps.tolist(), row.tolist(), strict=True))
    wanted = {
        labels: {
            case.vector_start_ms + index * case.vector_step_ms: each
            for index, each in enumerate(values)
            if each is not None
        }
        for labels, values in case.series
    }
    _expect(found == wanted, f"is {found}")


def _check_in_range(case: Eval, store: MemoryStore, options: Options) -> None:
    """Check the same result as the middle step of a range query."""
    if case.has_range_vector or case.fails or _ASKS_FOR_THE_RANGE.search(case.query):
        return
    matrix = evaluate_range(
        store,
        case.query,
        start_ms=case.start_ms - _AROUND_MS,
        end_ms=case.start_ms + _AROUND_MS,
        step_ms=_AROUND_MS,
        options=options,
    ).value
    middle = Matrix(
        matrix.timestamps[1:2], matrix.labels, np.ascontiguousarray(matrix.values[:, 1:2])
    )
    there = {labels: row for labels, row in _rows(middle).items() if row[0] is not None}
    try:
        _compare_series(case, there)
    except MismatchError as error:
        raise MismatchError(f"within a range: {error}") from None


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise MismatchError(problem)
