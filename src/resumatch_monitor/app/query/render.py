"""Renders a query's answer for people and for programs."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import orjson

from resumatch_monitor.app.query.result import QueryResult, ResultSeries
from resumatch_monitor.metrics.labels import METRIC_NAME, render_labels

_GAP = "  "


def render_table(result: QueryResult) -> str:
    """Render columns that are aligned: a series a line, or a moment a line under its series."""
    if result.kind in ("scalar", "string"):
        return result.series[0].points[0][1]
    if not result.series:
        return "No series."
    if result.kind == "vector":
        return _render_vector(result.series)
    return "\n\n".join(_render_range(each) for each in result.series)


def _render_vector(series: Sequence[ResultSeries]) -> str:
    names = _find_names(series)
    header = [*("metric" if name == METRIC_NAME else name for name in names), "value"]
    rows = [
        [*(_show(each.labels.get(name, "")) for name in names), each.points[-1][1]]
        for each in series
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(_align(row, widths) for row in [header, *rows])


def _align(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
    return _GAP.join([*cells, row[-1].rjust(widths[-1])])


def _render_range(series: ResultSeries) -> str:
    width = max((len(value) for _, value in series.points), default=0)
    lines = [_show(render_labels(series.labels) or "{}")]
    times = [_render_time(at) for at, _ in series.points]
    longest = max(map(len, times), default=0)
    lines += [
        f"  {time.ljust(longest)}  {value.rjust(width)}"
        for time, (_, value) in zip(times, series.points, strict=True)
    ]
    return "\n".join(lines)


def render_csv(result: QueryResult) -> str:
    """Render a line for every point: the labels, the time, the value; with a header."""
    names = _find_names(result.series)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, "time", "value"])
    for each in result.series:
        labels = [each.labels.get(name, "") for name in names]
        writer.writerows([*labels, _render_time(at), value] for at, value in each.points)
    return text.getvalue().rstrip("\n")


def render_json(result: QueryResult) -> str:
    """Render as `data` of Prometheus' API."""
    series = [_to_json(result.kind, each) for each in result.series]
    is_single = result.kind in ("scalar", "string")
    data = {"resultType": result.kind, "result": series[0] if is_single else series}
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode()


def _to_json(kind: str, series: ResultSeries) -> object:
    points = [list(point) for point in series.points]
    if kind in ("scalar", "string"):
        return points[0]
    labels: Mapping[str, str] = dict(series.labels)
    if kind == "vector":
        return {"metric": labels, "value": points[-1]}
    return {"metric": labels, "values": points}


def _find_names(series: Sequence[ResultSeries]) -> list[str]:
    names = {name for each in series for name in each.labels}
    return sorted(names, key=lambda name: (name != METRIC_NAME, name))


def _render_time(seconds: float) -> str:
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.3f}"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")


def _show(text: str) -> str:
    # What comes from elsewhere does not steer the terminal.
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


RENDERERS: Mapping[str, Callable[[QueryResult], str]] = {
    "table": render_table,
    "json": render_json,
    "csv": render_csv,
}
