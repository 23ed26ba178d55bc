"""Which fields records have."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from resumatch_monitor.logs.fields import Field
from resumatch_monitor.logs.record import LogRecord


@dataclass(frozen=True, slots=True)
class FieldUse:
    """A field, and how many of the records that were looked at have it.

    Attributes:
        is_attribute: Whether it is one that the application made up.
    """

    name: str
    records: int
    is_attribute: bool


def survey_fields(records: Iterable[LogRecord]) -> list[FieldUse]:
    """Return the fields of `records`: the model's own in its order, then attributes by use."""
    own: Counter[str] = Counter()
    attributes: Counter[str] = Counter()
    for record in records:
        own.update(_own_fields(record))
        attributes.update(record.attributes.keys())
    by_use = sorted(attributes.items(), key=lambda each: (-each[1], each[0]))
    return [
        *(FieldUse(name, own[name], is_attribute=False) for name in Field if own[name]),
        *(FieldUse(name, count, is_attribute=True) for name, count in by_use),
    ]


def _own_fields(record: LogRecord) -> Iterable[str]:
    if record.body:
        yield Field.MESSAGE
    for name in Field:
        if name is not Field.MESSAGE and getattr(record, name):
            yield name
