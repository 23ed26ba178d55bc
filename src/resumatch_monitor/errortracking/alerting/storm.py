"""Many issues that begin at the same time are told as one alert; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from resumatch_monitor.errortracking.store import AlertKind, PendingAlert
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds

_RELEASES_MAX = 20
_LEVELS = {"fatal": 4, "error": 3, "warning": 2, "info": 1}

StormKey = tuple[int, str]
"""Project and severity: what is urgent is never told under what is not."""


@dataclass(frozen=True, slots=True)
class Storm:
    """What began lately in a project, with one severity.

    Attributes:
        recent: When the issues began that may yet become a storm, in milliseconds.
        opened_at: When its first issue began; None while there is no storm.
        worst: Short id, title and rank of the issue that looks worst.
        releases: In how many of its issues each release was seen.
    """

    project_id: int
    project_slug: str
    severity: str
    recent: tuple[int, ...] = ()
    opened_at: datetime | None = None
    last_at: datetime | None = None
    new_count: int = 0
    back_count: int = 0
    worst: tuple[str, str, tuple[int, int, int]] = ("", "", (0, 0, 0))
    releases: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def key(self) -> StormKey:
        """By which it is known."""
        return self.project_id, self.severity

    def is_over(self, now: datetime, window: timedelta) -> bool:
        """Tell whether nothing has begun for a window."""
        return self.last_at is None or now - self.last_at >= window

    def not_after(self, now: datetime) -> "Storm":
        """Return it with what a clock that ran ahead has noted as if it were now.

        Since when a storm is there stays: by that those know it who were told.
        """
        if self.last_at is None or self.last_at <= now:
            return self
        latest = to_milliseconds(now)
        recent = tuple(min(moment, latest) for moment in self.recent)
        return replace(self, last_at=now, recent=recent)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "project": self.project_slug,
            "recent": list(self.recent),
            "opened_at": None if self.opened_at is None else to_milliseconds(self.opened_at),
            "last_at": None if self.last_at is None else to_milliseconds(self.last_at),
            "new": self.new_count,
            "back": self.back_count,
            "worst": [self.worst[0], self.worst[1], list(self.worst[2])],
            "releases": dict(self.releases),
        }

    @classmethod
    def from_json(cls, key: StormKey, value: Mapping[str, Any]) -> "Storm":
        """Read what `to_json` made."""
        opened, last, worst = value["opened_at"], value["last_at"], value["worst"]
        level, users, events = worst[2]
        return cls(
            project_id=key[0],
            project_slug=value["project"],
            severity=key[1],
            recent=tuple(value["recent"]),
            opened_at=None if opened is None else from_milliseconds(opened),
            last_at=None if last is None else from_milliseconds(last),
            new_count=value["new"],
            back_count=value["back"],
            worst=(worst[0], worst[1], (level, users, events)),
            releases=value["releases"],
        )


@dataclass(frozen=True, slots=True)
class StormPlan:
    """How a batch of pending alerts is told.

    Attributes:
        single: Those that are told one by one.
        changed: Storms that issues joined.
        ended: Storms that were over before.
        storms: All that is to be remembered.
    """

    single: list[PendingAlert]
    changed: list[Storm]
    ended: list[Storm]
    storms: list[Storm]


def plan_storms(
    pending: Sequence[PendingAlert],
    known: Mapping[StormKey, Storm],
    *,
    threshold: int,
    window: timedelta,
) -> StormPlan:
    """Decide which issues that begin are told one by one, and which together.

    Args:
        pending: In the order in which they were decided.
        known: What is remembered from before.
        threshold: How many within `window` make a storm.
        window: After so long without another one it is over.
    """
    storms, single, ended = dict(known), dict[int, PendingAlert](), list[Storm]()
    waiting: dict[StormKey, list[int]] = {}
    joined: set[StormKey] = set()
    for each in pending:
        if each.kind.is_counting:
            single[each.id] = each
            continue
        key = (each.issue.project_id, each.severity)
        storm = storms.get(key, Storm(key[0], each.issue.project_slug, each.severity))
        if storm.is_over(each.at, window):
            if storm.opened_at is not None:
                ended.append(storm)
                joined.discard(key)
            storm = Storm(storm.project_id, each.issue.project_slug, storm.severity)
            waiting.pop(key, None)
        storm = _add(storm, each, threshold, window)
        storms[key] = storm
        if storm.opened_at is None:
            single[each.id] = each
            waiting.setdefault(key, []).append(each.id)
        else:
            # What nobody was told of yet goes with the storm.
            for number in waiting.pop(key, []):
                single.pop(number, None)
            joined.add(key)
    changed = [storm for key, storm in storms.items() if key in joined]
    return StormPlan(list(single.values()), changed, ended, list(storms.values()))


def _add(storm: Storm, each: PendingAlert, threshold: int, window: timedelta) -> Storm:
    at = to_milliseconds(each.at)
    oldest = at - int(window.total_seconds() * 1_000)
    is_new = each.kind is AlertKind.NEW
    issue = each.issue
    rank = (_LEVELS.get(issue.level, 0), issue.user_count, issue.event_count)
    releases = dict(storm.releases)
    if each.release and (each.release in releases or len(releases) < _RELEASES_MAX):
        releases[each.release] = releases.get(each.release, 0) + 1
    is_worse = not storm.worst[0] or rank > storm.worst[2]
    grown = replace(
        storm,
        last_at=max(each.at, storm.last_at or each.at),
        new_count=storm.new_count + is_new,
        back_count=storm.back_count + (not is_new),
        worst=(issue.short_id, issue.title[:200], rank) if is_worse else storm.worst,
        releases=releases,
    )
    if grown.opened_at is not None:
        return grown
    recent = (*(moment for moment in storm.recent if moment > oldest), at)
    if len(recent) < threshold:
        return replace(grown, recent=recent)
    return replace(grown, recent=(), opened_at=from_milliseconds(min(recent)))
