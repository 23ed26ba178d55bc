"""Counts segments: each once, in one transaction."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from resumatch_monitor.kit.clock import from_milliseconds
from resumatch_monitor.storage.sql.performance_findings import write_finding
from resumatch_monitor.storage.sql.tables.performance import (
    PERFORMANCE_CALLS,
    PERFORMANCE_COUNTED,
    PERFORMANCE_ENDPOINTS,
    PERFORMANCE_EXAMPLES,
    PERFORMANCE_FIGURES,
    PERFORMANCE_STATEMENTS,
)
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.model import (
    DURATION,
    OTHER,
    PART_PREFIX,
    Call,
    Facts,
)
from resumatch_monitor.tracing.performance.sketch import SketchBuilder
from resumatch_monitor.tracing.performance.store import (
    CALLS_FINE_SECONDS,
    COARSE_SECONDS,
    FINE_SECONDS,
)

# What comes again after a crash was in the last batch; its marks may fail for some batches.
_COUNTED_REMEMBERED = 10_000
_EXAMPLES_PER_HOUR = 5
_SUMS = ("count", "failed", "total")


@dataclass(slots=True)
class _Sum:
    seen: int = 0
    count: float = 0.0
    failed: float = 0.0
    total: float = 0.0
    sketch: SketchBuilder = field(default_factory=SketchBuilder)


_Key = tuple[Any, ...]


class FactsWriter:
    """Writes one batch in the caller's transaction."""

    def __init__(self, connection: Connection, config: PerformanceConfig) -> None:
        self._connection = connection
        self._config = config
        self._endpoints: dict[tuple[int, str, str, str], int] = {}
        self._statements: dict[tuple[int, str, bytes], int] = {}
        self._figures: dict[_Key, _Sum] = defaultdict(_Sum)
        self._calls: dict[_Key, _Sum] = defaultdict(_Sum)
        self._examples: dict[tuple[str, int, datetime], list[dict[str, Any]]] = {}

    def write(self, facts: Sequence[Facts]) -> Sequence[Facts]:
        """Count what was not counted before; return that."""
        fresh = self._keep_new(facts)
        for each in fresh:
            self._gather(each)
        _write_sums(self._connection, PERFORMANCE_FIGURES, self._figures)
        _write_sums(self._connection, PERFORMANCE_CALLS, self._calls)
        for key, rows in self._examples.items():
            _write_examples(self._connection, key, rows)
        return fresh

    def _keep_new(self, facts: Sequence[Facts]) -> list[Facts]:
        fresh: list[Facts] = []
        for each in facts:
            added = self._connection.execute(
                insert(PERFORMANCE_COUNTED).values(key=each.key).on_conflict_do_nothing()
            ).rowcount
            if added:
                fresh.append(each)
        newest = self._connection.scalar(select(func.max(PERFORMANCE_COUNTED.c.id)))
        if newest is not None and fresh:
            self._connection.execute(
                delete(PERFORMANCE_COUNTED).where(
                    PERFORMANCE_COUNTED.c.id <= newest - _COUNTED_REMEMBERED
                )
            )
        return fresh

    def _gather(self, facts: Facts) -> None:
        at = from_milliseconds(facts.started_ms)
        endpoint_id = self._find_endpoint(facts, at)
        if facts.is_counted:
            self._add(
                self._figures,
                (endpoint_id, DURATION),
                facts,
                facts.duration_us,
                is_failed=facts.is_failed,
            )
            self._add_example("endpoint", endpoint_id, facts, facts.span_id, facts.duration_us)
        for vital, value in facts.vitals.items():
            self._add(self._figures, (endpoint_id, vital), facts, value)
        for part, (count, self_us) in facts.parts.items():
            for key in _keys((endpoint_id, PART_PREFIX + part), facts.started_ms, FINE_SECONDS):
                found = self._figures[key]
                found.seen += count
                found.count += count * facts.weight
                found.total += self_us * facts.weight
        for call in facts.calls:
            self._gather_call(call, facts, endpoint_id, at)
        for finding in facts.findings:
            finding_id = write_finding(self._connection, facts, finding, endpoint_id, at)
            if finding_id is not None:
                self._add_example(
                    "finding", finding_id, facts, finding.span_id, finding.duration_us
                )

    def _add(
        self,
        sums: dict[_Key, _Sum],
        owner: _Key,
        facts: Facts,
        value: float,
        *,
        is_failed: bool = False,
        fine_seconds: int = FINE_SECONDS,
    ) -> None:
        for key in _keys(owner, facts.started_ms, fine_seconds):
            found = sums[key]
            found.seen += 1
            found.count += facts.weight
            found.failed += facts.weight * is_failed
            found.total += value * facts.weight
            found.sketch.add(value, facts.weight)

    def _gather_call(self, call: Call, facts: Facts, endpoint_id: int, at: datetime) -> None:
        statement_id = self._find_statement(call, facts.project_id, at)
        self._add(
            self._calls,
            (statement_id, endpoint_id),
            facts,
            call.duration_us,
            is_failed=call.is_error,
            fine_seconds=CALLS_FINE_SECONDS,
        )
        self._add_example("statement", statement_id, facts, call.span_id, call.duration_us)

    def _add_example(
        self, owner: str, owner_id: int, facts: Facts, span_id: str, duration_us: int
    ) -> None:
        at = from_milliseconds(facts.started_ms)
        hour = at.replace(minute=0, second=0, microsecond=0)
        rows = self._examples.setdefault((owner, owner_id, hour), [])
        rows.append(
            {
                "owner": owner,
                "owner_id": owner_id,
                "hour": hour,
                "duration_us": duration_us,
                "trace_id": bytes.fromhex(facts.trace_id),
                "span_id": bytes.fromhex(span_id),
                "at": at,
                "name": facts.raw_name,
                "is_failed": facts.is_failed,
            }
        )
        if len(rows) > 4 * _EXAMPLES_PER_HOUR:
            rows.sort(key=lambda row: -row["duration_us"])
            del rows[_EXAMPLES_PER_HOUR:]

    def _find_endpoint(self, facts: Facts, at: datetime) -> int:
        key = (facts.project_id, facts.environment, facts.name, facts.op)
        known = self._endpoints.get(key)
        if known is None:
            known = self._endpoints[key] = self._find_or_make_endpoint(key, at)
        return known

    def _find_or_make_endpoint(self, key: tuple[int, str, str, str], at: datetime) -> int:
        table = PERFORMANCE_ENDPOINTS
        project_id, environment, name, op = key
        values = {"project_id": project_id, "environment": environment, "name": name, "op": op}
        if name != OTHER:
            found = _touch(self._connection, table, values, at)
            if found is not None:
                return found
            count = self._connection.scalar(
                select(func.count()).select_from(table).where(table.c.project_id == project_id)
            )
            if (count or 0) >= self._config.endpoints_per_project:
                return self._find_or_make_endpoint((project_id, environment, OTHER, ""), at)
        else:
            found = _touch(self._connection, table, values, at)
            if found is not None:
                return found
        return _insert(self._connection, table, {**values, "seen_at": at})

    def _find_statement(self, call: Call, project_id: int, at: datetime) -> int:
        key = (project_id, call.kind.value, call.digest)
        known = self._statements.get(key)
        if known is None:
            known = self._statements[key] = self._find_or_make_statement(call, project_id, at)
        return known

    def _find_or_make_statement(self, call: Call, project_id: int, at: datetime) -> int:
        table = PERFORMANCE_STATEMENTS
        values: dict[str, Any] = {
            "project_id": project_id,
            "kind": call.kind.value,
            "digest": call.digest,
        }
        found = _touch(self._connection, table, values, at)
        if found is not None:
            return found
        said: dict[str, Any] = {
            "text": call.text,
            "operation": call.operation,
            "system": call.system,
            "tables": list(call.tables),
        }
        count = self._connection.scalar(
            select(func.count())
            .select_from(table)
            .where(table.c.project_id == project_id, table.c.kind == call.kind.value)
        )
        if (count or 0) >= self._config.statements_per_project:
            values["digest"] = bytes(16)
            found = _touch(self._connection, table, values, at)
            if found is not None:
                return found
            said = {"text": OTHER, "operation": "", "system": "", "tables": []}
        return _insert(self._connection, table, {**values, **said, "seen_at": at})


