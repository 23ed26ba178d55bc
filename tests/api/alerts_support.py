"""The routes of alerts over a database."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from fastapi import APIRouter

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api.alerts import AlertSources, build_router
from resumatch_monitor.api.alerts_render import Standings
from resumatch_monitor.dispatch.handling.handlings import Handlings
from resumatch_monitor.dispatch.muting.mute import Mute
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handled import SqlHandledAlerts
from resumatch_monitor.storage.sql.handling import SqlHandlings
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from resumatch_monitor.storage.sql.quality import SqlQuality
from resumatch_monitor.storage.sql.silences import SqlSilences
from tests.dispatch.builders import make_alert
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import make_guard

EXPR = "up == 0"


def build_standings(
    *,
    handlings: Handlings,
    clock: FakeClock,
    pending: Sequence[Alert] = (),
    firing: Iterable[Alert] = (),
    mute_of: Callable[[Alert, datetime], Mute | None] = lambda _alert, _now: None,
    mutes: Sequence[Mute] = (),
) -> Standings:
    """Return where alerts stand; all go to `default`."""
    return Standings(
        firing=firing,
        find_handling=handlings.find,
        pending=lambda: pending,
        mute_of=mute_of,
        mutes_of=lambda _alert, _now: mutes,
        receivers=lambda _labels: ["default"],
        clock=clock,
    )


def build_alerts_router(
    database: Database,
    *,
    pending: Sequence[Alert] = (),
    clock: FakeClock | None = None,
    firing: Iterable[Alert] = (),
    handlings: Handlings | None = None,
    mute_of: Callable[[Alert, datetime], Mute | None] = lambda _alert, _now: None,
    mutes: Sequence[Mute] = (),
    standings: Standings | None = None,
    expr: str = EXPR,
) -> APIRouter:
    """Return the routes; the alert that `make_alert` makes has the expression `expr`."""
    clock = clock or FakeClock()
    handlings = handlings or Handlings(store=SqlHandlings(database), clock=clock)
    fingerprint = make_alert().fingerprint
    return build_router(
        sources=AlertSources(
            reader=SqlHandledAlerts(database),
            standings=standings
            or build_standings(
                firing=firing,
                handlings=handlings,
                pending=pending,
                mute_of=mute_of,
                mutes=mutes,
                clock=clock,
            ),
            handlings=handlings,
            quality=SqlQuality(database),
            deliveries=SqlOutbox(database),
            silences=SqlSilences(database),
            expression=lambda asked: expr if asked == fingerprint else None,
            has_channel=lambda: False,
            ids=SequentialIds(),
        ),
        guard=make_guard(),
    )
