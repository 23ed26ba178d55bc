"""Pipelines: what is done with log records before they are stored."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson

from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.errortracking.user_agents import UserAgents
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.logs.pipeline.counters import LogCounters
from resumatch_monitor.logs.pipeline.orders import EventRefusedError, Orders
from resumatch_monitor.logs.pipeline.parsing import Surroundings
from resumatch_monitor.logs.pipeline.running import PipelineProcessor, build_pipelines
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.scrubbing import RecordScrubber
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.sentry.intake import Intake
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.refusals import IntakeError
from resumatch_monitor.sentry.screening import Sender


class PipelineParts:
    """The pipelines of the configuration, and what carries out what they order."""

    def __init__(
        self,
        base: Base,
        *,
        scrubber: RecordScrubber,
        metadata: MetadataStore,
        find_intake: Callable[[], Intake],
    ) -> None:
        """Build the parts.

        Args:
            base: What everything is built on.
            scrubber: Takes out of labels, and of what is tried, what must not be stored.
            metadata: Gets what is counted.
            find_intake: Returns the door of events, once there is one.
        """
        config = base.config.logs
        # Of trials, which run beside the digest.
        self.surroundings = _surround(config.retention)
        self.scrubber = scrubber
        self._counters = LogCounters(
            sink=base.stores.samples, metadata=metadata, clean=self._clean, clock=base.clock
        )
        self.orders = Orders(
            counters=self._counters,
            events=_IntakeEvents(base.projects, find_intake),
            telemetry=base.telemetry,
        )
        pipelines = build_pipelines(config.pipelines, _surround(config.retention))
        self.processor = PipelineProcessor(pipelines, on_orders=self.orders.add)

    def loops(self) -> Loops:
        """Return what runs."""
        return {"logs: counters": self._counters.run}

    def _clean(self, labels: Mapping[str, str]) -> Mapping[str, str]:
        record = LogRecord(timestamp_us=0, observed_us=0, attributes=dict(labels))
        cleaned = self.scrubber.clean(record).attributes
        return {name: str(value) for name, value in cleaned.items()}


def _surround(oldest: timedelta) -> Surroundings:
    agents = UserAgents()

    def read_user_agent(text: str) -> Mapping[str, str]:
        client = agents.read(text)
        named = {
            "user_agent.name": client.browser and client.browser.name,
            "user_agent.version": client.browser and client.browser.version,
            "user_agent.os.name": client.os and client.os.name,
            "user_agent.os.version": client.os and client.os.version,
            "user_agent.device.name": client.device and client.device.family,
        }
        return {name: value for name, value in named.items() if value}

    return Surroundings(oldest=oldest, read_user_agent=read_user_agent)


class _IntakeEvents:
    """Implements `logs.pipeline.orders.EventSink` with the door of SDKs' events."""

    def __init__(self, projects: Projects, find_intake: Callable[[], Intake]) -> None:
        self._projects = projects
        self._find_intake = find_intake

    async def put(self, project: str, event: Mapping[str, Any]) -> None:
        found = next((each for each in self._projects.all() if each.slug == project), None)
        if found is None:
            raise EventRefusedError("there is no such project")
        try:
            await self._find_intake().take_event(Sender(project=found), orjson.dumps(event))
        except IntakeError as error:
            raise EventRefusedError(error.reason) from error
        except SpoolFullError as error:
            raise EventRefusedError(error.reason.value) from error