def _keys(owner: _Key, started_ms: int, fine_seconds: int) -> list[_Key]:
    return [
        (step, *owner, from_milliseconds(started_ms - started_ms % (step * 1_000)))
        for step in (fine_seconds, COARSE_SECONDS)
    ]


def _touch(
    connection: Connection, table: Table, values: dict[str, Any], at: datetime
) -> int | None:
    """Return the row's id and note that it was seen; None if there is none."""
    where = [table.c[name] == value for name, value in values.items()]
    row = connection.execute(select(table.c.id, table.c.seen_at).where(*where)).one_or_none()
    if row is None:
        return None
    if at - row.seen_at > timedelta(hours=1):
        connection.execute(table.update().where(table.c.id == row.id).values(seen_at=at))
    return row.id


def _insert(connection: Connection, table: Table, values: dict[str, Any]) -> int:
    return connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()


def _write_sums(connection: Connection, table: Table, sums: dict[_Key, _Sum]) -> None:
    names = [column.name for column in table.primary_key.columns]
    has_seen = "seen" in table.c
    known = select(table.c.sketch).where(*(table.c[name] == bindparam(name) for name in names))
    rows: list[dict[str, Any]] = []
    for key, each in sums.items():
        place = dict(zip(names, key, strict=True))
        sketch = connection.scalar(known, place) or b""
        row = {
            **place,
            "count": each.count,
            "failed": each.failed,
            "total": each.total,
            "sketch": each.sketch.pack(sketch) if each.sketch.bins else sketch,
        }
        rows.append({**row, "seen": each.seen} if has_seen else row)
    if not rows:
        return
    statement = insert(table)
    added = (*_SUMS, "seen") if has_seen else _SUMS
    changes: dict[str, Any] = {name: table.c[name] + statement.excluded[name] for name in added}
    changes["sketch"] = statement.excluded.sketch
    connection.execute(statement.on_conflict_do_update(index_elements=names, set_=changes), rows)


def _write_examples(
    connection: Connection, key: tuple[str, int, datetime], rows: list[dict[str, Any]]
) -> None:
    """Keep the slowest of what is there and what came."""
    table = PERFORMANCE_EXAMPLES
    owner, owner_id, hour = key
    where = (table.c.owner == owner, table.c.owner_id == owner_id, table.c.hour == hour)
    durations = list(
        connection.scalars(
            select(table.c.duration_us).where(*where).order_by(table.c.duration_us.desc())
        )
    )
    least = durations[_EXAMPLES_PER_HOUR - 1] if len(durations) >= _EXAMPLES_PER_HOUR else -1
    rows = sorted(rows, key=lambda row: -row["duration_us"])[:_EXAMPLES_PER_HOUR]
    rows = [row for row in rows if row["duration_us"] > least]
    if not rows:
        return
    connection.execute(insert(table).on_conflict_do_nothing(), rows)
    kept = sorted([*durations, *(row["duration_us"] for row in rows)], reverse=True)
    if len(kept) > _EXAMPLES_PER_HOUR:
        connection.execute(
            delete(table).where(*where, table.c.duration_us < kept[_EXAMPLES_PER_HOUR - 1])
        )
