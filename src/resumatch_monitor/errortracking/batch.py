"""A batch of the spool's records, made ready to be stored; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from resumatch_monitor.errortracking.grouping.project import ProjectGroupings
from resumatch_monitor.errortracking.prepare import prepare
from resumatch_monitor.errortracking.store import DigestedEvent
from resumatch_monitor.errortracking.user_agents import UserAgents
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, decode_record
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrubbers import Scrubbers


@dataclass(slots=True)
class Prepared:
    """What a batch of the spool holds.

    Attributes:
        failures: Records that cannot be read, and why.
    """

    events: list[DigestedEvent] = field(default_factory=list[DigestedEvent])
    items: list[ItemRecord] = field(default_factory=list[ItemRecord])
    failures: list[tuple[bytes, str]] = field(default_factory=list[tuple[bytes, str]])


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """What of the configuration decides how events are prepared."""

    scrub_keys: tuple[str, ...]
    retention: timedelta


class BatchPreparer:
    """Prepares batches; one thread at a time."""

    def __init__(self, settings: PrepareSettings, projects: Projects) -> None:
        self._scrubbers = Scrubbers(projects, settings.scrub_keys)
        self._retention = settings.retention
        self._projects = projects
        self._agents = UserAgents()

    def prepare_all(self, records: Sequence[bytes], groupings: ProjectGroupings) -> Prepared:
        """Return the events and other items in `records`, in order."""
        prepared = Prepared()
        for data in records:
            try:
                record = decode_record(data)
                if record.kind is ItemKind.EVENT:
                    prepared.events.append(
                        prepare(
                            record,
                            scrubber=self._scrubbers.of(record.project_id),
                            projects=self._projects,
                            retention=self._retention,
                            grouping=groupings.of(record.project_id),
                            agents=self._agents,
                        )
                    )
                else:
                    prepared.items.append(record)
            except Exception as error:  # noqa: BLE001 - one bad event must not stop the others
                # The error's text may quote the event, so only its type is kept.
                prepared.failures.append((data, type(error).__name__))
        return prepared
