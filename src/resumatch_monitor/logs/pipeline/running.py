"""Sends records through pipelines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from resumatch_monitor.logs.attributes import cut_text
from resumatch_monitor.logs.pipeline.config import PipelineConfig, Step
from resumatch_monitor.logs.pipeline.draft import Draft, Order, StepError
from resumatch_monitor.logs.pipeline.parsing import Surroundings
from resumatch_monitor.logs.pipeline.registry import BUILDERS
from resumatch_monitor.logs.query.matching import Predicate, build_predicate
from resumatch_monitor.logs.query.parser import parse_query
from resumatch_monitor.logs.record import LogRecord

PIPELINE_ERROR = "log.pipeline_error"
"""The attribute that holds why a step did not do its work."""

_LONGEST_ERROR = 500
_MOST_ERRORS = 10


class StepOutcome(StrEnum):
    """What became of a step."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class StepReport:
    """What a step did with a record.

    Attributes:
        step: Its number, from 0.
        type: Of the step.
        reason: Why it failed; empty otherwise.
    """

    step: int
    type: str
    outcome: StepOutcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _BuiltStep:
    number: int
    config: Step
    applies_to: Predicate | None
    apply: Callable[[Draft], None]


class Pipeline:
    """The steps of one pipeline."""

    def __init__(self, config: PipelineConfig, surroundings: Surroundings) -> None:
        self.name = config.name
        self._matches = _build_condition(config.when)
        self._steps = [
            _BuiltStep(
                number,
                step,
                _build_condition(step.when),
                BUILDERS[step.type](step, surroundings),
            )
            for number, step in enumerate(config.steps)
        ]

    def matches(self, record: LogRecord) -> bool:
        """Tell whether a record goes through it."""
        return self._matches is None or self._matches(record)

    def run(self, draft: Draft, reports: list[StepReport] | None = None) -> str:
        """Send a record through all steps; return why it ended early, or nothing.

        Args:
            draft: The record; its orders are added to.
            reports: Gets what each step did, if somebody wants to know.
        """
        for step in self._steps:
            outcome, reason = _run_step(step, draft)
            if reports is not None:
                reports.append(StepReport(step.number, step.config.type, outcome, reason))
            if outcome is StepOutcome.DROPPED:
                return ""
            if outcome is StepOutcome.FAILED and not step.config.ignore_failure:
                return f"{self.name}: step {step.number + 1} ({step.config.type}): {reason}"
        return ""


class PipelineProcessor:
    """Implements `logs.processing.RecordProcessor` with the pipelines of the configuration."""

    def __init__(
        self, pipelines: Sequence[Pipeline], *, on_orders: Callable[[Sequence[Order]], None]
    ) -> None:
        """Take the pipelines.

        Args:
            pipelines: In order; a record goes through each that it fits, as the one before left it.
            on_orders: Gets what steps ordered beside the record; called by the digest's thread.
        """
        self._pipelines = tuple(pipelines)
        self._on_orders = on_orders

    def process(self, record: LogRecord) -> LogRecord | None:
        """Return what becomes of a record; None if it is dropped. Never raises."""
        errors: list[str] = []
        current, orders = record, list[Order]()
        for pipeline in self._pipelines:
            if not pipeline.matches(current):
                continue
            draft = Draft(current)
            error = pipeline.run(draft)
            orders += draft.orders
            if draft.is_dropped:
                self._hand_on(orders)
                return None
            current = draft.record
            if error:
                errors.append(error)
        self._hand_on(orders)
        return note_errors(current, errors)

    def _hand_on(self, orders: Sequence[Order]) -> None:
        if orders:
            self._on_orders(orders)


def build_pipelines(
    configs: Sequence[PipelineConfig], surroundings: Surroundings
) -> list[Pipeline]:
    """Return the pipelines that a configuration describes."""
    return [Pipeline(config, surroundings) for config in configs]


def note_errors(record: LogRecord, errors: Sequence[str]) -> LogRecord:
    """Return a record with the reasons for which steps did not do their work."""
    if not errors:
        return record
    cut = [cut_text(each, _LONGEST_ERROR) for each in errors[:_MOST_ERRORS]]
    value: Any = cut[0] if len(cut) == 1 else cut
    return replace(record, attributes={**record.attributes, PIPELINE_ERROR: value})


def _build_condition(query: str) -> Predicate | None:
    return build_predicate(parse_query(query)) if query.strip() else None


def _run_step(step: _BuiltStep, draft: Draft) -> tuple[StepOutcome, str]:
    try:
        if step.applies_to is not None and not step.applies_to(draft.record):
            return StepOutcome.SKIPPED, ""
        step.apply(draft)
    except StepError as error:
        return StepOutcome.FAILED, str(error)
    except Exception as error:  # noqa: BLE001 - no record may hold up all the others
        # The error's text may quote what was sent, so only its type is told.
        return StepOutcome.FAILED, f"it failed with {type(error).__name__}"
    return (StepOutcome.DROPPED if draft.is_dropped else StepOutcome.DONE), ""
