"""How much each project may send: quotas, rate limits of keys, protection from spikes.

A pure state machine over the clock. Windows are aligned and counted in memory; after a restart
those of an hour and longer go on where the hours that were written down say they were.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.sentry.categories import Category
from resumatch_monitor.sentry.outcomes import Tally
from resumatch_monitor.sentry.projects import Project, ProjectKey

_HOUR_SECONDS = 3600
_BASELINE_HOURS = 7 * 24
_YOUNGEST_BASELINE_HOURS = 24
_LONGEST_HISTORY_HOURS = 31 * 24
# SDKs ask again soon, so that what is changed here is soon felt there.
_LONGEST_PAUSE_SECONDS = 60
_MANY_OF_ONE = frozenset({Category.SPAN, Category.LOG_ITEM, Category.TRACE_METRIC})
_MANY = 10
_SPIKING = frozenset({Category.ERROR, Category.TRANSACTION, Category.SECURITY}) | _MANY_OF_ONE
_OF_KEYS = Category.ERROR
_COUNTED = tuple(each for each in Category if each is not Category.ATTACHMENT)
"""What is counted in things; attachments are in bytes."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What holds something back.

    Attributes:
        categories: Empty for all.
        scope: `project` or `key`.
        reason: In outcomes, and for the SDK: `quota`, `key_quota` or `spike_protection`.
        retry_after: Whole seconds.
    """

    categories: tuple[Category, ...]
    scope: str
    reason: str
    retry_after: int


@dataclass(slots=True)
class _Window:
    """What came in the stretch of time that begins at `start`, in seconds since 1970."""

    start: int = 0
    count: int = 0


@dataclass(slots=True)
class _History:
    """What was accepted, by hours since 1970; the usual is computed once an hour."""

    hours: dict[int, int] = field(default_factory=dict[int, int])
    usual_at: int = -1
    usual: float = 0.0


@dataclass(frozen=True, slots=True)
class _Bound:
    """One bound that something has to keep."""

    key: tuple[object, ...]
    maximum: int
    window_seconds: int
    limit: Limit


class Quotas:
    """Admits what is within every bound, and says for how long the rest has to wait."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[object, ...], _Window] = {}
        self._histories: dict[tuple[int, Category], _History] = {}
        self._exhausted: dict[tuple[object, ...], tuple[int, Limit]] = {}

    def restore(self, accepted: Iterable[Tally]) -> None:
        """Know what was accepted before the start."""
        for tally in accepted:
            history = self._histories.setdefault((tally.project_id, tally.category), _History())
            hour = int(tally.hour.timestamp()) // _HOUR_SECONDS
            history.hours[hour] = history.hours.get(hour, 0) + tally.quantity

    def admit(
        self, project: Project, key: ProjectKey | None, category: Category, quantity: int
    ) -> Limit | None:
        """Count `quantity` and return None; or count nothing and return what holds it back."""
        now = int(self._clock.now().timestamp())
        bounds = list(self._find_bounds(project, key, category))
        windows = [self._find_window(bound, project, now) for bound in bounds]
        # Together with everything else an attachment is one thing, however many bytes it has.
        quantities = [
            quantity if bound.limit.categories else _count(category, quantity) for bound in bounds
        ]
        for bound, window, size in zip(bounds, windows, quantities, strict=True):
            if window.count + size > bound.maximum:
                return self._exhaust(bound, window, now)
        for window, size in zip(windows, quantities, strict=True):
            window.count += size
        self._remember(project, category, quantity, now)
        return None

    def give_back(
        self,
        project: Project,
        key: ProjectKey | None,
        category: Category,
        quantity: int,
        *,
        admitted_at: datetime,
    ) -> None:
        """Count no more what was admitted, but then could not be kept."""
        at = int(admitted_at.timestamp())
        for bound in self._find_bounds(project, key, category):
            window = self._windows.get(bound.key)
            if window is not None and window.start <= at < window.start + bound.window_seconds:
                size = quantity if bound.limit.categories else _count(category, quantity)
                window.count = max(0, window.count - size)
        history = self._histories.get((project.id, category))
        hour = at // _HOUR_SECONDS
        if history is not None and hour in history.hours:
            history.hours[hour] = max(0, history.hours[hour] - quantity)

    def describe(self, project: Project, key: ProjectKey | None) -> list[Limit]:
        """Return what holds `project` back at this moment."""
        now = int(self._clock.now().timestamp())
        found: list[Limit] = []
        for bound_key, (until, limit) in list(self._exhausted.items()):
            if until <= now or until > now + _LONGEST_PAUSE_SECONDS:
                del self._exhausted[bound_key]
                continue
            is_of_key = limit.scope != "key" or (key is not None and key.public in bound_key)
            if bound_key[0] == project.id and is_of_key:
                found.append(Limit(limit.categories, limit.scope, limit.reason, until - now))
        return found

    def find_spike_limit(self, project: Project, category: Category) -> int | None:
        """Return what an hour may bring of `category`; None if nothing bounds it."""
        spike = project.settings.spike_protection
        if not spike.enabled or category not in _SPIKING:
            return None
        hour = int(self._clock.now().timestamp()) // _HOUR_SECONDS
        floor = spike.min_per_hour * (_MANY if category in _MANY_OF_ONE else 1)
        return max(floor, int(spike.factor * self._find_usual(project.id, category, hour)))

    def find_usual(self, project: Project, category: Category) -> float:
        """Return the mean of an hour over the last seven days."""
        hour = int(self._clock.now().timestamp()) // _HOUR_SECONDS
        return self._find_usual(project.id, category, hour)

    def _find_bounds(
        self, project: Project, key: ProjectKey | None, category: Category
    ) -> Iterator[_Bound]:
        for rule in project.settings.quotas:
            is_for_all = rule.category == "all"
            if is_for_all or rule.category == category.value:
                seconds = max(1, int(rule.window.total_seconds()))
                categories = () if is_for_all else (category,)
                yield _Bound(
                    (project.id, rule.category, seconds),
                    rule.limit,
                    seconds,
                    Limit(categories, "project", "quota", 0),
                )
        if key is not None and key.rate_limit is not None and category is _OF_KEYS:
            seconds = max(1, int(key.rate_limit.window.total_seconds()))
            yield _Bound(
                (project.id, "key", key.public, seconds),
                key.rate_limit.limit,
                seconds,
                Limit((category,), "key", "key_quota", 0),
            )
        spike = self.find_spike_limit(project, category)
        if spike is not None:
            yield _Bound(
                (project.id, "spike", category),
                spike,
                _HOUR_SECONDS,
                Limit((category,), "project", "spike_protection", 0),
            )

    def _find_window(self, bound: _Bound, project: Project, now: int) -> _Window:
        start = now - now % bound.window_seconds
        window = self._windows.get(bound.key)
        if window is None:
            count = self._recall(bound, project, start)
            window = self._windows[bound.key] = _Window(start, count)
        elif start > window.start or start < window.start - bound.window_seconds:
            # A clock that is put back by a little does not open the window a second time.
            window.start, window.count = start, 0
        return window

    def _recall(self, bound: _Bound, project: Project, start: int) -> int:
        """Return what came in a window before it was first asked for, as far as hours tell."""
        if bound.window_seconds < _HOUR_SECONDS or bound.limit.scope == "key":
            return 0
        wanted: Sequence[Category] = bound.limit.categories or _COUNTED
        first = -(-start // _HOUR_SECONDS)
        return sum(
            count
            for category in wanted
            if (history := self._histories.get((project.id, category))) is not None
            for hour, count in history.hours.items()
            if hour >= first
        )

    def _exhaust(self, bound: _Bound, window: _Window, now: int) -> Limit:
        rest = window.start + bound.window_seconds - now
        pause = max(1, min(rest, _LONGEST_PAUSE_SECONDS))
        limit = bound.limit
        found = Limit(limit.categories, limit.scope, limit.reason, pause)
        self._exhausted[bound.key] = (now + pause, found)
        return found

    def _remember(self, project: Project, category: Category, quantity: int, now: int) -> None:
        history = self._histories.setdefault((project.id, category), _History())
        hour = now // _HOUR_SECONDS
        if hour not in history.hours:
            oldest = hour - _LONGEST_HISTORY_HOURS
            history.hours = {each: n for each, n in history.hours.items() if each > oldest}
        history.hours[hour] = history.hours.get(hour, 0) + quantity

    def _find_usual(self, project_id: int, category: Category, hour: int) -> float:
        history = self._histories.get((project_id, category))
        if history is None:
            return 0.0
        if history.usual_at != hour:
            first = hour - _BASELINE_HOURS
            past = {each: n for each, n in history.hours.items() if first <= each < hour}
            age = hour - min(past, default=hour)
            history.usual = sum(past.values()) / max(age, _YOUNGEST_BASELINE_HOURS)
            history.usual_at = hour
        return history.usual


def _count(category: Category, quantity: int) -> int:
    return quantity if category in _COUNTED else 1


def since_when(now: datetime) -> datetime:
    """Return from when on `Quotas.restore` can use what was accepted."""
    return now - timedelta(hours=_LONGEST_HISTORY_HOURS)


def render_limits(limits: Iterable[Limit]) -> str:
    """Return the value of `X-Sentry-Rate-Limits`; empty if nothing is held back."""
    return ", ".join(
        f"{each.retry_after}:{';'.join(each.categories)}:{each.scope}:{each.reason}"
        for each in dict.fromkeys(limits)
    )
