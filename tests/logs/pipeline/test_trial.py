"""Trying pipelines, and what is said of one that cannot be used."""

from datetime import UTC, datetime
from typing import Any

import pytest

from resumatch_monitor.logs.pipeline.config import PipelineConfig
from resumatch_monitor.logs.pipeline.parsing import Surroundings
from resumatch_monitor.logs.pipeline.running import StepOutcome
from resumatch_monitor.logs.pipeline.trial import (
    read_line,
    try_pipeline,
)
from resumatch_monitor.logs.scrubbing import RecordScrubber
from resumatch_monitor.logs.stated import StatedError, read_stated
from resumatch_monitor.sentry.scrub import Scrubber
from tests.support.logs import make_record

_NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
_SCRUBBER = RecordScrubber(Scrubber([]))


@pytest.mark.parametrize(
    ("stated", "place", "line", "message"),
    [
        ("steps: [{type: json]", "", 1, "expected"),
        (
            "when: 'a AND'\nsteps: [{type: drop}]",
            "when",
            1,
            "the query cannot be read at character",
        ),
        ("steps:\n  - type: regex\n    pattern: '('", "steps[0].pattern", 3, "not a regular expr"),
        ("- steps:\n    - type: drop\n      when: '(a'", "steps[0].when", 3, "the query cannot"),
        ("steps: [{type: grok, pattern: '%{NO}'}]", "steps[0]", 1, "there is no pattern NO"),
        ("steps: [{type: nope}]", "steps[0]", 1, "does not match any of the expected tags"),
        ("steps: [{type: timestamp, zone: Mars}]", "steps[0].zone", 1, "no time zone"),
        ("steps: [{type: timestamp, formats: [x]}]", "steps[0].formats", 1, "is no format"),
        ("steps: [{type: set, fields: {level: loud}}]", "steps[0].fields", 1, "is no level"),
        ("steps: [{type: set, fields: {n: 9999999999999999999}}]", "steps[0].fields", 1, "larger"),
        ("steps: [{type: count, metric: 'a b'}]", "steps[0].metric", 1, "should match"),
        ("just text", "", None, "keys and values are expected"),
        ({"steps": []}, "steps", None, "at least 1 item"),
    ],
)
def test_a_mistake_is_named_with_its_place(
    stated: str | dict[str, Any], place: str, line: int | None, message: str
) -> None:
    with pytest.raises(StatedError) as raised:
        read_stated(PipelineConfig, stated)
    (mistake, *_) = raised.value.mistakes
    assert (mistake.place, mistake.line) == (place, line)
    assert message in mistake.message


def test_a_trial_shows_before_after_and_each_step() -> None:
    config = read_stated(
        PipelineConfig,
        "when: service:api\n"
        "steps:\n"
        "- {type: set, when: 'service:web', fields: {a: 1}}\n"
        "- {type: regex, pattern: 'mail (?P<mail>\\S+)'}\n"
        "- {type: json}\n"
        "- {type: drop}\n",
    )
    record = make_record("mail ada@example.com")
    other = make_record("x", service="web")
    first, second = try_pipeline(
        config, [record, other], surroundings=Surroundings(), scrubber=_SCRUBBER
    )
    assert [each.outcome for each in first.reports] == [
        StepOutcome.SKIPPED,
        StepOutcome.DONE,
        StepOutcome.FAILED,
    ]
    assert first.before is record
    assert first.after is not None
    # What is always taken out is taken out here, too.
    assert "ada@" not in first.after.body + first.after.attributes["mail"]
    assert "step 3 (json)" in first.after.attributes["log.pipeline_error"]
    assert (second.is_matched, second.after, second.reports) == (False, other, ())


def test_a_pasted_line_is_read_as_a_document_or_as_text() -> None:
    document = read_line('{"msg": "hi", "service": "shop"}', _NOW, Surroundings())
    assert (document.body, document.service) == ("hi", "shop")
    assert read_line("[1, 2", _NOW, Surroundings()).body == "[1, 2"
