"""Outages and slowness as alerts, told to dispatch at least once and with the same identity."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert, AlertSink, AlertSource
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.probes.config import BaseProbeConfig, ProbeConfig
from resumatch_monitor.probes.identity import make_probe_id
from resumatch_monitor.probes.outage import EpisodeKind
from resumatch_monitor.probes.store import AlertBacklog, Episode

logger = logging.getLogger(__name__)

_BATCH = 100
_RETRY_SECONDS = 10.0
_ALERT_NAMES = {EpisodeKind.DOWN: "ProbeDown", EpisodeKind.SLOW: "ProbeSlow"}


def build_alert_labels(config: BaseProbeConfig) -> dict[EpisodeKind, dict[str, str]]:
    """Return what a probe's alerts are labelled with; slowness is never more than a warning."""
    slow_severity = "info" if config.severity == "info" else "warning"
    severities = {EpisodeKind.DOWN: config.severity, EpisodeKind.SLOW: slow_severity}
    return {
        kind: {
            **config.labels,
            ALERT_NAME: _ALERT_NAMES[kind],
            "probe": config.name,
            SEVERITY: severity,
        }
        for kind, severity in severities.items()
    }


def build_alert(episode: Episode, config: BaseProbeConfig | None) -> Alert:
    """Return the alert of an episode, resolved if it has ended."""
    labels = Labels.of(episode.alert_labels)
    name = labels.get("probe", episode.probe_id)
    state = "down" if episode.kind is EpisodeKind.DOWN else "slow"
    since = episode.started_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    annotations = {
        "summary": f"{name} is {state}: {episode.cause}",
        "description": f"{name} has been {state} since {since}. First seen: {episode.cause}.",
    }
    if config is not None and config.runbook_url:
        annotations["runbook_url"] = config.runbook_url
    return Alert(
        labels=labels,
        annotations=annotations,
        starts_at=episode.started_at,
        ends_at=episode.ended_at,
        source=AlertSource.PROBE,
        generator_path=f"/probes/{episode.probe_id}",
    )


class EpisodeTeller:
    """Hands what the backlog holds to the alert sink.

    An episode leaves the backlog only after the sink has it, so a crash in between repeats an
    alert, which the sink takes for what it is, and never loses one.
    """

    def __init__(
        self,
        *,
        backlog: AlertBacklog,
        alerts: AlertSink,
        configs: Sequence[ProbeConfig],
        clock: Clock,
    ) -> None:
        self._backlog = backlog
        self._alerts = alerts
        self._clock = clock
        self._configs: Mapping[str, BaseProbeConfig] = {
            make_probe_id(config.name): config for config in configs
        }
        self._something_new = asyncio.Event()

    def wake(self) -> None:
        """Say that the backlog may have grown."""
        self._something_new.set()

    async def run(self) -> None:
        """Tell what is there, then wait for more, for ever."""
        while True:
            self._something_new.clear()
            try:
                await self.tell_all()
            except Exception:
                logger.exception("An outage could not be handed to dispatch; it is tried again")
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                await self._something_new.wait()

    async def tell_all(self) -> None:
        """Tell everything that the backlog holds."""
        while episodes := await self._backlog.find_untold(_BATCH):
            for episode in episodes:
                await self._tell(episode)

    async def _tell(self, episode: Episode) -> None:
        alert = build_alert(episode, self._configs.get(episode.probe_id))
        if episode.ended_at is not None and not episode.is_told:
            await self._alerts.put([_as_firing(alert)])
        await self._alerts.put([alert])
        await self._backlog.mark_told(episode)


def _as_firing(alert: Alert) -> Alert:
    return replace(alert, ends_at=None)
