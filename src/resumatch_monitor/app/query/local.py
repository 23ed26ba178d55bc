"""Asks the store of a monitor that is stopped."""

from datetime import timedelta
from pathlib import Path

from resumatch_monitor.app.folder import lock_folder
from resumatch_monitor.app.query.client import QueryFailedError
from resumatch_monitor.app.query.result import QueryResult, ResultSeries
from resumatch_monitor.app.query.times import Question
from resumatch_monitor.app.recovery import NoDataError
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.samples import Queryable, is_absent
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.engine import Answer, evaluate_instant, evaluate_range
from resumatch_monitor.promql.format import format_float
from resumatch_monitor.promql.value import (
    InstantValue,
    InstantVector,
    Matrix,
    QueryError,
    RangeVector,
    ScalarValue,
    StringValue,
)
from resumatch_monitor.storage.tsdb.store import StoreLockedError, TimeSeriesStore

# However old a sample is: as long as it is there, it can be asked for.
_EVERYTHING = timedelta(days=365 * 100)


def read_store(question: Question, *, data: Path, clock: Clock) -> QueryResult:
    """Evaluate over what is under `data`; nothing there is changed but that a log is closed.

    Raises:
        NoDataError: If there are no samples.
        AlreadyRunningError: If a monitor is running on them.
        QueryFailedError: If the question has no answer.
        OSError: If the folder cannot be read.
    """
    folder = data / "metrics"
    if not folder.is_dir():
        raise NoDataError(
            f"There is no {folder}; say with --data where the monitor keeps its data."
        )
    with lock_folder(data):
        store = TimeSeriesStore(folder, clock=clock, telemetry=Telemetry(), retention=_EVERYTHING)
        try:
            store.open()
            return _evaluate(store, question)
        except QueryError as error:
            raise QueryFailedError(str(error)) from None
        except StoreLockedError as error:
            raise QueryFailedError(str(error)) from None
        finally:
            store.close()


def _evaluate(store: Queryable, question: Question) -> QueryResult:
    if question.step_ms is None:
        answer = evaluate_instant(store, question.expr, question.start_ms, options=Options())
        return _convert_instant(answer)
    return _convert_range(
        evaluate_range(
            store,
            question.expr,
            start_ms=question.start_ms,
            end_ms=question.end_ms,
            step_ms=question.step_ms,
            options=Options(),
        )
    )


def _convert_instant(answer: Answer[InstantValue]) -> QueryResult:
    value = answer.value
    remarks = [*answer.warnings, *answer.infos]
    match value:
        case ScalarValue():
            point = (value.timestamp_ms / 1000, format_float(value.value))
            return QueryResult("scalar", [ResultSeries({}, [point])], remarks)
        case StringValue():
            point = (value.timestamp_ms / 1000, value.value)
            return QueryResult("string", [ResultSeries({}, [point])], remarks)
        case InstantVector():
            at = value.timestamp_ms / 1000
            numbers: list[float] = value.values.tolist()
            series = [
                ResultSeries(labels, [(at, format_float(number))])
                for labels, number in zip(value.labels, numbers, strict=True)
            ]
            return QueryResult("vector", series, remarks)
        case RangeVector():
            blocks = [Matrix(each.timestamps, each.labels, each.values) for each in value.blocks]
            series = [each for block in blocks for each in _convert_matrix(block)]
            return QueryResult("matrix", series, remarks)


def _convert_range(answer: Answer[Matrix]) -> QueryResult:
    return QueryResult("matrix", _convert_matrix(answer.value), [*answer.warnings, *answer.infos])


def _convert_matrix(matrix: Matrix) -> list[ResultSeries]:
    times: list[int] = matrix.timestamps.tolist()
    found: list[ResultSeries] = []
    for labels, row in zip(matrix.labels, matrix.values, strict=True):
        missing: list[bool] = is_absent(row).tolist()
        numbers: list[float] = row.tolist()
        points = [
            (time / 1000, format_float(number))
            for time, number, is_missing in zip(times, numbers, missing, strict=True)
            if not is_missing
        ]
        found.append(ResultSeries(labels, points))
    return found
