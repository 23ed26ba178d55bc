"""A record that steps are at work on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from resumatch_monitor.logs.attributes import (
    LONGEST_BODY,
    MAX_ATTRIBUTES,
    bound_attributes,
    cut_text,
)
from resumatch_monitor.logs.fields import FIELD_NAMES, Field, resolve_field
from resumatch_monitor.logs.query.matching import render_value
from resumatch_monitor.logs.record import STACK_TRACE, LogRecord, name_severity, parse_severity
from resumatch_monitor.sentry.trace_ids import read_span_id, read_trace_id

_LONGEST_FIELD = 512
_IDS = {Field.TRACE_ID: read_trace_id, Field.SPAN_ID: read_span_id}


class StepError(Exception):
    """A step cannot do its work on a record; the message says why."""


@dataclass(frozen=True, slots=True)
class Increment:
    """An order to count.

    Attributes:
        metric: A counter's name.
        labels: Without the name.
    """

    metric: str
    labels: Mapping[str, str]
    amount: float


@dataclass(frozen=True, slots=True)
class EventOrder:
    """An order to make an issue's event.

    Attributes:
        project: The slug of the project that it goes to.
        event: As SDKs send events.
    """

    project: str
    event: Mapping[str, Any]


Order: TypeAlias = Increment | EventOrder


class Draft:
    """What has become of a record so far, and what else steps ordered.

    Names are those of queries: a record's own fields by any of their names, else attributes.
    """

    __slots__ = ("_attributes", "_built", "_fields", "_record", "is_dropped", "orders")

    def __init__(self, record: LogRecord) -> None:
        self._record = record
        self._built: LogRecord | None = record
        self._fields: dict[str, Any] = {}
        self._attributes: dict[str, Any] | None = None
        self.orders: list[Order] = []
        self.is_dropped = False

    @property
    def record(self) -> LogRecord:
        """The record as it is now."""
        if self._built is None:
            fields = dict(self._fields)
            if self._attributes is not None:
                fields["attributes"] = self._attributes
                # What is built is not changed any more.
                self._attributes = dict(self._attributes)
            self._built = replace(self._record, **fields)
        return self._built

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes as they are now."""
        return self._record.attributes if self._attributes is None else self._attributes

    def read(self, name: str) -> Any:
        """Return a value; None if the record has none."""
        field = resolve_field(name)
        if field == Field.MESSAGE:
            return self._field("body") or None
        if field == Field.SEVERITY:
            return self._field("severity_text") or name_severity(self._field("severity")) or None
        if field in FIELD_NAMES:
            return self._field(field) or None
        return self.attributes.get(name)

    def read_text(self, name: str, limit: int) -> str:
        """Return a value as a text of `limit` characters at most.

        Raises:
            StepError: If there is none, or a list.
        """
        value = self.read(name)
        if value is None:
            raise StepError(f"there is no {name}")
        if isinstance(value, list):
            raise StepError(f"{name} is a list")
        return (value if isinstance(value, str) else render_value(value))[:limit]

    def write(self, name: str, value: Any) -> None:
        """Set a value: a text, a number, a boolean, or a list of these.

        Raises:
            StepError: If a record cannot have it.
        """
        field = resolve_field(name)
        if field in FIELD_NAMES:
            self._write_field(Field(field), value)
        else:
            self.write_attributes({name: value})

    def write_attributes(self, values: Mapping[str, Any]) -> None:
        """Set attributes by their own names, bounded as those of every record are.

        Raises:
            StepError: If there is no room for so many; none of them is set then.
        """
        new = sum(name not in self.attributes for name in values)
        if len(self.attributes) + new > MAX_ATTRIBUTES:
            raise StepError(f"a record has at most {MAX_ATTRIBUTES} attributes")
        stack = values.get(STACK_TRACE)
        bounded = bound_attributes({n: v for n, v in values.items() if n != STACK_TRACE})
        if stack is not None:
            bounded[STACK_TRACE] = cut_text(str(stack), LONGEST_BODY)
        self._change().update(bounded)

    def write_time(self, timestamp_us: int) -> None:
        """Set when it was said."""
        self._set("timestamp_us", timestamp_us)

    def write_severity(self, number: int, text: str) -> None:
        """Set how severe it is, and the word for it."""
        self._set("severity", number)
        self._set("severity_text", text[:_LONGEST_FIELD])

    def remove(self, name: str) -> None:
        """Take a value away; of one that is not there, nothing."""
        field = resolve_field(name)
        if field == Field.SEVERITY:
            self.write_severity(0, "")
        elif field == Field.MESSAGE:
            self._set("body", "")
        elif field in FIELD_NAMES:
            self._set(field, "")
        elif name in self.attributes:
            del self._change()[name]

    def text_names(self) -> Sequence[str]:
        """Return the names of what holds text, or a list: the message, and attributes."""
        names = [name for name, value in self.attributes.items() if isinstance(value, str | list)]
        return [Field.MESSAGE.value, *names]

    def _write_field(self, field: Field, value: Any) -> None:
        if isinstance(value, list):
            raise StepError(f"{field} cannot be a list")
        text = value if isinstance(value, str) else render_value(value)
        if field == Field.MESSAGE:
            self._set("body", cut_text(text, LONGEST_BODY))
        elif field == Field.SEVERITY:
            number = parse_severity(text)
            if not number:
                raise StepError(f"{text[:40]!r} is no level")
            self.write_severity(number, text)
        elif field == Field.SOURCE:
            raise StepError("the source of a record is the door through which it came")
        elif field in _IDS:
            found = _IDS[field](text)
            if not found:
                raise StepError(f"{text[:40]!r} is no {field}")
            self._set(field, found)
        else:
            self._set(field, text[:_LONGEST_FIELD])

    def _field(self, name: str) -> Any:
        return self._fields[name] if name in self._fields else getattr(self._record, name)

    def _set(self, name: str, value: Any) -> None:
        self._fields[name] = value
        self._built = None

    def _change(self) -> dict[str, Any]:
        if self._attributes is None:
            self._attributes = dict(self._record.attributes)
        self._built = None
        return self._attributes


def merge(draft: Draft, parsed: LogRecord) -> None:
    """Put what a record was parsed out of a text over what is there; its own time is not looked at.

    Raises:
        StepError: If there is no room for its attributes.
    """
    for name in ("body", "service", "environment", "release", "host", "logger"):
        value = cast("str", getattr(parsed, name))
        if value:
            draft.write("message" if name == "body" else name, value)
    for name in ("trace_id", "span_id"):
        value = cast("str", getattr(parsed, name))
        if value:
            draft.write(name, value)
    if parsed.severity:
        draft.write_severity(parsed.severity, parsed.severity_text)
    draft.write_attributes(parsed.attributes)
