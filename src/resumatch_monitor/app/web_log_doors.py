"""The doors of logs at the HTTP edge, by the protocols of those who send."""

from fastapi import APIRouter

from resumatch_monitor.api import elastic, elastic_cluster, logs_push, loki
from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.app.monitor import Monitor

_DRAIN_MAX_BYTES = 8 * 1024 * 1024
"""Whose body it is, is known only once it was read."""


def build_log_doors(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    """Return what takes records in; OTLP's is among those of its other signals."""
    receiver, max_bytes = monitor.logs.receiver, monitor.config.logs.body_max_bytes
    bodies = BodyReader(max_bytes=max_bytes)
    return [
        elastic.build_router(receiver=receiver, bodies=bodies, guard=guard),
        elastic_cluster.build_router(guard=guard, clock=monitor.clock),
        loki.build_router(
            receiver=receiver,
            bodies=bodies,
            packed_bodies=BodyReader(max_bytes=max_bytes, only_coding="snappy"),
            guard=guard,
        ),
        logs_push.build_router(receiver=receiver, bodies=bodies, guard=guard),
        logs_push.build_drains(
            receiver=receiver,
            drains=monitor.logs.drains,
            bodies=BodyReader(
                max_bytes=min(_DRAIN_MAX_BYTES, max_bytes), inflight_max_bytes=4 * _DRAIN_MAX_BYTES
            ),
        ),
    ]
