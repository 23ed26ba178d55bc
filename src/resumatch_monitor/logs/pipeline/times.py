"""The step that reads when something was said."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial

from resumatch_monitor.kit.zones import find_zone
from resumatch_monitor.logs.pipeline.config import YEARS, TimestampStep
from resumatch_monitor.logs.pipeline.draft import Draft, StepError
from resumatch_monitor.logs.pipeline.parsing import Apply, Surroundings, settle

_LONGEST = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"unix": 1, "unix_ms": 1_000, "unix_us": 1_000_000, "unix_ns": 1_000_000_000}
_AHEAD = timedelta(days=1)

_Read = Callable[[str, datetime], datetime]


def build_timestamp(step: TimestampStep, surroundings: Surroundings) -> Apply:
    """Return what sets the time of a record."""
    zone = find_zone(step.zone)
    readers = [_build_reader(each, zone) for each in step.formats]

    def apply(draft: Draft) -> None:
        text = draft.read_text(step.field, _LONGEST).strip()
        observed_at = surroundings.defaults_of(draft.record).observed_at
        for read in readers:
            try:
                stated = read(text, observed_at).astimezone(UTC)
            except (ValueError, OverflowError):
                continue
            settle(draft, stated, surroundings)
            if step.remove:
                draft.remove(step.field)
            return
        raise StepError(f"{step.field} is no time of the formats that are expected")

    return apply


def _build_reader(form: str, zone: tzinfo) -> _Read:
    if form == "iso8601":
        return lambda text, _observed_at: _with_zone(datetime.fromisoformat(text), zone)
    if form in _UNITS:
        return partial(_read_number, unit=_UNITS[form])
    if any(each in form for each in YEARS):
        return lambda text, _observed_at: _parse(text, form, zone)
    return partial(_read_without_year, form=form, zone=zone)


def _read_number(text: str, _observed_at: datetime, *, unit: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=int(text) * 1_000_000 // unit)
    except ValueError:
        return _EPOCH + timedelta(seconds=float(text) / unit)


def _read_without_year(text: str, observed_at: datetime, *, form: str, zone: tzinfo) -> datetime:
    year = observed_at.astimezone(zone).year
    found = _read_of_year(text, form, zone, year)
    # What was said on New Year's Eve arrives in the new year.
    if found > observed_at + _AHEAD:
        return _read_of_year(text, form, zone, year - 1)
    return found


def _read_of_year(text: str, form: str, zone: tzinfo, year: int) -> datetime:
    return _parse(f"{year} {text}", f"%Y {form}", zone)


def _parse(text: str, form: str, zone: tzinfo) -> datetime:
    return _with_zone(datetime.strptime(text, form), zone)  # noqa: DTZ007 - it may say its own


def _with_zone(moment: datetime, zone: tzinfo) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
