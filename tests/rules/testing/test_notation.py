import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, render_labels
from resumatch_monitor.metrics.samples import is_stale
from resumatch_monitor.rules.testing.notation import expand_values, parse_series


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 2 3", [1, 2, 3]),
        ("-2+4x3", [-2, 2, 6, 10]),
        (" 1-2x4", [1, -1, -3, -5, -7]),
        ("1x4", [1, 1, 1, 1, 1]),
        ("5x0", [5]),
        ("1 _x3 2", [1, None, None, None, 2]),
        ("_", [None]),
        ("1e3 .5 -.5 +7", [1000, 0.5, -0.5, 7]),
        ("1e3+1e2x1", [1000, 1100]),
        ("Inf -inf", [math.inf, -math.inf]),
        ("", []),
    ],
)
def test_expands_values(text: str, expected: list[float | None]) -> None:
    assert expand_values(text) == expected


def test_expands_stale_samples_and_nan() -> None:
    stale, repeated, nan = expand_values("stale stalex0 NaN")

    assert stale is not None
    assert repeated is not None
    assert nan is not None
    assert is_stale(np.array([stale, repeated, nan])).tolist() == [True, True, False]
    assert math.isnan(nan)


def test_adds_up_step_by_step_as_prometheus_does() -> None:
    assert expand_values("0+0.1x3")[-1] == 0.1 + 0.1 + 0.1


@pytest.mark.parametrize(
    "text",
    ["one", "1+1x", "1+x3", "1x-3", "_+1x3", "x3", "1+1", "stale+1x3", "1,2", "{{schema:1}}"],
)
def test_refuses_what_it_does_not_understand(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be understood|not supported"):
        expand_values(text)


def test_refuses_more_values_than_a_test_may_have() -> None:
    with pytest.raises(ValueError, match="more than 10,000,000 values"):
        expand_values("1x999999999")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up", {"__name__": "up"}),
        ("{}", {}),
        ("", {}),
        ('up{job="api"}', {"__name__": "up", "job": "api"}),
        (" up { job = \"api\" , x='y', }", {"__name__": "up", "job": "api", "x": "y"}),
        ('{a="b"}', {"a": "b"}),
        ('{"my.metric", "a.b"="c"}', {"__name__": "my.metric", "a.b": "c"}),
        (r'a{b="\"}\\\n\u00e9\x41\101"}', {"__name__": "a", "b": '"}\\\né\x41A'}),
        (r"a{b=`\n`}", {"__name__": "a", "b": r"\n"}),
        ('a:b{c=""}', {"__name__": "a:b"}),
    ],
)
def test_parses_series(text: str, expected: dict[str, str]) -> None:
    assert parse_series(text) == Labels.of(expected)


@pytest.mark.parametrize(
    "text",
    ["1up", "up{", 'up{a="b"', 'up{a="b"} 1', "up{a=b}", "up{a}", 'up{a="1",a="2"}', r'a{b="\q"}'],
)
def test_refuses_series_that_are_not_well_formed(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|unexpected|twice|no meaning"):
        parse_series(text)


@given(
    st.dictionaries(
        st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True), st.text(max_size=20)
    )
)
def test_reads_back_every_label_set_as_it_is_shown(labels: dict[str, str]) -> None:
    labels.pop(METRIC_NAME, None)
    series = Labels.of({METRIC_NAME: "a_metric", **labels})

    assert parse_series(render_labels(series)) == series
