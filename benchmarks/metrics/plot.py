"""Draws the growth as an SVG of small charts with logarithmic axes; needs no library."""

import math
from collections.abc import Sequence
from html import escape

from benchmarks.metrics.growth import MEASURES
from benchmarks.metrics.plan import Result

_WIDTH, _HEIGHT, _MARGIN, _COLUMNS = 320, 220, 46, 3
_COLOURS = {"resumatch-monitor": "#2563eb", "prometheus": "#c2410c"}
_GREY = "#64748b"


def render_plot(growth: Result) -> str:
    """Return the SVG: a chart a measure, a line a system, and beside it what linear would be."""
    sizes: list[int] = growth["series"]
    rows = -(-len(MEASURES) // _COLUMNS)
    width, height = _COLUMNS * _WIDTH, rows * _HEIGHT + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, (key, title) in enumerate(MEASURES.items()):
        x, y = number % _COLUMNS * _WIDTH, number // _COLUMNS * _HEIGHT
        lines = {
            name: [float(point[key]) for point in system["points"]]
            for name, system in growth["systems"].items()
        }
        parts.append(f'<g transform="translate({x},{y})">')
        parts += _draw_chart(title, sizes, lines)
        parts.append("</g>")
    for place, name in enumerate([*growth["systems"], "linear"]):
        colour = _COLOURS.get(name, _GREY)
        parts.append(
            f'<text x="{_MARGIN + place * 150}" y="{height - 8}" fill="{colour}">'
            f"— {escape(name)}</text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _draw_chart(title: str, sizes: Sequence[int], lines: dict[str, list[float]]) -> list[str]:
    values = [value for line in lines.values() for value in line if value > 0]
    if not values:
        return []
    # As many decades upwards as sideways would make linear growth steeper than it looks.
    low, high = _decade_below(min(values)), _decade_above(max(values))
    left, right = math.log10(sizes[0]), math.log10(sizes[-1])

    def place(size: float, value: float) -> str:
        across = (math.log10(size) - left) / (right - left)
        up = (math.log10(value) - low) / (high - low)
        x = _MARGIN + across * (_WIDTH - _MARGIN - 16)
        y = 28 + (1 - up) * (_HEIGHT - 28 - 32)
        return f"{x:.1f},{y:.1f}"

    parts = [f'<text x="{_MARGIN}" y="16" font-weight="bold">{escape(title)}</text>']
    for decade in range(low, high + 1):
        begin, end = place(sizes[0], 10.0**decade), place(sizes[-1], 10.0**decade)
        parts.append(_draw_line([begin, end], "#e2e8f0"))
        parts.append(_draw_text(begin, _name(10.0**decade), anchor="end", shift=(-4, 4)))
    parts += [
        _draw_text(place(size, 10.0**low), _name(size), anchor="middle", shift=(0, 14))
        for size in sizes
    ]
    for name, line in lines.items():
        colour = _COLOURS.get(name, _GREY)
        points = [place(*pair) for pair in zip(sizes, line, strict=True) if pair[1] > 0]
        parts.append(_draw_line(points, colour))
        parts += [
            '<circle cx="{}" cy="{}" r="2.5" fill="{}"/>'.format(*point.split(","), colour)
            for point in points
        ]
    first = next(iter(lines.values()))[-1]
    if first > 0:
        floor = max(10.0**low, first * sizes[0] / sizes[-1])
        start = max(sizes[0], sizes[-1] * floor / first)
        parts.append(_draw_line([place(start, floor), place(sizes[-1], first)], _GREY, "4 3"))
    return parts


def _draw_line(points: Sequence[str], colour: str, dashes: str = "") -> str:
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}"'
        f' stroke-width="1.5"{dash}/>'
    )


def _draw_text(point: str, text: str, *, anchor: str, shift: tuple[int, int]) -> str:
    x, y = (float(part) for part in point.split(","))
    return (
        f'<text x="{x + shift[0]:.1f}" y="{y + shift[1]:.1f}" text-anchor="{anchor}"'
        f' fill="{_GREY}">{escape(text)}</text>'
    )


def _decade_below(value: float) -> int:
    return math.floor(math.log10(value))


def _decade_above(value: float) -> int:
    return max(math.ceil(math.log10(value)), _decade_below(value) + 1)


def _name(number: float) -> str:
    return f"{number / 1000:g}k" if number >= 1000 else f"{number:g}"
