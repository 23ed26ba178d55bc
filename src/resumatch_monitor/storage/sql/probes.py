"""Probes in the relational store."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.sqlite import insert as insert_or

from resumatch_monitor.kit.clock import from_milliseconds
from resumatch_monitor.probes.outage import (
    EpisodeClosed,
    EpisodeKind,
    EpisodeOpened,
    ProbeState,
    ProbeStatus,
)
from resumatch_monitor.probes.store import ChartPoint, Episode, RunRecord, Snapshot
from resumatch_monitor.probes.uptime import Span
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.probes_rows import decode_result, decode_state, encode_state
from resumatch_monitor.storage.sql.tables.base import Moment
from resumatch_monitor.storage.sql.tables.probes import (
    PROBE_EPISODES,
    PROBE_RESULTS,
    PROBE_STATES,
    PROBE_WATCHES,
)

_PRUNE_CHUNK = 5_000
_MOST_RESULTS_IN_SNAPSHOT = 1_000
_MOST_EPISODES_IN_SNAPSHOT = 2_000


class SqlProbeStore:
    """Implements the probes' journal, alert backlog and history."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_states(self) -> Mapping[str, ProbeState]:
        def load(connection: Connection) -> dict[str, ProbeState]:
            rows = connection.execute(select(PROBE_STATES.c.probe_id, PROBE_STATES.c.state))
            return {row.probe_id: decode_state(row.state) for row in rows}

        return await self._database.read(load)

    async def record(self, record: RunRecord) -> None:
        await self._database.write(lambda connection: _record(connection, record))

    async def close_orphans(self, known_ids: Sequence[str], now: datetime) -> None:
        known = set(known_ids)

        def close(connection: Connection) -> None:
            rows = connection.execute(select(PROBE_STATES.c.probe_id, PROBE_STATES.c.state)).all()
            for row in rows:
                if row.probe_id not in known:
                    last_at = decode_state(row.state).last_at or now
                    _close_all(connection, row.probe_id, last_at)

        await self._database.write(close)

    async def prune(self, *, results_before: datetime, outages_before: datetime) -> int:
        def prune(connection: Connection) -> int:
            at = PROBE_RESULTS.c.at
            oldest = select(at).where(at < results_before).order_by(at)
            cut = connection.scalar(oldest.offset(_PRUNE_CHUNK).limit(1)) or results_before
            count = connection.execute(delete(PROBE_RESULTS).where(at < cut)).rowcount
            count += connection.execute(
                delete(PROBE_WATCHES).where(PROBE_WATCHES.c.ended_at < outages_before)
            ).rowcount
            return (
                count
                + connection.execute(
                    delete(PROBE_EPISODES).where(PROBE_EPISODES.c.ended_at < outages_before)
                ).rowcount
            )

        return await self._database.write(prune)

    async def find_untold(self, limit: int) -> Sequence[Episode]:
        query = (
            select(PROBE_EPISODES)
            .where(
                PROBE_EPISODES.c.is_end_told.is_(False),
                or_(
                    PROBE_EPISODES.c.is_start_told.is_(False),
                    PROBE_EPISODES.c.ended_at.is_not(None),
                ),
            )
            .order_by(PROBE_EPISODES.c.id)
            .limit(limit)
        )
        return await self._database.read(lambda connection: _fetch_episodes(connection, query))

    async def mark_told(self, episode: Episode) -> None:
        statement = (
            update(PROBE_EPISODES)
            .where(PROBE_EPISODES.c.id == episode.id)
            .values(is_start_told=True, is_end_told=episode.ended_at is not None)
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def read_snapshots(
        self, probe_ids: Sequence[str], *, results_since: Mapping[str, datetime], since: datetime
    ) -> Mapping[str, Snapshot]:
        def read(connection: Connection) -> dict[str, Snapshot]:
            query = select(PROBE_STATES.c.probe_id, PROBE_STATES.c.state).where(
                PROBE_STATES.c.probe_id.in_(probe_ids)
            )
            states = {row.probe_id: row.state for row in connection.execute(query)}
            return {
                probe_id: _read_snapshot(
                    connection, probe_id, states[probe_id], results_since[probe_id], since
                )
                for probe_id in probe_ids
                if probe_id in states
            }

        return await self._database.read(read)

    async def find_outages(
        self, probe_id: str, *, before_id: int | None, limit: int
    ) -> Sequence[Episode]:
        query = _outages_of(probe_id).order_by(PROBE_EPISODES.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(PROBE_EPISODES.c.id < before_id)
        return await self._database.read(lambda connection: _fetch_episodes(connection, query))

    async def find_outages_between(
        self, probe_id: str, start: datetime, end: datetime, limit: int
    ) -> Sequence[Episode]:
        query = (
            _outages_of(probe_id)
            .where(
                PROBE_EPISODES.c.started_at <= end,
                or_(PROBE_EPISODES.c.ended_at.is_(None), PROBE_EPISODES.c.ended_at >= start),
            )
            .order_by(PROBE_EPISODES.c.started_at)
            .limit(limit)
        )
        return await self._database.read(lambda connection: _fetch_episodes(connection, query))

    async def read_chart(
        self, probe_id: str, *, from_ms: int, to_ms: int, step_ms: int
    ) -> Sequence[ChartPoint]:
        start, end = from_milliseconds(from_ms), from_milliseconds(to_ms)
        at_ms = type_coerce(PROBE_RESULTS.c.at, BigInteger)
        bucket = ((at_ms - from_ms) // step_ms).label("bucket")
        duration = case(
            (PROBE_RESULTS.c.status != ProbeStatus.DOWN, PROBE_RESULTS.c.duration_seconds)
        )
        query = (
            select(bucket, func.avg(duration).label("duration"))
            .where(
                PROBE_RESULTS.c.probe_id == probe_id,
                PROBE_RESULTS.c.at >= start,
                PROBE_RESULTS.c.at <= end,
            )
            .group_by("bucket")
            .order_by("bucket")
        )

        def read(connection: Connection) -> list[ChartPoint]:
            return [
                ChartPoint(at_ms=from_ms + int(row.bucket) * step_ms, duration_seconds=row.duration)
                for row in connection.execute(query)
            ]

        return await self._database.read(read)

    async def find_recent_outages(self, since: datetime, limit: int) -> Sequence[Episode]:
        changed_at = func.coalesce(PROBE_EPISODES.c.ended_at, PROBE_EPISODES.c.opened_at)
        query = (
            select(PROBE_EPISODES)
            .where(
                PROBE_EPISODES.c.kind == EpisodeKind.DOWN,
                or_(PROBE_EPISODES.c.opened_at >= since, PROBE_EPISODES.c.ended_at >= since),
            )
            .order_by(changed_at.desc())
            .limit(limit)
        )
        return await self._database.read(lambda connection: _fetch_episodes(connection, query))


def _record(connection: Connection, record: RunRecord) -> None:
    probe_id, observation = record.probe_id, record.observation
    result = observation.result
    connection.execute(
        insert_or(PROBE_RESULTS)
        .prefix_with("OR REPLACE")
        .values(
            probe_id=probe_id,
            at=observation.at,
            status=record.verdict,
            duration_seconds=result.duration_seconds,
            message=result.message,
            status_code=result.status_code,
        )
    )
    _extend_watch(connection, record)
    for transition in record.transitions:
        match transition:
            case EpisodeOpened():
                _open_episode(connection, record, transition)
            case EpisodeClosed():
                _close_episode(connection, probe_id, transition.kind, transition.ended_at)
    connection.execute(
        insert_or(PROBE_STATES)
        .prefix_with("OR REPLACE")
        .values(probe_id=probe_id, status=record.state.status, state=encode_state(record.state))
    )


def _extend_watch(connection: Connection, record: RunRecord) -> None:
    watches = PROBE_WATCHES.c
    observation = record.observation
    last = connection.execute(
        select(watches.id, watches.ended_at)
        .where(watches.probe_id == record.probe_id)
        .order_by(watches.id.desc())
        .limit(1)
    ).first()
    end = max(observation.at, observation.finished_at)
    if last is not None and -record.longest_gap <= observation.at - last.ended_at <= (
        record.longest_gap
    ):
        extend = update(PROBE_WATCHES).where(watches.id == last.id)
        connection.execute(extend.values(ended_at=max(end, last.ended_at)))
    else:
        connection.execute(
            insert(PROBE_WATCHES).values(
                probe_id=record.probe_id, started_at=observation.at, ended_at=end
            )
        )


def _open_episode(connection: Connection, record: RunRecord, opened: EpisodeOpened) -> None:
    connection.execute(
        insert(PROBE_EPISODES).values(
            probe_id=record.probe_id,
            kind=opened.kind,
            started_at=opened.started_at,
            opened_at=opened.opened_at,
            cause=opened.cause,
            alert_labels=dict(record.alert_labels[opened.kind]),
            is_start_told=False,
            is_end_told=False,
        )
    )


def _close_episode(
    connection: Connection, probe_id: str, kind: EpisodeKind, ended_at: datetime
) -> None:
    # A clock that was set back must not end an outage before it began.
    started_at = PROBE_EPISODES.c.started_at
    end = case((started_at > ended_at, started_at), else_=literal(ended_at, Moment()))
    connection.execute(
        update(PROBE_EPISODES)
        .where(
            PROBE_EPISODES.c.probe_id == probe_id,
            PROBE_EPISODES.c.kind == kind,
            PROBE_EPISODES.c.ended_at.is_(None),
        )
        .values(ended_at=end)
    )


def _close_all(connection: Connection, probe_id: str, ended_at: datetime) -> None:
    for kind in EpisodeKind:
        _close_episode(connection, probe_id, kind, ended_at)
    connection.execute(delete(PROBE_STATES).where(PROBE_STATES.c.probe_id == probe_id))


def _read_snapshot(
    connection: Connection,
    probe_id: str,
    state: Any,
    results_since: datetime,
    since: datetime,
) -> Snapshot:
    results = PROBE_RESULTS.c
    newest_first = (
        select(PROBE_RESULTS).where(results.probe_id == probe_id).order_by(results.at.desc())
    )
    recent = connection.execute(
        newest_first.where(results.at >= results_since).limit(_MOST_RESULTS_IN_SNAPSHOT)
    ).all()
    last = recent[0] if recent else connection.execute(newest_first.limit(1)).first()
    watches = connection.execute(
        select(PROBE_WATCHES.c.started_at, PROBE_WATCHES.c.ended_at).where(
            PROBE_WATCHES.c.probe_id == probe_id, PROBE_WATCHES.c.ended_at >= since
        )
    )
    outages = (
        _outages_of(probe_id)
        .where(or_(PROBE_EPISODES.c.ended_at.is_(None), PROBE_EPISODES.c.ended_at >= since))
        .order_by(PROBE_EPISODES.c.id.desc())
        .limit(_MOST_EPISODES_IN_SNAPSHOT)
    )
    return Snapshot(
        state=decode_state(state),
        last_result=decode_result(last) if last is not None else None,
        results=[decode_result(row) for row in reversed(recent)],
        watched=[Span(row.started_at, row.ended_at) for row in watches],
        outages=_fetch_episodes(connection, outages),
    )


def _outages_of(probe_id: str) -> Any:
    return select(PROBE_EPISODES).where(
        and_(PROBE_EPISODES.c.probe_id == probe_id, PROBE_EPISODES.c.kind == EpisodeKind.DOWN)
    )


def _fetch_episodes(connection: Connection, query: Any) -> list[Episode]:
    return [
        Episode(
            id=row.id,
            probe_id=row.probe_id,
            kind=EpisodeKind(row.kind),
            started_at=row.started_at,
            opened_at=row.opened_at,
            ended_at=row.ended_at,
            cause=row.cause,
            alert_labels=row.alert_labels,
            is_told=row.is_start_told,
        )
        for row in connection.execute(query)
    ]
