from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.probes.outage import ProbeStatus
from resumatch_monitor.probes.uptime import (
    BEAT_COUNT,
    Span,
    StoredResult,
    build_beats,
    compute_uptime,
)
from tests.probes.recording import at


def span(start: float, end: float) -> Span:
    return Span(at(start), at(end))


@pytest.mark.parametrize(
    ("watched", "outages", "expected"),
    [
        ([], [], None),
        ([span(0, 100)], [], 1.0),
        ([span(0, 100)], [span(40, 50)], 0.9),
        ([span(-50, 50)], [span(-50, 25)], 0.5),
        ([span(0, 40), span(60, 100)], [span(30, 70)], 0.75),
        ([span(0, 60), span(40, 100)], [span(0, 50), span(25, 50)], 0.5),
        ([span(200, 300)], [span(200, 300)], None),
    ],
)
def test_uptime_is_of_the_time_that_was_watched(
    watched: list[Span], outages: list[Span], expected: float | None
) -> None:
    assert compute_uptime(span(0, 100), watched=watched, outages=outages) == expected


spans = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=8).map(
    lambda pairs: [span(min(pair), max(pair)) for pair in pairs]
)


@given(watched=spans, outages=spans)
def test_uptime_equals_counting_seconds(watched: list[Span], outages: list[Span]) -> None:
    def covers(parts: list[Span], second: int) -> bool:
        return any(part.start <= at(second) < part.end for part in parts)

    seen = [second for second in range(10, 90) if covers(watched, second)]
    down = [second for second in seen if covers(outages, second)]

    uptime = compute_uptime(span(10, 90), watched=watched, outages=outages)

    assert uptime == pytest.approx(1 - len(down) / len(seen) if seen else None)


def result(seconds: float, status: ProbeStatus = ProbeStatus.UP) -> StoredResult:
    return StoredResult(at(seconds), status, 0.1, "", None)


def test_beats_show_the_worst_of_each_interval_and_where_nobody_looked() -> None:
    results = [result(0), result(120), result(180, ProbeStatus.DOWN), result(190), result(240.02)]

    beats = build_beats(results, now=at(250), interval=timedelta(seconds=60))

    states = [beat.status for beat in beats]
    assert len(beats) == BEAT_COUNT
    assert states[-5:] == [
        ProbeStatus.UP,
        None,
        ProbeStatus.UP,
        ProbeStatus.DOWN,
        ProbeStatus.UP,
    ]
    assert set(states[:-5]) == {None}


def test_beats_end_in_nothing_when_the_last_result_is_old() -> None:
    beats = build_beats([result(0)], now=at(600), interval=timedelta(seconds=60))

    assert beats[-1].status is None
    assert beats[-11].status is ProbeStatus.UP
