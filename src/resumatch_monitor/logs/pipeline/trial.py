"""Tries a pipeline on records without storing anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson
from pydantic import ValidationError

from resumatch_monitor.kit.yamltree import YamlError, YamlTree, parse_yaml
from resumatch_monitor.logs.attributes import LONGEST_BODY, cut_text
from resumatch_monitor.logs.document import Defaults, read_document, to_microseconds
from resumatch_monitor.logs.pipeline.config import PipelineConfig
from resumatch_monitor.logs.pipeline.draft import Draft, Order
from resumatch_monitor.logs.pipeline.parsing import Surroundings
from resumatch_monitor.logs.pipeline.running import Pipeline, StepReport, note_errors
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.scrubbing import RecordScrubber

PASTED = "pasted"
"""The source of records that somebody wrote to try a pipeline."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a pipeline.

    Attributes:
        place: The key, as in `steps[0].pattern`; empty for the whole.
        line: Of the text, counted from 1; None where there is no text.
    """

    place: str
    message: str
    line: int | None = None
    column: int | None = None


class PipelineError(Exception):
    """The pipeline cannot be used; `mistakes` says everything that is wrong with it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(
            "; ".join(
                f"{each.place}: {each.message}" if each.place else each.message for each in mistakes
            )
        )
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a pipeline does with one record.

    Attributes:
        is_matched: Whether its `when` finds the record.
        after: None if it is dropped.
        orders: What would be counted, and made an event.
    """

    before: LogRecord
    is_matched: bool
    after: LogRecord | None
    reports: tuple[StepReport, ...]
    orders: tuple[Order, ...]


def read_pipeline(stated: str | Mapping[str, Any]) -> PipelineConfig:
    """Read a pipeline, from YAML or JSON; it may lack a name, and be the only one of a list.

    Raises:
        PipelineError: With every mistake.
    """
    tree: YamlTree | None = None
    value: Any = stated
    if isinstance(stated, str):
        try:
            tree = parse_yaml(stated)
        except YamlError as error:
            place = error.position
            raise PipelineError([Mistake("", error.message, place.line, place.column)]) from None
        value = tree.value
    prefix: tuple[str | int, ...] = ()
    if isinstance(value, list) and len(cast("list[Any]", value)) == 1:
        value, prefix = cast("list[Any]", value)[0], (0,)
    if not isinstance(value, dict):
        raise PipelineError([Mistake("", "a pipeline has keys: name, when, steps")])
    try:
        return PipelineConfig.model_validate({"name": "trial", **cast("dict[str, Any]", value)})
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise PipelineError(
            [_explain(detail["loc"], detail["msg"], tree, prefix) for detail in details[:20]]
        ) from None


def read_line(line: str, observed_at: datetime, surroundings: Surroundings) -> LogRecord:
    """Return the record of a line that somebody pasted: a JSON object, or any text."""
    try:
        document: object = orjson.loads(line.encode(errors="replace"))
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict):
        return read_document(
            cast("dict[str, Any]", document),
            Defaults(observed_at=observed_at, source=PASTED, oldest=surroundings.oldest),
        )
    now_us = to_microseconds(observed_at)
    return LogRecord(
        timestamp_us=now_us,
        observed_us=now_us,
        body=cut_text(line, LONGEST_BODY),
        source=PASTED,
    )


def try_pipeline(
    config: PipelineConfig,
    records: Sequence[LogRecord],
    *,
    surroundings: Surroundings,
    scrubber: RecordScrubber,
) -> list[Trial]:
    """Return what a pipeline does with each record, as it would be stored then."""
    pipeline = Pipeline(config, surroundings)
    return [_try_record(pipeline, record, scrubber) for record in records]


def _try_record(pipeline: Pipeline, record: LogRecord, scrubber: RecordScrubber) -> Trial:
    if not pipeline.matches(record):
        return Trial(record, False, scrubber.clean(record), (), ())
    draft, reports = Draft(record), list[StepReport]()
    error = pipeline.run(draft, reports)
    after = None if draft.is_dropped else note_errors(draft.record, [error] if error else [])
    return Trial(
        before=record,
        is_matched=True,
        after=after and scrubber.clean(after),
        reports=tuple(reports),
        orders=tuple(draft.orders),
    )


def _explain(
    loc: Sequence[str | int], message: str, tree: YamlTree | None, prefix: Sequence[str | int]
) -> Mistake:
    path = _strip_tag(loc)
    place = ""
    for step in path:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    position = tree.position((*prefix, *path)) if tree is not None else None
    return Mistake(
        place,
        message.removeprefix("Value error, "),
        position and position.line,
        position and position.column,
    )


def _strip_tag(loc: Sequence[str | int]) -> list[str | int]:
    """Leave out the type of a step, which pydantic puts behind its number."""
    is_step = len(loc) > 2 and loc[0] == "steps" and isinstance(loc[1], int)
    return [*loc[:2], *loc[3:]] if is_step else list(loc)
