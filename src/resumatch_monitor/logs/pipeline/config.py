"""`logs.pipelines`: what is done with records before they are stored."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from resumatch_monitor.kit.models import ConfigModel, Text
from resumatch_monitor.kit.regex import Regex, RegexError
from resumatch_monitor.kit.zones import find_zone
from resumatch_monitor.logs.fields import resolve_field
from resumatch_monitor.logs.pipeline.grok import GrokError, compile_grok
from resumatch_monitor.logs.query.lexer import MAX_QUERY_CHARACTERS, QueryError
from resumatch_monitor.logs.query.matching import build_predicate
from resumatch_monitor.logs.query.parser import parse_query
from resumatch_monitor.logs.record import parse_severity

_LONGEST_PATTERN = 4_096
_LARGEST_INTEGER = 2**63
YEARS = ("%Y", "%y", "%G", "%c", "%x")
"""What of a format for times says the year."""
_SOME_DAY = datetime(2026, 5, 17, 16, 8, 9, tzinfo=UTC)
_FORMATS = frozenset(("iso8601", "unix", "unix_ms", "unix_us", "unix_ns"))


def check_query(text: str) -> str:
    """Return a query that can be read, and asked of a single record.

    Raises:
        ValueError: If it cannot.
    """
    try:
        build_predicate(parse_query(text))
    except QueryError as error:
        raise ValueError(
            f"the query cannot be read at character {error.position + 1}: {error}"
        ) from None
    except RegexError as error:
        raise ValueError(f"a regular expression in it cannot be read: {error}") from None
    return text


def _check_pattern(text: str) -> str:
    try:
        Regex(text)
    except RegexError as error:
        raise ValueError(f"it is not a regular expression (RE2): {error}") from None
    return text


def _is_format(text: str) -> bool:
    """Tell whether `strptime` can read by it what was written by it."""
    if "%" not in text or len(text) > 100:
        return False
    # Times without a year are read with one before them.
    form = text if any(each in text for each in YEARS) else f"%Y {text}"
    try:
        datetime.strptime(_SOME_DAY.strftime(form), form)  # noqa: DTZ007 - what it is does not matter
    except (ValueError, re.error):
        return False
    return True


def _check_level(word: str) -> str:
    if not parse_severity(word):
        raise ValueError(f"{word!r} is no level; levels are trace debug info warning error fatal")
    return word


Query = Annotated[str, Field(max_length=MAX_QUERY_CHARACTERS), AfterValidator(check_query)]
"""A query as one writes it to search logs."""
FieldName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""The name of a field of records, as queries name it."""
Pattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_PATTERN),
    AfterValidator(_check_pattern),
]
"""A regular expression of RE2."""
Level = Annotated[str, AfterValidator(_check_level)]
"""A level's word."""


class BaseStep(ConfigModel):
    """What every step may say."""

    when: Query = Field(default="", description="Only records that this query finds; empty: all.")
    ignore_failure: bool = False
    """Whether the pipeline goes on, and says nothing, where the step cannot do its work."""


class ParsingStep(BaseStep):
    """What every step that reads a text may say."""

    field: FieldName = "message"
    """What is read."""
    prefix: str = Field(
        default="", max_length=100, description="Goes before the names of what is found."
    )


class JsonStep(ParsingStep):
    """Reads a JSON object; what has a place of its own in a record goes there."""

    type: Literal["json"]
    """Parses JSON."""


class LogfmtStep(ParsingStep):
    """Reads `key=value key="a value"`; what has a place of its own in a record goes there."""

    type: Literal["logfmt"]
    """Parses logfmt."""


class CombinedStep(ParsingStep):
    """Reads a line of Apache's or nginx's access log: common or combined."""

    type: Literal["combined"]
    """Parses access logs."""


class RegexStep(ParsingStep):
    """Reads by a regular expression; its named groups, `(?P<name>…)`, become fields."""

    type: Literal["regex"]
    """Parses by an expression."""
    pattern: Pattern
    """RE2; found anywhere in the text."""


