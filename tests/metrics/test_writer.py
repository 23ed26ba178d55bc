"""What a target's rows hold besides what was scraped."""

import struct

import numpy as np
import pytest

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.mutate import merge_target_labels
from resumatch_monitor.metrics.samples import STALE_BITS, StoreFullError
from resumatch_monitor.metrics.writer import REPORT_NAMES, TargetWriter
from tests.metrics.support import RowRecorder

pytestmark = pytest.mark.anyio

A, B = Labels.of(__name__="a"), Labels.of(__name__="b")
JOB_A, JOB_B = A.with_labels({"job": "x"}), B.with_labels({"job": "x"})


def make_writer(sink: RowRecorder) -> TargetWriter:
    return TargetWriter(sink=sink, target_key="x", target_labels={"job": "x"})


def stale_in(row: dict[Labels, float]) -> set[Labels]:
    return {
        labels
        for labels, value in row.items()
        if struct.unpack("<Q", struct.pack("<d", value))[0] == STALE_BITS
    }


def report_of(row: dict[Labels, float]) -> dict[str, float]:
    return {name: row[Labels.of(__name__=name, job="x")] for name in REPORT_NAMES}


async def write(writer: TargetWriter, *series: Labels, at: int, is_up: bool = True) -> None:
    await writer.write(
        [(each, float(at)) for each in series], timestamp_ms=at, duration_seconds=0.5, is_up=is_up
    )


async def test_every_row_reports_on_its_scrape() -> None:
    sink = RowRecorder()
    writer = make_writer(sink)
    await write(writer, A, B, at=1)
    await write(writer, A, B, at=2)

    assert report_of(sink.row(0)) == dict(zip(REPORT_NAMES, [1, 0.5, 2, 2, 2], strict=True))
    assert report_of(sink.row(1)) == dict(zip(REPORT_NAMES, [1, 0.5, 2, 2, 0], strict=True))
    assert sink.rows[0][1] is sink.rows[1][1], "an unchanged layout is the same object"


async def test_a_series_that_disappears_is_marked_once() -> None:
    sink = RowRecorder()
    writer = make_writer(sink)
    await write(writer, A, B, at=1)
    await write(writer, A, at=2)
    await write(writer, A, at=3)

    assert stale_in(sink.row(1)) == {JOB_B}
    assert JOB_B not in sink.row(2)


async def test_a_failed_scrape_marks_everything_and_is_down() -> None:
    sink = RowRecorder()
    writer = make_writer(sink)
    await write(writer, A, B, at=1)
    await write(writer, at=2, is_up=False)
    await write(writer, at=3, is_up=False)
    await write(writer, A, B, at=4)

    assert stale_in(sink.row(1)) == {JOB_A, JOB_B}
    assert report_of(sink.row(1))["up"] == 0
    assert len(sink.row(2)) == len(REPORT_NAMES)
    assert report_of(sink.row(3)) == dict(zip(REPORT_NAMES, [1, 0.5, 2, 2, 2], strict=True))


async def test_a_refused_row_is_made_good_by_the_next() -> None:
    sink = RowRecorder()
    writer = make_writer(sink)
    await write(writer, A, B, at=1)
    sink.refusal = StoreFullError("full")
    with pytest.raises(StoreFullError):
        await write(writer, A, at=2)
    sink.refusal = None
    await write(writer, A, at=3)

    assert stale_in(sink.row(-1)) == {JOB_B}


async def test_of_equal_series_the_first_counts() -> None:
    sink = RowRecorder()
    writer = make_writer(sink)
    counts = await writer.write_row(
        writer.prepare((A, B, A)),
        np.array([1.0, 2.0, 3.0]),
        timestamp_ms=1,
        duration_seconds=0.0,
        is_up=True,
    )

    assert counts.duplicates == 1
    assert sink.row()[JOB_A] == 1.0
    assert report_of(sink.row())["scrape_samples_scraped"] == 3
    assert report_of(sink.row())["scrape_samples_post_metric_relabeling"] == 3


async def test_a_target_cannot_claim_to_be_up() -> None:
    sink = RowRecorder()
    await make_writer(sink).write(
        [(Labels.of(__name__="up"), 7.0)], timestamp_ms=1, duration_seconds=0.0, is_up=False
    )

    assert report_of(sink.row())["up"] == 0


async def test_a_removed_target_ends_with_all_its_series() -> None:
    sink = RowRecorder()
    writer = make_writer(sink)
    await writer.end(timestamp_ms=1)
    await write(writer, A, at=2)
    await writer.end(timestamp_ms=3)

    assert len(sink.rows) == 2
    assert stale_in(sink.row()) == set(sink.row())
    assert len(sink.row()) == 1 + len(REPORT_NAMES)


@pytest.mark.parametrize(
    ("own", "honor_labels", "expected"),
    [
        ({}, False, {"job": "j"}),
        ({"job": "own"}, False, {"job": "j", "exported_job": "own"}),
        ({"job": "own"}, True, {"job": "own"}),
        (
            {"job": "a", "exported_job": "b"},
            False,
            {"job": "j", "exported_exported_job": "a", "exported_job": "b"},
        ),
    ],
)
def test_labels_that_collide(
    own: dict[str, str], honor_labels: bool, expected: dict[str, str]
) -> None:
    merged = merge_target_labels(Labels.of(own), {"job": "j"}, honor_labels=honor_labels)

    assert dict(merged) == expected
