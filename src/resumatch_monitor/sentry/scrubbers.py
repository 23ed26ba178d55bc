"""The scrubber of each project, by its settings at this moment."""

from collections.abc import Iterable

from resumatch_monitor.sentry.part_memory import PartMemory
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.sentry.settings import ScrubSettings


class Scrubbers:
    """Makes scrubbers, and remembers them for as long as nobody changes a project's settings.

    It may be asked on any thread; two that ask at once at worst make the same one twice.
    """

    def __init__(self, projects: Projects, extra_keys: Iterable[str] = ()) -> None:
        self._projects = projects
        self._extra_keys = tuple(extra_keys)
        self._default = ScrubSettings()
        self._memory = PartMemory()
        self._known: dict[int, tuple[ScrubSettings, Scrubber]] = {}

    def of(self, project_id: int) -> Scrubber:
        """Return the scrubber of a project; with the default settings if it is gone."""
        project = self._projects.get(project_id)
        settings = self._default if project is None else project.settings.scrubbing
        known = self._known.get(project_id)
        if known is not None and known[0] is settings:
            return known[1]
        scrubber = Scrubber(
            (*self._extra_keys, *settings.keys),
            safe_keys=settings.safe_keys,
            patterns=settings.patterns,
            addresses=settings.addresses,
            memory=self._memory,
        )
        self._known[project_id] = (settings, scrubber)
        return scrubber