class GrokStep(ParsingStep):
    """Reads by grok patterns: `%{IP:client.ip} took %{NUMBER:duration:float}`."""

    type: Literal["grok"]
    """Parses by grok patterns."""
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_PATTERN)]
    """Found anywhere in the text."""
    patterns: dict[str, str] = Field(
        default_factory=dict[str, str], max_length=100, description="More names to use in it."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            compile_grok(self.pattern, self.patterns)
        except GrokError as error:
            raise ValueError(f"the pattern cannot be used: {error}") from None
        return self


class TimestampStep(BaseStep):
    """Reads when it was said."""

    type: Literal["timestamp"]
    """Sets the time."""
    field: FieldName = "timestamp"
    """What is read."""
    formats: list[str] = Field(
        default_factory=lambda: ["iso8601"],
        min_length=1,
        max_length=20,
        description=(
            "Tried in order: `iso8601`, `unix`, `unix_ms`, `unix_us`, `unix_ns`, or as Python's"
            " strptime has it: `%d/%b/%Y:%H:%M:%S %z`. Without a year, it is the latest that fits."
        ),
    )
    zone: str = "UTC"
    """The time zone of what does not say: `Europe/Berlin`."""
    remove: bool = True
    """Whether the field is taken away once it is read."""

    @field_validator("formats")
    @classmethod
    def _check_formats(cls, formats: list[str]) -> list[str]:
        for each in formats:
            if each not in _FORMATS and not _is_format(each):
                raise ValueError(f"{each[:100]!r} is no format; write for example %Y-%m-%d %H:%M")
        return formats

    @field_validator("zone")
    @classmethod
    def _check_zone(cls, zone: str) -> str:
        find_zone(zone)
        return zone


class SeverityStep(BaseStep):
    """Makes a severity of a field."""

    type: Literal["severity"]
    """Sets the severity."""
    field: FieldName
    """What is read."""
    mapping: dict[Text, Level] = Field(
        default_factory=dict[str, str],
        max_length=100,
        description=(
            "Value to level, whatever the case; `5*` stands for all that begin so, `*` for all."
            " A value that is not in it has to be a level's word."
        ),
    )


class RenameStep(BaseStep):
    """Gives fields other names; what is not there is passed over."""

    type: Literal["rename"]
    """Renames fields."""
    fields: dict[FieldName, FieldName] = Field(min_length=1, max_length=100)
    """Old name to new name."""


class SetStep(BaseStep):
    """Sets fields to values."""

    type: Literal["set"]
    """Sets fields."""
    fields: dict[FieldName, str | bool | int | float] = Field(min_length=1, max_length=100)
    """Name to value."""

    @field_validator("fields")
    @classmethod
    def _check_fields(cls, fields: dict[str, Any]) -> dict[str, Any]:
        for name, value in fields.items():
            field = resolve_field(name)
            if field == "severity":
                _check_level(str(value))
            if isinstance(value, int) and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
                raise ValueError(f"{name} is larger than a record's numbers can be")
            if field == "source":
                raise ValueError("the source is the door through which a record came")
        return fields


class RemoveStep(BaseStep):
    """Takes fields away."""

    type: Literal["remove"]
    """Removes fields."""
    fields: list[FieldName] = Field(min_length=1, max_length=100)
    """Their names."""


class DropStep(BaseStep):
    """Drops the record: it is not stored."""

    type: Literal["drop"]
    """Drops records."""


class SampleStep(BaseStep):
    """Keeps some of the records: all of a trace or none, in every process the same."""

    type: Literal["sample"]
    """Samples records."""
    rate: float = Field(ge=0, le=1)
    """The share that is kept, 0 to 1; it is written into `log.sample_rate`."""


class RedactStep(BaseStep):
    """Replaces what an expression finds, beside what is always scrubbed."""

    type: Literal["redact"]
    """Redacts texts."""
    pattern: Pattern
    """RE2; every place where it is found."""
    fields: list[FieldName] = Field(
        default_factory=list[str],
        max_length=100,
        description="Where; empty: message and all texts.",
    )
    replacement: str = Field(default="[Filtered]", max_length=200)
    """What stands there instead."""


class UserAgentStep(BaseStep):
    """Tells browser, operating system and device by what a browser calls itself."""

    type: Literal["user_agent"]
    """Reads a user agent."""
    field: FieldName = "user_agent.original"
    """What is read; `user_agent.name`, `user_agent.os.name` and so on are set."""


class CountStep(BaseStep):
    """Counts records, or adds up a field of theirs, as a counter among the metrics."""

    type: Literal["count"]
    """Counts into a metric."""
    metric: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,199}$")]
    """The counter's name; it should end in `_total`."""
    labels: dict[str, FieldName] = Field(
        default_factory=dict[str, str],
        max_length=5,
        description=(
            "Label to field. A step makes at most 500 series; what is beyond has `(other)` for"
            " values."
        ),
    )
    value: FieldName | None = Field(
        default=None, description="The field to add up; without one, records are counted."
    )

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for name in labels:
            is_name = name.isidentifier() and name.isascii() and not name.startswith("__")
            if not is_name or len(name) > 100:
                raise ValueError(f"{name[:100]!r} is no name of a label")
        return labels


class EventStep(BaseStep):
    """Makes an event of the record, as an SDK would have sent it: an issue, with its alerts."""

    type: Literal["event"]
    """Makes an event."""
    project: str = Field(min_length=1, max_length=100)
    """The slug of the project that it belongs to."""


Step = Annotated[
    JsonStep
    | LogfmtStep
    | CombinedStep
    | RegexStep
    | GrokStep
    | TimestampStep
    | SeverityStep
    | RenameStep
    | SetStep
    | RemoveStep
    | DropStep
    | SampleStep
    | RedactStep
    | UserAgentStep
    | CountStep
    | EventStep,
    Field(discriminator="type"),
]
"""One step of a pipeline."""


class PipelineConfig(ConfigModel):
    """Steps that the records go through which a query finds.

    A step that cannot do its work ends the pipeline for that record, which is kept as it is by
    then, with the reason in `log.pipeline_error`.
    """

    name: str = Field(min_length=1, max_length=100)
    """Names it in errors."""
    when: Query = Field(default="", description="Which records: a query; empty for all.")
    steps: list[Step] = Field(min_length=1, max_length=50)
    """In order."""
