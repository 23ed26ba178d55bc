import math

import pytest

from resumatch_monitor.diagnosis.sparkline import render_sparkline


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], ""),
        ([math.nan, math.inf], ""),
        ([math.nan, 1.0, math.nan], ""),
        ([math.nan, 1.0, math.nan, 2.0, math.nan], "▁ █"),
        ([1.0, 1.0], "▁▁"),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "▁▂▃▄▅▆▇█"),
        ([0.0, math.nan, 7.0], "▁ █"),
        ([-1e308, 1e308], "▅▅"),
    ],
)
def test_draws_bars(values: list[float], text: str) -> None:
    assert render_sparkline(values) == text


def test_keeps_a_short_peak() -> None:
    values = [0.0] * 1000
    values[500] = 9.0

    line = render_sparkline(values, width=20)

    assert len(line) == 20
    assert line.count("█") == 1
