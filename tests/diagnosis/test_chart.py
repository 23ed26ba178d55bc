import io
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from resumatch_monitor.diagnosis.chart import HEIGHT, WIDTH, Line, Picture, draw_chart

TIMES = [1_767_610_800_000 + 60_000 * minute for minute in range(120)]
RED, BLUE = (196, 43, 28), (37, 99, 190)


def draw(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(draw_chart(picture))).convert("RGBA")


def count(image: Image.Image, colour: tuple[int, int, int]) -> int:
    data = image.tobytes()
    pixels = zip(data[0::4], data[1::4], data[2::4], strict=True)
    return sum(all(abs(a - b) < 25 for a, b in zip(pixel, colour, strict=True)) for pixel in pixels)


def test_shows_the_line_the_threshold_and_when_it_fires() -> None:
    values = [0.01] * 60 + [0.09] * 60

    with_limit = draw(Picture(TIMES, [Line(values, True)], 0.05, (TIMES[62], TIMES[-1])))
    without = draw(Picture(TIMES, [Line(values, True)], None, None))

    assert with_limit.size == (2 * WIDTH, 2 * HEIGHT)
    assert count(with_limit, BLUE) > 2000
    assert count(with_limit, RED) > 1000
    assert count(without, RED) == 0


def test_brings_its_own_background_with_round_corners() -> None:
    image = draw(Picture(TIMES, [Line([1.0] * 120, True)], None, None))

    assert image.crop((0, 0, 1, 1)).tobytes() == bytes(4)
    assert image.crop((WIDTH, 6, WIDTH + 1, 7)).tobytes()[3] >= 250


def test_a_gap_is_a_gap() -> None:
    whole = draw(Picture(TIMES, [Line([1.0] * 120, True)], None, None))
    values = [1.0] * 40 + [math.nan] * 40 + [1.0] * 40
    broken = draw(Picture(TIMES, [Line(values, True)], None, None))

    assert count(broken, BLUE) < 0.75 * count(whole, BLUE)


numbers = st.one_of(st.floats(width=64), st.sampled_from([0.0, 1.0, -1.0, 1e308, -1e308, 1e-320]))


@settings(deadline=None, max_examples=15)
@given(
    values=st.lists(numbers, min_size=2, max_size=60),
    others=st.integers(0, 20),
    threshold=st.one_of(st.none(), numbers),
    begin=st.integers(-(10**9), 10**9),
)
def test_draws_whatever_is_measured(
    values: list[float], others: int, threshold: float | None, begin: int
) -> None:
    times = TIMES[: len(values)]
    lines = [Line(values, True), *[Line(values[::-1], False)] * others]

    image = draw(Picture(times, lines, threshold, (times[0] + begin, times[-1])))

    assert image.size == (2 * WIDTH, 2 * HEIGHT)


@pytest.mark.parametrize("minutes", [1, 7, 60, 600, 6000])
def test_any_span_has_times(minutes: int) -> None:
    times = [TIMES[0], TIMES[0] + minutes * 60_000]

    assert draw(Picture(times, [Line([0.0, 1.0], True)], None, None)).size[0] == 2 * WIDTH
