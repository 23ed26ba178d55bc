"""Rows of the probes' tables as what they mean."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.probes.outage import Condition, ProbeState, ProbeStatus
from resumatch_monitor.probes.uptime import StoredResult


def decode_result(row: Row[Any]) -> StoredResult:
    """Read a result of a run."""
    return StoredResult(
        at=row.at,
        status=ProbeStatus(row.status),
        duration_seconds=row.duration_seconds,
        message=row.message,
        status_code=row.status_code,
    )


def encode_state(state: ProbeState) -> dict[str, Any]:
    """Return the state of a probe as it is stored."""
    return {
        "status": state.status,
        "status_since": _encode_moment(state.status_since),
        "last_at": _encode_moment(state.last_at),
        "failing": _encode_condition(state.failing),
        "slow": _encode_condition(state.slow),
    }


def decode_state(data: Any) -> ProbeState:
    """Read what `encode_state` made."""
    return ProbeState(
        status=ProbeStatus(data["status"]),
        status_since=_decode_moment(data["status_since"]),
        last_at=_decode_moment(data["last_at"]),
        failing=_decode_condition(data["failing"]),
        slow=_decode_condition(data["slow"]),
    )


def _encode_condition(condition: Condition) -> dict[str, Any]:
    return {
        "since": _encode_moment(condition.since),
        "opened_at": _encode_moment(condition.opened_at),
        "recovering_since": _encode_moment(condition.recovering_since),
        "cause": condition.cause,
    }


def _decode_condition(data: Any) -> Condition:
    return Condition(
        since=_decode_moment(data["since"]),
        opened_at=_decode_moment(data["opened_at"]),
        recovering_since=_decode_moment(data["recovering_since"]),
        cause=data["cause"],
    )


def _encode_moment(moment: datetime | None) -> int | None:
    return None if moment is None else to_milliseconds(moment)


def _decode_moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
