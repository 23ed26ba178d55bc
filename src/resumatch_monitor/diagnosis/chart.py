"""Draws the chart in a mail: the expression around the moment, and the line that it crossed.

Pillow is loaded when the first chart is drawn. The picture brings its own background, since a mail
is read in light and in dark and the picture cannot know.
"""

import importlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

WIDTH = 600
HEIGHT = 200
"""In CSS pixels; the picture has twice as many each way."""

_SCALE = 2
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 14, 14, 32
_RADIUS = 10
_MOST_OTHERS = 12
_BACKGROUND = (247, 248, 250, 255)
_GRID = (221, 225, 230, 255)
_TEXT = (84, 92, 102, 255)
_LINE = (37, 99, 190, 255)
_OTHER = (170, 182, 197, 255)
_LIMIT = (196, 43, 28, 255)
_SHADE = (196, 43, 28, 28)
_SMALLEST_SPAN = 1e-290
_FONT_SIZE = 14
"""A phone shows the picture at little more than half its size."""


@dataclass(frozen=True, slots=True)
class Line:
    """A series; what is not finite is a gap."""

    values: Sequence[float]
    is_main: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn.

    Attributes:
        times_ms: When the values are, ascending, at least two.
        lines: Those of the alert and of its siblings.
        threshold: The line that is crossed.
        firing_ms: From when to when it fires.
        zone: Whose time is written below.
    """

    times_ms: Sequence[int]
    lines: Sequence[Line]
    threshold: float | None
    firing_ms: tuple[int, int] | None
    zone: tzinfo = UTC


def draw_chart(picture: Picture) -> bytes:
    """Return a PNG of `WIDTH` times `HEIGHT` CSS pixels; blocks for some 30 ms."""
    canvas = _Canvas()
    low, high = _find_range(picture)
    plot = _Plot(picture.times_ms[0], picture.times_ms[-1], low, high)
    for value in _choose_ticks(low, high):
        y = plot.y(value)
        canvas.line([(_LEFT, y), (WIDTH - _RIGHT, y)], _GRID, 1)
        canvas.text(_LEFT - 8, y, _format_tick(value, high - low), "rm")
    for at_ms in _choose_moments(plot.begin, plot.end):
        x = plot.x(at_ms)
        moment = datetime.fromtimestamp(at_ms / 1000, picture.zone)
        canvas.text(x, HEIGHT - _BOTTOM + 17, moment.strftime("%H:%M"), "mm")
    zone = datetime.fromtimestamp(plot.end / 1000, picture.zone).strftime("%Z")
    canvas.text(_LEFT - 8, HEIGHT - _BOTTOM + 17, zone, "rm")
    if picture.firing_ms is not None:
        begin, end = (min(max(each, plot.begin), plot.end) for each in picture.firing_ms)
        canvas.shade(plot.x(begin), _TOP, max(plot.x(end), plot.x(begin) + 1), HEIGHT - _BOTTOM)
        canvas.line([(plot.x(begin), _TOP), (plot.x(begin), HEIGHT - _BOTTOM)], _LIMIT, 1)
    others = [line for line in picture.lines if not line.is_main][:_MOST_OTHERS]
    for line in [*others, *(line for line in picture.lines if line.is_main)]:
        for points in _split(line.values, picture.times_ms, plot):
            canvas.line(points, _LINE if line.is_main else _OTHER, 2 if line.is_main else 1.2)
    if picture.threshold is not None and math.isfinite(picture.threshold):
        y = plot.y(picture.threshold)
        canvas.dashes(_LEFT, WIDTH - _RIGHT, y)
        canvas.text(WIDTH - _RIGHT - 4, y - 10, _format_tick(picture.threshold, 0), "rm", _LIMIT)
    return canvas.to_png()


@dataclass(frozen=True, slots=True)
class _Plot:
    begin: int
    end: int
    low: float
    high: float

    def x(self, at_ms: float) -> float:
        share = (at_ms - self.begin) / max(self.end - self.begin, 1)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - min(max(share, 0), 1) * (HEIGHT - _TOP - _BOTTOM)


class _Canvas:
    """Pillow in CSS pixels; drawn larger than it is kept, which smooths the lines."""

    def __init__(self) -> None:
        self._image: Any = importlib.import_module("PIL.Image")
        self._drawing: Any = importlib.import_module("PIL.ImageDraw")
        fonts: Any = importlib.import_module("PIL.ImageFont")
        self._zoom = 2 * _SCALE
        size = (WIDTH * self._zoom, HEIGHT * self._zoom)
        self._picture = self._image.new("RGBA", size, (0, 0, 0, 0))
        self._draw = self._drawing.Draw(self._picture)
        self._font = fonts.load_default(size=_FONT_SIZE * self._zoom)
        corners = [0, 0, size[0] - 1, size[1] - 1]
        self._draw.rounded_rectangle(corners, _RADIUS * self._zoom, fill=_BACKGROUND)

    def line(
        self, points: Sequence[tuple[float, float]], colour: tuple[int, ...], width: float
    ) -> None:
        zoomed = [(x * self._zoom, y * self._zoom) for x, y in points]
        self._draw.line(zoomed, fill=colour, width=round(width * self._zoom), joint="curve")
        if len(zoomed) == 1:
            x, y = zoomed[0]
            radius = width * self._zoom
            self._draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)

    def dashes(self, left: float, right: float, y: float) -> None:
        x = left
        while x < right:
            self.line([(x, y), (min(x + 6, right), y)], _LIMIT, 1.5)
            x += 10

    def shade(self, left: float, top: float, right: float, bottom: float) -> None:
        layer = self._image.new("RGBA", self._picture.size, (0, 0, 0, 0))
        box = [each * self._zoom for each in (left, top, right, bottom)]
        self._drawing.Draw(layer).rectangle(box, fill=_SHADE)
        self._picture = self._image.alpha_composite(self._picture, layer)
        self._draw = self._drawing.Draw(self._picture)

    def text(
        self, x: float, y: float, text: str, anchor: str, colour: tuple[int, ...] = _TEXT
    ) -> None:
        where = (x * self._zoom, y * self._zoom)
        self._draw.text(where, text, fill=colour, font=self._font, anchor=anchor)

    def to_png(self) -> bytes:
        size = (WIDTH * _SCALE, HEIGHT * _SCALE)
        small = self._picture.resize(size, self._image.Resampling.LANCZOS)
        file = io.BytesIO()
        # A palette makes the file a third as large, and a mail carries it every time.
        small.quantize(128, method=self._image.Quantize.FASTOCTREE).save(file, "PNG")
        return file.getvalue()


def _find_range(picture: Picture) -> tuple[float, float]:
    values = [each for line in picture.lines for each in line.values if math.isfinite(each)]
    if picture.threshold is not None and math.isfinite(picture.threshold):
        values.append(picture.threshold)
    low, high = min(values, default=0.0), max(values, default=1.0)
    # Most of what is watched has its zero at the bottom, and a small change must not look large.
    if low >= 0 and (low < high * 0.6 or high == low):
        low = 0.0
    if high - low <= abs(low) * 1e-12 + _SMALLEST_SPAN:
        high = low + (abs(low) or 1.0)
    if not math.isfinite(10 * (high - low)):
        return -1.0, 1.0
    margin = (high - low) * 0.08
    return (low if low == 0 else low - margin), high + margin


def _choose_ticks(low: float, high: float) -> list[float]:
    """Return three to six round values between `low` and `high`."""
    rough = (high - low) / 4
    if rough <= 0 or not math.isfinite(rough):
        return [low]
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next((m * magnitude for m in (1, 2, 2.5, 5) if m * magnitude >= rough), 10 * magnitude)
    first = math.ceil(low / step) * step
    return [first + count * step for count in range(int((high - first) / step) + 1)]


def _choose_moments(begin_ms: int, end_ms: int) -> list[int]:
    """Return four to seven round moments."""
    minutes = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)
    span = max(end_ms - begin_ms, 60_000)
    step = next((m * 60_000 for m in minutes if span / (m * 60_000) <= 7), 1440 * 60_000)
    margin = span // 40
    first = -(-(begin_ms + margin) // step) * step
    return list(range(first, end_ms - margin, step))


def _format_tick(value: float, span: float) -> str:
    for factor, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= factor:
            factor = 1e3 if suffix == "k" else factor
            return f"{value / factor:.3g}{suffix}"
    if span and abs(value) < span * 1e-9:
        return "0"
    return f"{value:.4g}"


def _split(
    values: Sequence[float], times_ms: Sequence[int], plot: _Plot
) -> list[list[tuple[float, float]]]:
    """Return the stretches without gaps."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for at_ms, value in zip(times_ms, values, strict=True):
        if math.isfinite(value):
            stretches[-1].append((plot.x(at_ms), plot.y(value)))
        elif stretches[-1]:
            stretches.append([])
    return [stretch for stretch in stretches if stretch]
