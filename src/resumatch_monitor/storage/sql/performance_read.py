"""Answers what was counted of endpoints, in SQL."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, func, select, type_coerce

from resumatch_monitor.kit.clock import from_milliseconds
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.performance_calls import find_statement, find_statements
from resumatch_monitor.storage.sql.performance_rows import (
    join_findings,
    join_numbers,
    join_sketches,
    read_example,
    read_finding,
    read_numbers,
    read_sketches,
)
from resumatch_monitor.storage.sql.tables.errors import ISSUES
from resumatch_monitor.storage.sql.tables.performance import (
    PERFORMANCE_ENDPOINTS,
    PERFORMANCE_EXAMPLES,
    PERFORMANCE_FIGURES,
    PERFORMANCE_FINDINGS,
)
from resumatch_monitor.tracing.performance.model import PART_PREFIX
from resumatch_monitor.tracing.performance.store import (
    COARSE_SECONDS,
    EndpointFigures,
    EndpointFilter,
    EndpointKey,
    Example,
    Figures,
    Finding,
    FindingFilter,
    StatementDetail,
    StatementLine,
    Step,
    Window,
)

_ROWS_MAX = 400_000
_FACETS_MAX = 200
_EXAMPLES_PER_FINDING = 3
_F = PERFORMANCE_FIGURES.c
# Very many rows: no moment is made of each.
_AT_MS = type_coerce(_F.at, BigInteger)
_SUMS = (_F.seen, _F.count, _F.failed, _F.total, _F.sketch)


class SqlPerformanceReader:
    """A `PerformanceReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_endpoints(
        self, wanted: EndpointFilter, windows: Sequence[Window], measures: Sequence[str]
    ) -> EndpointFigures:
        """See `PerformanceReader`."""
        return await self._database.read(partial(_find_endpoints, wanted, windows, measures))

    async def read_steps(
        self, wanted: EndpointFilter, window: Window, measure: str
    ) -> Sequence[Step]:
        """See `PerformanceReader`."""
        return await self._database.read(partial(_find_steps, wanted, window, measure))

    async def read_parts(self, wanted: EndpointFilter, window: Window) -> Mapping[str, Figures]:
        """See `PerformanceReader`."""
        return await self._database.read(partial(_find_parts, wanted, window))

    async def read_examples(
        self, wanted: EndpointFilter, window: Window, *, limit: int
    ) -> Sequence[Example]:
        """See `PerformanceReader`."""
        return await self._database.read(partial(_find_examples, wanted, window, limit))

    async def read_findings(
        self, wanted: FindingFilter, *, after: int | None, limit: int
    ) -> Sequence[Finding]:
        """See `PerformanceReader`."""
        return await self._database.read(partial(_find_findings, wanted, after, limit))

    async def read_statements(
        self, kind: str, wanted: EndpointFilter, window: Window
    ) -> Sequence[StatementLine]:
        """See `PerformanceReader`."""
        chosen = _choose(EndpointFilter(wanted.project_id, wanted.environment, wanted.op))
        return await self._database.read(
            partial(find_statements, kind, chosen, wanted.query, window)
        )

    async def read_statement(self, statement_id: int, window: Window) -> StatementDetail | None:
        """See `PerformanceReader`."""
        return await self._database.read(partial(find_statement, statement_id, window))

    async def facets(self) -> Mapping[str, Sequence[str]]:
        """See `PerformanceReader`."""
        return await self._database.read(_find_facets)


def _choose(wanted: EndpointFilter) -> list[ColumnElement[bool]]:
    endpoint = PERFORMANCE_ENDPOINTS.c
    where: list[ColumnElement[bool]] = []
    if wanted.project_id is not None:
        where.append(endpoint.project_id == wanted.project_id)
    if wanted.environment is not None:
        where.append(endpoint.environment == wanted.environment)
    if wanted.op is not None:
        where.append(endpoint.op == wanted.op)
    if wanted.name:
        where.append(endpoint.name == wanted.name)
    if wanted.query:
        where.append(func.instr(func.lower(endpoint.name), wanted.query.lower()) > 0)
    return where


def _within(wanted: EndpointFilter, window: Window) -> list[ColumnElement[bool]]:
    endpoint = PERFORMANCE_ENDPOINTS.c
    return [
        _F.step == window.step_seconds,
        _F.endpoint_id.in_(select(endpoint.id).where(*_choose(wanted))),
        _F.at >= from_milliseconds(window.start_ms),
        _F.at < from_milliseconds(window.end_ms),
    ]


def _find_endpoints(
    wanted: EndpointFilter,
    windows: Sequence[Window],
    measures: Sequence[str],
    connection: Connection,
) -> EndpointFigures:
    endpoint = PERFORMANCE_ENDPOINTS.c
    rows = connection.execute(
        select(endpoint.id, endpoint.project_id, endpoint.name, endpoint.op).where(*_choose(wanted))
    )
    keys = {row.id: EndpointKey(row.project_id, row.name, row.op) for row in rows}
    found = EndpointFigures()
    for number, window in enumerate(windows):
        each: Any = (
            select(_F.endpoint_id, _F.measure, _AT_MS.label("at_ms"), *_SUMS)
            .where(*_within(wanted, window), _F.measure.in_(measures))
            .limit(_ROWS_MAX + 1)
            .subquery()
            .c
        )
        step = (each.at_ms - window.start_ms) // (window.step_seconds * 1_000)
        groups: Any = connection.execute(
            select(each.endpoint_id, each.measure, *_sums_of(each))
            .add_columns(join_numbers(step), join_numbers(each.count))
            .group_by(each.endpoint_id, each.measure)
        )
        read = 0
        for endpoint_id, measure, *sums, steps, counts in groups:
            key = (keys[endpoint_id], measure)
            if key not in found:
                found[key] = [Figures() for _ in windows]
            figures = found[key][number]
            _add(figures, sums)
            places = read_numbers(steps)
            for at, count in zip(places, read_numbers(counts), strict=True):
                figures.by_step[at] = figures.by_step.get(at, 0.0) + count
            read += len(places)
        found.is_truncated |= read > _ROWS_MAX
    return found


def _find_steps(
    wanted: EndpointFilter, window: Window, measure: str, connection: Connection
) -> list[Step]:
    each: Any = (
        select(_AT_MS.label("at_ms"), *_SUMS)
        .where(*_within(wanted, window), _F.measure == measure)
        .limit(_ROWS_MAX)
        .subquery()
        .c
    )
    rows: Any = connection.execute(
        select(each.at_ms, *_sums_of(each)).group_by(each.at_ms).order_by(each.at_ms)
    )
    steps: list[Step] = []
    for at_ms, *sums in rows:
        figures = Figures()
        _add(figures, sums)
        steps.append(Step(at_ms, figures))
    return steps


def _find_parts(
    wanted: EndpointFilter, window: Window, connection: Connection
) -> dict[str, Figures]:
    rows = connection.execute(
        select(_F.measure, func.sum(_F.seen), func.sum(_F.count), func.sum(_F.total))
        .where(*_within(wanted, window), _F.measure.startswith(PART_PREFIX, autoescape=True))
        .group_by(_F.measure)
    )
    return {
        measure.removeprefix(PART_PREFIX): Figures(seen=seen, count=count, total=total)
        for measure, seen, count, total in rows
    }


def _find_examples(
    wanted: EndpointFilter, window: Window, limit: int, connection: Connection
) -> list[Example]:
    example, endpoint = PERFORMANCE_EXAMPLES.c, PERFORMANCE_ENDPOINTS.c
    hour_ms = COARSE_SECONDS * 1_000
    rows = connection.execute(
        select(PERFORMANCE_EXAMPLES)
        .where(
            example.owner == "endpoint",
            example.owner_id.in_(select(endpoint.id).where(*_choose(wanted))),
            example.hour >= from_milliseconds(window.start_ms // hour_ms * hour_ms),
            example.at >= from_milliseconds(window.start_ms),
            example.at < from_milliseconds(window.end_ms),
        )
        .order_by(example.duration_us.desc())
        .limit(limit)
    )
    return [read_example(row) for row in rows]


def _find_findings(
    wanted: FindingFilter, after: int | None, limit: int, connection: Connection
) -> list[Finding]:
    finding, endpoint = PERFORMANCE_FINDINGS.c, PERFORMANCE_ENDPOINTS.c
    query = join_findings().where(
        finding.endpoint_id.in_(select(endpoint.id).where(*_choose(wanted.endpoints)))
    )
    if wanted.issue_id is not None:
        query = query.where(finding.issue_id == wanted.issue_id)
    if wanted.status is not None:
        query = query.where(ISSUES.c.status == wanted.status)
    if after is not None:
        query = query.where(finding.id < after)
    rows = connection.execute(query.order_by(finding.id.desc()).limit(limit)).all()
    return [read_finding(row, _find_finding_examples(connection, row.id)) for row in rows]


def _find_finding_examples(connection: Connection, finding_id: int) -> tuple[Example, ...]:
    example = PERFORMANCE_EXAMPLES.c
    rows = connection.execute(
        select(PERFORMANCE_EXAMPLES)
        .where(example.owner == "finding", example.owner_id == finding_id)
        .order_by(example.hour.desc(), example.duration_us.desc())
        .limit(_EXAMPLES_PER_FINDING)
    )
    return tuple(read_example(row) for row in rows)


def _find_facets(connection: Connection) -> dict[str, Sequence[str]]:
    endpoint = PERFORMANCE_ENDPOINTS.c
    return {
        name: list(
            connection.scalars(select(column).distinct().order_by(column).limit(_FACETS_MAX))
        )
        for name, column in (("environments", endpoint.environment), ("ops", endpoint.op))
    }


def _sums_of(each: Any) -> Sequence[ColumnElement[Any]]:
    """Return what `_add` takes of a group of rows."""
    sums = [func.sum(column) for column in (each.seen, each.count, each.failed, each.total)]
    return [*sums, join_sketches(each.sketch)]


def _add(figures: Figures, sums: Sequence[Any]) -> None:
    seen, count, failed, total, sketches = sums
    figures.seen += seen
    figures.count += count
    figures.failed += failed
    figures.total += total
    figures.sketches.append(read_sketches(sketches))
