"""Mistakes in the configuration's pipelines are named with their place."""

import pytest

from resumatch_monitor.config.loader import ConfigError, parse_config


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ("{type: regex, pattern: '('}", "pattern: it is not a regular expression (RE2)"),
        ("{type: drop, when: 'a AND'}", "when: the query cannot be read at character 6"),
        ("{type: drop, wen: a}", "wen: there is no such key; did you mean 'when'?"),
        ("{type: regex}", "pattern: this key is required and missing"),
        ("{type: timestamp, formats: ['%Q %d']}", "formats: '%Q %d' is no format"),
        ("{type: timestamp, formats: ['%d %d']}", "formats: '%d %d' is no format"),
        ("{type: sample, rate: 2}", "rate: Input should be less than or equal to 1"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(step: str, place: str) -> None:
    text = f"logs:\n  pipelines:\n    - name: p\n      steps:\n        - {step}\n"
    with pytest.raises(ConfigError) as raised:
        parse_config(text, source="monitor.yaml", environment={})
    (problem,) = raised.value.problems
    assert (problem.line, problem.key.startswith("logs.pipelines[0].steps[0].")) == (5, True)
    assert place in str(problem)
