"""Counts segments: each once, in one transaction."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from resumatch_monitor.kit.clock import from_milliseconds
from resumatch_monitor.storage.sql.performance_findings import write_finding
from resumatch_monitor.storage.sql.performance_issues import FindingIssues, FindingSight
from resumatch_monitor.storage.sql.performance_known import Known
from resumatch_monitor.storage.sql.performance_owners import OwnerBook
from resumatch_monitor.storage.sql.tables.performance import (
    PERFORMANCE_CALLS,
    PERFORMANCE_COUNTED,
    PERFORMANCE_EXAMPLES,
    PERFORMANCE_FIGURES,
)
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.model import DURATION, PART_PREFIX, Call, Facts
from resumatch_monitor.tracing.performance.sketch import SketchBuilder, merge_packed
from resumatch_monitor.tracing.performance.store import (
    CALLS_FINE_SECONDS,
    COARSE_SECONDS,
    FINE_SECONDS,
)

# What comes again after a crash was in the last batch; its marks may fail for some batches.
_COUNTED_REMEMBERED = 10_000
_KEYS_PER_QUERY = 400
_SUMS = ("count", "failed", "total")
_HOUR_MS = COARSE_SECONDS * 1_000
_MERGE = "merge_sketches"


@dataclass(slots=True)
class _Sum:
    seen: int = 0
    count: float = 0.0
    failed: float = 0.0
    total: float = 0.0
    sketch: SketchBuilder = field(default_factory=SketchBuilder)


_Key = tuple[Any, ...]
_Example = dict[str, Any]


class FactsWriter:
    """Writes one batch in the caller's transaction."""

    def __init__(
        self,
        connection: Connection,
        config: PerformanceConfig,
        known: Known,
        slug_of: Callable[[int], str],
    ) -> None:
        """Begin a batch.

        Args:
            connection: The caller's.
            config: How much is told apart.
            known: What earlier batches found out; wrong if one of them was rolled back.
            slug_of: Knows the slugs of projects.
        """
        self._connection = connection
        self._known = known
        self._owners = OwnerBook(connection, config, known)
        self._issues = FindingIssues(connection, slug_of)
        self._figures: dict[_Key, _Sum] = defaultdict(_Sum)
        self._calls: dict[_Key, _Sum] = defaultdict(_Sum)
        self._examples: list[_Example] = []
        self._surplus: dict[tuple[str, int, datetime], int] = {}

    def write(self, facts: Sequence[Facts]) -> Sequence[Facts]:
        """Count what was not counted before; return that."""
        fresh = self._keep_new(facts)
        for each in fresh:
            self._gather(each)
        _write_sums(self._connection, PERFORMANCE_FIGURES, self._figures)
        _write_sums(self._connection, PERFORMANCE_CALLS, self._calls)
        self._write_examples()
        self._issues.save()
        return fresh

    def _keep_new(self, facts: Sequence[Facts]) -> list[Facts]:
        by_key = {each.key: each for each in facts}
        keys = list(by_key)
        table = PERFORMANCE_COUNTED
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            chunk = keys[start : start + _KEYS_PER_QUERY]
            for key in self._connection.scalars(select(table.c.key).where(table.c.key.in_(chunk))):
                del by_key[key]
        if by_key:
            self._connection.execute(insert(table), [{"key": key} for key in by_key])
            newest = self._connection.scalar(select(func.max(table.c.id))) or 0
            self._connection.execute(
                delete(table).where(table.c.id <= newest - _COUNTED_REMEMBERED)
            )
        return list(by_key.values())

    def _gather(self, facts: Facts) -> None:
        at = from_milliseconds(facts.started_ms)
        endpoint_id = self._owners.find_endpoint(facts, at)
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
                self._issues.note(FindingSight(finding_id, at, facts.release))
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
        statement_id = self._owners.find_statement(call, facts.project_id, at)
        self._add(
            self._calls,
            (statement_id, endpoint_id),
            facts,
            call.duration_us,
            is_failed=call.is_error,
            fine_seconds=CALLS_FINE_SECONDS,
        )
        self._add_example(
            "statement",
            statement_id,
            facts,
            call.span_id,
            call.duration_us,
            is_failed=call.is_error,
        )

    def _add_example(
        self,
        owner: str,
        owner_id: int,
        facts: Facts,
        span_id: str,
        duration_us: int,
        *,
        is_failed: bool | None = None,
    ) -> None:
        hour = from_milliseconds(facts.started_ms - facts.started_ms % _HOUR_MS)
        place = (owner, owner_id, hour)
        slowest = self._known.slowest(self._connection, place)
        if not slowest.takes(duration_us):
            return
        if (least := slowest.add(duration_us)) is not None:
            self._surplus[place] = least
        self._examples.append(
            {
                "owner": owner,
                "owner_id": owner_id,
                "hour": hour,
                "duration_us": duration_us,
                "trace_id": bytes.fromhex(facts.trace_id),
                "span_id": bytes.fromhex(span_id),
                "at": from_milliseconds(facts.started_ms),
                "name": facts.raw_name,
                "is_failed": facts.is_failed if is_failed is None else is_failed,
            }
        )

    def _write_examples(self) -> None:
        """Keep the slowest of what was there and what came."""
        table = PERFORMANCE_EXAMPLES
        kept = [
            row
            for row in self._examples
            if row["duration_us"]
            >= self._surplus.get((row["owner"], row["owner_id"], row["hour"]), 0)
        ]
        if kept:
            self._connection.execute(insert(table).on_conflict_do_nothing(), kept)
        for (owner, owner_id, hour), least in self._surplus.items():
            self._connection.execute(
                delete(table).where(
                    table.c.owner == owner,
                    table.c.owner_id == owner_id,
                    table.c.hour == hour,
                    table.c.duration_us < least,
                )
            )


def _keys(owner: _Key, started_ms: int, fine_seconds: int) -> list[_Key]:
    return [
        (step, *owner, from_milliseconds(started_ms - started_ms % (step * 1_000)))
        for step in (fine_seconds, COARSE_SECONDS)
    ]


def _write_sums(connection: Connection, table: Table, sums: dict[_Key, _Sum]) -> None:
    """Add sums to what is there, in one statement: SQLite asks us to merge sketches."""
    if not sums:
        return
    _teach_merging(connection)
    names = [column.name for column in table.primary_key.columns]
    has_seen = "seen" in table.c
    rows: list[dict[str, Any]] = []
    for key, each in sums.items():
        row = dict(zip(names, key, strict=True))
        row.update(
            count=each.count, failed=each.failed, total=each.total, sketch=each.sketch.pack()
        )
        if has_seen:
            row["seen"] = each.seen
        rows.append(row)
    statement = insert(table)
    added = (*_SUMS, "seen") if has_seen else _SUMS
    changes: dict[str, Any] = {name: table.c[name] + statement.excluded[name] for name in added}
    changes["sketch"] = getattr(func, _MERGE)(table.c.sketch, statement.excluded.sketch)
    connection.execute(statement.on_conflict_do_update(index_elements=names, set_=changes), rows)


def _teach_merging(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    driver.create_function(_MERGE, 2, merge_packed, deterministic=True)
