"""Silences and Alertmanager's API over a monitor's parts."""

from fastapi import APIRouter

from resumatch_monitor.api import alertmanager, silences
from resumatch_monitor.api.alertmanager_reading import AlertmanagerSources
from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.dispatch.policy.alertmanager_yaml import render_alertmanager_config
from resumatch_monitor.dispatch.policy.config import DEFAULT_RECEIVER
from resumatch_monitor.notify.wording import Links

_BODY_MAX_BYTES = 16 * 1024 * 1024


def build_alertmanager(monitor: Monitor, guard: Guard) -> APIRouter:
    """Return the routes of Alertmanager."""
    alerting = monitor.config.alerting
    names = [each.name for each in alerting.receivers]
    return alertmanager.build_router(
        sources=AlertmanagerSources(
            firing=monitor.alerting.firing,
            silences=monitor.alerting.silences,
            pushed=monitor.alerting.pushed,
            route=monitor.alerting.route,
            receivers=names if DEFAULT_RECEIVER in names else [DEFAULT_RECEIVER, *names],
            mute_of=monitor.alerting.dispatcher.mute_of,
            inhibitors_of=monitor.alerting.inhibition.inhibitors_of,
            config=lambda: render_alertmanager_config(alerting),
            to_url=Links(monitor.external_url).to,
            resolve_timeout=alerting.resolve_timeout,
            started_at=monitor.started_at,
        ),
        bodies=BodyReader(max_bytes=_BODY_MAX_BYTES),
        guard=guard,
        clock=monitor.clock,
    )


def build_silences(monitor: Monitor, guard: Guard) -> APIRouter:
    """Return the routes of silences."""
    return silences.build_router(
        silences=monitor.alerting.silences,
        firing=monitor.alerting.firing,
        receivers=monitor.alerting.dispatcher.receivers_of,
        clock=monitor.clock,
        guard=guard,
    )
