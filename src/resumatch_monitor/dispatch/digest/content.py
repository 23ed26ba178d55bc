"""What a digest says: counted by alert, and compared with the digest before; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.notify.notification import Notice, NoticeSection
from resumatch_monitor.notify.wording import clip, one_line

MOST_LINES = 40
"""Alerts that a section lists; the others are counted."""

_RANKS = {"critical": 0, "warning": 1, "info": 2}
_LONGEST_SUMMARY = 120
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """From one digest to the next.

    Attributes:
        starts_at: Inclusive.
        ends_at: Exclusive.
        zone: Where the receiver lives.
        word: `daily` or `weekly`.
    """

    starts_at: datetime
    ends_at: datetime
    zone: ZoneInfo
    word: str

    def render(self) -> str:
        """Render for example `Mon 5 Jan 09:00 to Tue 6 Jan 09:00, Europe/Berlin`."""
        first, last = (self.render_moment(each) for each in (self.starts_at, self.ends_at))
        return f"{first} to {last}, {self.zone.key}"

    def render_moment(self, moment: datetime) -> str:
        """Render for example `Mon 5 Jan 09:00`."""
        local = moment.astimezone(self.zone)
        return f"{local:%a} {local.day} {local:%b} {local:%H:%M}"


@dataclass(frozen=True, slots=True)
class Tally:
    """What one alert name did in a period.

    Attributes:
        severity: The gravest.
        count: Occurrences that began or went on in the period.
        firing_count: How many of them have not ended.
        lasted: Their time within the period, added up.
        since: When the oldest of those that have not ended began.
        summary: The words of the latest.
        is_event: Whether it merely happens, and never lasts.
    """

    name: str
    severity: str
    count: int
    firing_count: int
    lasted: timedelta
    since: datetime | None
    summary: str
    is_event: bool


def tally(occurrences: Iterable[Occurrence], period: Period) -> list[Tally]:
    """Count `occurrences` by name: what fires first, then the gravest, then the most frequent."""
    by_name: dict[str, list[Occurrence]] = {}
    for occurrence in occurrences:
        by_name.setdefault(occurrence.alert.name, []).append(occurrence)
    tallies = [_tally_one(name, found, period) for name, found in by_name.items()]
    return sorted(
        tallies,
        key=lambda each: (
            not each.firing_count,
            _RANKS.get(each.severity, 1),
            -each.count,
            each.name,
        ),
    )


def _tally_one(name: str, occurrences: Sequence[Occurrence], period: Period) -> Tally:
    firing = [each for each in occurrences if _fires_at_end(each, period)]
    latest = max(occurrences, key=lambda each: each.alert.starts_at).alert
    return Tally(
        name=name,
        severity=min(
            (each.alert.severity for each in occurrences), key=lambda text: _RANKS.get(text, 1)
        ),
        count=len(occurrences),
        firing_count=len(firing),
        lasted=sum((_lasted(each, period) for each in occurrences), timedelta(0)),
        since=min((each.alert.starts_at for each in firing), default=None),
        summary=latest.annotations.get("summary", ""),
        is_event=latest.is_event,
    )


def _fires_at_end(occurrence: Occurrence, period: Period) -> bool:
    ends_at = occurrence.alert.ends_at
    return not occurrence.alert.is_event and (ends_at is None or ends_at >= period.ends_at)


def _lasted(occurrence: Occurrence, period: Period) -> timedelta:
    alert = occurrence.alert
    if alert.is_event:
        return timedelta(0)
    end = period.ends_at if alert.ends_at is None else min(alert.ends_at, period.ends_at)
    return max(end - max(alert.starts_at, period.starts_at), timedelta(0))


def compose(
    tallies: Sequence[Tally], *, period: Period, before: Mapping[str, int], is_cut: bool = False
) -> Notice:
    """Return the message.

    Args:
        tallies: What happened, in order; not empty.
        period: When.
        before: How often each alert occurred in the digest before; empty if there was none.
        is_cut: Whether more happened than a digest counts.
    """
    firing = [each for each in tallies if each.firing_count]
    over = [each for each in tallies if not each.firing_count]
    sections = [
        _list_section("Still firing", firing, period),
        _list_section("Over", over, period),
        NoticeSection("Changed since the last digest", tuple(_compare(tallies, before))),
    ]
    return Notice(
        title=_render_title(tallies, period),
        text=_render_text(tallies, period, before, is_cut=is_cut),
        sections=tuple(section for section in sections if section.lines),
        severity=tallies[0].severity,
    )


def _render_title(tallies: Sequence[Tally], period: Period) -> str:
    firing_count = sum(1 for each in tallies if each.firing_count)
    what = _count(len(tallies), "alert")
    rest = f", {firing_count} still firing" if firing_count else ", all over"
    if all(each.is_event for each in tallies):
        rest = ""
    return f"{period.word.capitalize()} digest: {what}{rest}"


def _render_text(
    tallies: Sequence[Tally], period: Period, before: Mapping[str, int], *, is_cut: bool
) -> str:
    total = sum(each.count for each in tallies)
    parts = [f"{period.render()}. {_count(total, 'occurrence')}"]
    if before:
        parts.append(f", {_render_difference(total - sum(before.values()))} the digest before")
    if is_cut:
        parts.append("; there were more, too many to be counted here")
    return "".join(parts) + "."


def _render_difference(difference: int) -> str:
    if difference == 0:
        return "as many as in"
    return f"{abs(difference)} {'more' if difference > 0 else 'fewer'} than in"


def _list_section(title: str, tallies: Sequence[Tally], period: Period) -> NoticeSection:
    lines = [_render_line(each, period) for each in tallies[:MOST_LINES]]
    if len(tallies) > MOST_LINES:
        lines.append(f"and {len(tallies) - MOST_LINES} more")
    return NoticeSection(title, tuple(lines))


def _render_line(each: Tally, period: Period) -> str:
    facts = [_count(each.count, "time")]
    if not each.is_event:
        facts.append(f"{_render_length(each.lasted)} in all")
    if each.since is not None:
        facts.append(f"since {period.render_moment(each.since)}")
    line = f"{one_line(each.name)} ({each.severity}): {', '.join(facts)}"
    summary = clip(one_line(each.summary), _LONGEST_SUMMARY)
    return f"{line} · {summary}" if summary else line


def _compare(tallies: Sequence[Tally], before: Mapping[str, int]) -> list[str]:
    """Say what is new, what happens more or less often, and what happens no more."""
    if not before:
        return []
    lines = [f"{each.name}: new" for each in tallies if each.name not in before]
    lines.extend(
        f"{each.name}: {each.count} times, before {before[each.name]}"
        for each in tallies
        if each.name in before and _is_notable(each.count, before[each.name])
    )
    present = {each.name for each in tallies}
    lines.extend(
        f"{name}: did not occur, before {_count(count, 'time')}"
        for name, count in sorted(before.items())
        if name not in present
    )
    if len(lines) > MOST_LINES:
        return [*lines[:MOST_LINES], f"and {len(lines) - MOST_LINES} more"]
    return lines


def _is_notable(now: int, before: int) -> bool:
    """Tell whether a count has at least doubled or halved, and not from one to two."""
    return abs(now - before) >= 2 and (now >= 2 * before or 2 * now <= before)


def _count(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _render_length(length: timedelta) -> str:
    """Render to the second, and longer ones to the minute: nobody reads more of a digest."""
    unit = _SECOND if length < timedelta(hours=1) else timedelta(minutes=1)
    whole = length // unit * unit
    return format_duration(whole) if whole else "under a second"
