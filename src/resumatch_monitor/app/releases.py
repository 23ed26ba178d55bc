"""New releases as change events in PagerDuty, beside the incidents that they may have caused."""

from collections.abc import Awaitable, Callable, Sequence

from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.errortracking.releases import NewRelease, ReleaseTeller
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.notify.notification import Notice
from resumatch_monitor.notify.notifier import Integration
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.releases import SqlReleaseLog

_CHANNEL = "pagerduty"
"""The one that shows changes without waking anybody."""


def build_release_loops(
    *,
    database: Database,
    dispatcher: Dispatcher,
    integrations: Sequence[Integration],
    clock: Clock,
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return the loop that tells of releases; none where nobody would hear of them."""
    receivers = dict.fromkeys(each.id.receiver for each in integrations if each.id.kind == _CHANNEL)
    if not receivers:
        return {}

    async def tell(release: NewRelease) -> None:
        await dispatcher.announce(_describe(release), list(receivers), channels=[_CHANNEL])

    teller = ReleaseTeller(log=SqlReleaseLog(database), tell=tell, clock=clock)
    return {"errors: releases": teller.run}


def _describe(release: NewRelease) -> Notice:
    return Notice(
        title=f"Release {release.version} of {release.project_slug}",
        text="Its first event has come.",
        path=f"/issues?project={release.project_id}",
    )
