"""What an event's page says about source maps: original places, and why some are missing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from resumatch_monitor.errortracking.issues import StoredEvent
from resumatch_monitor.errortracking.present import present_event
from resumatch_monitor.sentry.values import as_int, as_text
from resumatch_monitor.sourcemaps.problems import Problem, render_command, render_debug_id
from resumatch_monitor.sourcemaps.resolver import EventReport, FrameReport

_AT_ONCE = 2


class EventExplainer(Protocol):
    """Finds original places of what is stored."""

    def explain(self, project_id: int, raw: dict[str, Any]) -> EventReport:
        """Return an event with what can be found of its frames by now; blocks."""
        ...


@dataclass(frozen=True, slots=True)
class EventPresenter:
    """Renders events with their original places.

    Attributes:
        monitor_url: Where builds reach the monitor.
        slug_of: Returns the slug of a project.
    """

    explainer: EventExplainer
    monitor_url: str
    slug_of: Callable[[int], str]
    # Whoever waits for a slow map must not take the threads that everything shares.
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def present(self, stored: StoredEvent) -> dict[str, Any]:
        """Render EVENT."""
        async with self._turns:
            return await asyncio.to_thread(self._present, stored)

    def _present(self, stored: StoredEvent) -> dict[str, Any]:
        report = self.explainer.explain(stored.project_id, stored.raw)

        def describe(frame: dict[str, Any]) -> dict[str, Any]:
            return {"source_map": _render_frame(report.of(frame))}

        return {
            **present_event(stored.with_raw(report.raw), describe),
            "source_maps": self._render(report, self.slug_of(stored.project_id)),
        }

    def _render(self, report: EventReport, project: str) -> dict[str, Any] | None:
        if not report.frames:
            return None
        return {
            "resolved_count": report.resolved_count,
            "missing_count": len(report.frames) - report.resolved_count,
            "is_grouped_by_source": report.resolved_at_digest,
            "problems": [
                {
                    **_render_problem(problem),
                    "frame_count": count,
                    "searched": list(problem.searched),
                    "command": render_command(
                        problem, monitor_url=self.monitor_url, project=project
                    ),
                }
                for problem, count in report.problems()
            ],
        }


def _render_frame(report: FrameReport | None) -> dict[str, Any] | None:
    if report is None:
        return None
    minified = report.minified
    return {
        "by": report.by,
        "minified": None
        if minified is None
        else {
            "function": as_text(minified.get("function")),
            "filename": as_text(minified.get("filename")),
            "abs_path": as_text(minified.get("abs_path")),
            "line": as_int(minified.get("lineno")),
            "column": as_int(minified.get("colno")),
        },
        "problem": None if report.problem is None else _render_problem(report.problem),
    }


def _render_problem(problem: Problem) -> dict[str, Any]:
    subject = problem.subject
    return {
        "kind": problem.kind.value,
        "message": problem.message,
        "file": subject.file,
        "debug_id": None if subject.debug_id is None else render_debug_id(subject.debug_id),
        "release": subject.release or None,
        "dist": subject.dist or None,
    }
