"""Doors of logs that are not HTTP: files that are followed, and syslog."""

from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.logs.files.following import Follower
from resumatch_monitor.logs.files.patterns import FilePattern
from resumatch_monitor.logs.files.positions import PositionFile
from resumatch_monitor.logs.files.tailer import Tailer
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.receiver import LogReceiver
from resumatch_monitor.logs.syslog.listener import SyslogListener
from resumatch_monitor.sentry.projects import Projects


class LogListeners:
    """What the configuration names."""

    def __init__(self, base: Base, *, receiver: LogReceiver, metrics: LogMetrics) -> None:
        config = base.config.logs
        self._loops: Loops = {}
        if config.files:
            follower = Follower(
                [FilePattern(each) for each in config.files],
                PositionFile(base.folder / "log-files" / "positions.json"),
                new_life=lambda: base.ids.uuid()[:16],
            )
            tailer = Tailer(follower=follower, receiver=receiver, clock=base.clock)
            self._loops = {**self._loops, "logs: files": tailer.run}

        for syslog in config.syslog:
            listener = SyslogListener(
                syslog,
                receiver=receiver,
                metrics=metrics,
                clock=base.clock,
                find_project=_ProjectNumbers(base.projects).find,
            )
            self._loops = {**self._loops, f"logs: syslog on {syslog.listen}": listener.run}

    def loops(self) -> Loops:
        """Return what runs."""
        return self._loops


class _ProjectNumbers:
    """Finds projects by the slugs that the configuration names."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    def find(self, slug: str) -> int | None:
        return next((each.id for each in self._projects.all() if each.slug == slug), None)
