"""What the index of a partition holds of a record: nothing that could be shown, all that is asked.

The traps of the library that shaped it: dates are cut to whole seconds, the default tokenizer
drops words of more than 40 bytes, raw terms of more than 65,530 bytes vanish, and a JSON field has
a column for every name that ever came.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import tantivy

from resumatch_monitor.logs.fields import EXACT_FIELDS
from resumatch_monitor.logs.record import STACK_TRACE, LogRecord

MAX_NAMES = 1_000
"""How many names of attributes a partition has columns for; the others are terms only."""
LONGEST_VALUE = 512
"""Characters of a value that are indexed; longer ones are compared with the record itself."""
_LONGEST_WORD = 255
_SEQ_BITS = 20
_LARGEST_MS = 2**42
_COUNTER_MASK = (1 << _SEQ_BITS) - 1
_LARGEST_INTEGER = 2**63
_LONGEST_BODY = 1_000_000


_read_exact = attrgetter(*EXACT_FIELDS)


def build_schema() -> tantivy.Schema:
    """Return the schema of every partition."""
    builder = tantivy.SchemaBuilder()
    # Each would be a term of its own; the column alone answers for stretches of them.
    builder.add_integer_field("seq", indexed=False, fast=True)
    builder.add_unsigned_field("row", fast=True)
    builder.add_unsigned_field("severity", indexed=True, fast=True)
    for name in EXACT_FIELDS:
        builder.add_text_field(name, tokenizer_name="raw", fast=True, index_option="basic")
    builder.add_bytes_field("trace_id", indexed=True)
    builder.add_bytes_field("span_id", indexed=True)
    builder.add_text_field("record_id", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("body", tokenizer_name="words", index_option="position")
    builder.add_json_field(
        "attributes",
        tokenizer_name="raw",
        index_option="basic",
        fast=True,
        expand_dots_enabled=True,
    )
    builder.add_text_field("rest", tokenizer_name="raw", index_option="basic")
    return builder.build()


def register_analyzers(index: tantivy.Index) -> None:
    """Give an index the analyzer of its words, the same as `split_words`."""
    words = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(_LONGEST_WORD))
        .filter(tantivy.Filter.lowercase())
        .build()
    )
    index.register_tokenizer("words", words)


def make_seq(timestamp_us: int, counter: int) -> int:
    """Return a record's unique place in the order of time."""
    # Beyond the last there is a place still, so that a search for all has an end to name.
    return (min(_clamp_ms(timestamp_us), _LARGEST_MS - 1) << _SEQ_BITS) | (counter & _COUNTER_MASK)


def first_seq(timestamp_us: int) -> int:
    """Return the lowest place that a record at or after a time can have."""
    # A record a few microseconds earlier in the same millisecond is taken as well.
    return _clamp_ms(timestamp_us) << _SEQ_BITS


def seq_to_us(seq: int) -> int:
    """Return the time of a place, in whole milliseconds."""
    return (seq >> _SEQ_BITS) * 1000


def seq_step(step_us: int) -> int:
    """Return how far places lie apart that are `step_us` apart."""
    return max(1, step_us // 1000) << _SEQ_BITS


def _clamp_ms(timestamp_us: int) -> int:
    return min(max(timestamp_us // 1000, 0), _LARGEST_MS)


@dataclass(slots=True)
class NameBudget:
    """Which names of attributes have a column of their own in a partition."""

    names: set[str] = field(default_factory=set[str])
    has_others: bool = False

    def admit(self, name: str) -> bool:
        """Return whether `name` has a column, giving it one if there is room."""
        if name in self.names:
            return True
        if len(self.names) < MAX_NAMES and _is_path(name):
            self.names.add(name)
            return True
        self.has_others = True
        return False


def build_document(
    record: LogRecord, *, seq: int, row: int, admit: Callable[[str], bool]
) -> dict[str, Any]:
    """Return what the index is told of a record."""
    attributes, rest = _split_attributes(record, admit)
    document: dict[str, Any] = {
        "seq": seq,
        "row": row,
        "severity": record.severity,
        "body": [record.body[:_LONGEST_BODY]],
    }
    if record.stack_trace:
        document["body"].append(record.stack_trace[:_LONGEST_BODY])
    for name, value in zip(EXACT_FIELDS, _read_exact(record), strict=True):
        if value:
            document[name] = value[:LONGEST_VALUE]
    if record.record_id:
        document["record_id"] = record.record_id
    if record.trace_id:
        document["trace_id"] = shorten_id(bytes.fromhex(record.trace_id))
    if record.span_id:
        document["span_id"] = shorten_id(bytes.fromhex(record.span_id))
    if attributes:
        document["attributes"] = attributes
    if rest:
        document["rest"] = rest
    return document


def shorten_id(identifier: bytes) -> bytes:
    """Return what the index has of an id: half of it, for nearly each is a term of its own.

    The record itself tells the two apart that share a half, if there ever are.
    """
    return identifier[: len(identifier) // 2]


def _split_attributes(
    record: LogRecord, admit: Callable[[str], bool]
) -> tuple[dict[str, Any], list[str]]:
    """Return the attributes that have a column, and terms for the others."""
    attributes: dict[str, Any] = {}
    rest: list[str] = []
    for name, value in record.attributes.items():
        if name == STACK_TRACE:
            continue
        if value.__class__ is str and len(value) <= LONGEST_VALUE and admit(name):
            # Most are like this one, and there are many.
            attributes[name] = value
            continue
        values = [
            indexed
            for each in (value if isinstance(value, list) else (value,))  # pyright: ignore[reportUnknownVariableType]
            if (indexed := _indexed_value(each)) is not None
        ]
        if not values:
            continue
        if admit(name):
            attributes[name] = values if len(values) > 1 else values[0]
        else:
            rest.append(rest_name(name))
            rest.extend(rest_term(name, each) for each in values)
    return attributes, rest


def rest_term(name: str, value: Any) -> str:
    """Return the term that stands for a value of an attribute without a column."""
    return f"{rest_name(name)}\x00{render_value(value)}"


def rest_name(name: str) -> str:
    """Return the term that says that there is an attribute without a column."""
    # What parts name and value must not be in the name.
    return name.replace("\x01", "\x01\x01").replace("\x00", "\x01\x02")


def _is_path(name: str) -> bool:
    """Return whether the library takes a name in a JSON field, and in a query, as it is."""
    return "\\" not in name and name.isprintable() and all(name.split("."))


def render_value(value: Any) -> str:
    """Return a value as people write it in a query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_INTEGER:
        return str(int(value))
    return str(value)


def _indexed_value(value: Any) -> str | int | float | bool | None:
    if isinstance(value, str):
        return value[:LONGEST_VALUE]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -_LARGEST_INTEGER <= value < _LARGEST_INTEGER else float(value)
    if isinstance(value, float):
        return value
    return None
