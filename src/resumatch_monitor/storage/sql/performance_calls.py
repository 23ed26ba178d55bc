"""Answers what was counted of statements and addresses, in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.storage.sql.performance_rows import (
    join_sketches,
    read_example,
    read_sketches,
)
from resumatch_monitor.storage.sql.statements import AnyRow
from resumatch_monitor.storage.sql.tables.performance import (
    PERFORMANCE_CALLS,
    PERFORMANCE_ENDPOINTS,
    PERFORMANCE_EXAMPLES,
    PERFORMANCE_STATEMENTS,
)
from resumatch_monitor.tracing.performance.store import (
    EndpointKey,
    Figures,
    StatementDetail,
    StatementLine,
    Step,
    Window,
)

_ROWS_MAX = 400_000
_EXAMPLES = 20
_C = PERFORMANCE_CALLS.c


def find_statements(
    kind: str,
    chosen: Sequence[ColumnElement[bool]],
    query: str,
    window: Window,
    connection: Connection,
) -> list[StatementLine]:
    """Return the statements of a kind that the chosen endpoints called in a window.

    Args:
        kind: `db` or `http`.
        chosen: Conditions on endpoints.
        query: A part of the statement's text, in any case.
        window: When.
        connection: Where.
    """
    statement, endpoint = PERFORMANCE_STATEMENTS.c, PERFORMANCE_ENDPOINTS.c
    where = [statement.kind == kind]
    if query:
        where.append(func.instr(func.lower(statement.text), query.lower()) > 0)
    each = (
        select(_C.statement_id, _C.endpoint_id, _C.count, _C.failed, _C.total, _C.sketch)
        .where(
            *_within(window),
            _C.statement_id.in_(select(statement.id).where(*where)),
            _C.endpoint_id.in_(select(endpoint.id).where(*chosen)),
        )
        .limit(_ROWS_MAX)
        .subquery()
        .c
    )
    rows = connection.execute(
        select(
            *(each.statement_id, func.count(each.endpoint_id.distinct())),
            *(func.sum(each["count"]), func.sum(each.failed), func.sum(each.total)),
            join_sketches(each.sketch),
        ).group_by(each.statement_id)
    )
    figures: dict[int, Figures] = {}
    callers: dict[int, int] = {}
    for statement_id, endpoints, count, failed, total, sketches in rows:
        figures[statement_id] = Figures(0, count, failed, total, [read_sketches(sketches)])
        callers[statement_id] = endpoints
    return [
        _read_line(row, figures[row.id], callers[row.id])
        for row in connection.execute(select(PERFORMANCE_STATEMENTS).where(*where))
        if row.id in figures
    ]


def find_statement(
    statement_id: int, window: Window, connection: Connection
) -> StatementDetail | None:
    """Return a statement with who calls it; None if there is none with that number."""
    endpoint = PERFORMANCE_ENDPOINTS.c
    statement = connection.execute(
        select(PERFORMANCE_STATEMENTS).where(PERFORMANCE_STATEMENTS.c.id == statement_id)
    ).one_or_none()
    if statement is None:
        return None
    rows = connection.execute(
        select(
            *(endpoint.project_id, endpoint.name, endpoint.op, _C.at),
            *(_C.count, _C.failed, _C.total, _C.sketch),
        )
        .join(PERFORMANCE_ENDPOINTS, endpoint.id == _C.endpoint_id)
        .where(*_within(window), _C.statement_id == statement_id)
        .limit(_ROWS_MAX)
    )
    total = Figures()
    callers: dict[EndpointKey, Figures] = {}
    steps: dict[int, Figures] = {}
    for project_id, name, op, at, *sums in rows:
        key = EndpointKey(project_id, name, op)
        for figures in (
            total,
            callers.setdefault(key, Figures()),
            steps.setdefault(to_milliseconds(at), Figures()),
        ):
            _add(figures, sums)
    example = PERFORMANCE_EXAMPLES.c
    examples = connection.execute(
        select(PERFORMANCE_EXAMPLES)
        .where(
            example.owner == "statement",
            example.owner_id == statement_id,
            example.at >= from_milliseconds(window.start_ms),
            example.at < from_milliseconds(window.end_ms),
        )
        .order_by(example.duration_us.desc())
        .limit(_EXAMPLES)
    )
    return StatementDetail(
        _read_line(statement, total, len(callers)),
        sorted(callers.items(), key=lambda each: -each[1].total),
        [Step(at_ms, figures) for at_ms, figures in sorted(steps.items())],
        [read_example(row) for row in examples],
    )


def _within(window: Window) -> list[ColumnElement[bool]]:
    return [
        _C.step == window.step_seconds,
        _C.at >= from_milliseconds(window.start_ms),
        _C.at < from_milliseconds(window.end_ms),
    ]


def _add(figures: Figures, sums: Sequence[Any]) -> None:
    count, failed, total, sketch = sums
    figures.count += count
    figures.failed += failed
    figures.total += total
    figures.sketches.append(sketch)


def _read_line(row: AnyRow, figures: Figures, endpoints: int) -> StatementLine:
    return StatementLine(
        id=row.id,
        project_id=row.project_id,
        text=row.text,
        operation=row.operation,
        system=row.system,
        tables=tuple(row.tables),
        figures=figures,
        endpoints=endpoints,
    )
