import asyncio
import itertools
import logging
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import STALE, STALE_BITS, StoreFullError
from resumatch_monitor.storage.remote.store import QueueConfig
from tests.storage.remote.support import (
    OTHER_SECRET,
    SECRET,
    START_MS,
    ImpatientClock,
    append_rows,
    make_layout,
    remote_store,
)
from tests.support.clock import FakeClock
from tests.support.remote_write import Answer, Receiver, Series, receive_remote_write

pytestmark = pytest.mark.anyio

LOOK_EVERY_SECONDS = 2.0
NOWHERE = "http://127.0.0.1:9"
"""Nobody listens on the port of the discard protocol."""


def values_of(receiver: Receiver) -> dict[Labels, list[tuple[int, float]]]:
    return {
        Labels(pairs): [
            (time - START_MS, float(np.uint64(bits).view(np.float64))) for time, bits in points
        ]
        for pairs, points in receiver.series.items()
    }


async def test_what_is_written_arrives_in_order_with_the_right_headers(tmp_path: Path) -> None:
    layout = make_layout(50)
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url) as remote,
    ):
        await append_rows(remote.store, layout, range(20))
        await remote.wait_until_sent()

        assert values_of(receiver) == {
            labels: [(number * 1000, float(number)) for number in range(20)]
            for labels in layout.labels
        }
        headers = receiver.headers[0]
        assert headers["content-encoding"] == "snappy"
        assert headers["content-type"] == "application/x-protobuf"
        assert headers["x-prometheus-remote-write-version"] == "0.1.0"
        assert headers["authorization"] == f"Bearer {SECRET}"
        assert remote.read("remote_write_samples_total") == 1000
        assert remote.read("remote_write_samples_sent_total") == 1000
        assert remote.read("remote_write_up") == 1
        assert remote.read("remote_write_lag_seconds") == 0


async def test_ragged_samples_and_staleness_markers_arrive_bit_by_bit(tmp_path: Path) -> None:
    times = np.array([START_MS, START_MS + 5], dtype=np.int64)
    series = Labels.of(__name__="ALERTS", alertname="Down")
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url) as remote,
    ):
        await remote.store.append_samples([(series, times, np.array([1.0, STALE]))])
        await remote.store.append_samples([])
        await remote.wait_until_sent()

    points = receiver.series[series.pairs]
    assert [time for time, _ in points] == times.tolist()
    assert points[1][1] == STALE_BITS


async def test_several_lanes_keep_the_order_of_each_series(tmp_path: Path) -> None:
    layout = make_layout(300)
    queue = QueueConfig(lanes=4, samples_per_request=100)
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url, queue=queue) as remote,
    ):
        await append_rows(remote.store, layout, range(10))
        await remote.wait_until_sent()

    expected = [(number * 1000, float(number)) for number in range(10)]
    assert values_of(receiver) == dict.fromkeys(layout.labels, expected)
    assert max(sum(len(points) for _, points in each) for each in receiver.requests) <= 100


async def test_what_waits_survives_a_restart_even_with_other_lanes(tmp_path: Path) -> None:
    layout = make_layout(40)
    async with remote_store(tmp_path, NOWHERE, is_sending=False) as remote:
        await append_rows(remote.store, layout, range(3))
        assert remote.read("ingest_pending", signal="metrics") == 3

    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url, queue=QueueConfig(lanes=3)) as remote,
    ):
        await append_rows(remote.store, layout, range(3, 6))
        await remote.wait_until_sent()

    expected = [(number * 1000, float(number)) for number in range(6)]
    assert values_of(receiver) == dict.fromkeys(layout.labels, expected)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_a_server_that_may_take_it_later_is_asked_again(tmp_path: Path, status: int) -> None:
    answers = [Answer(status), Answer(status)]
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url) as remote,
    ):
        receiver.judge = lambda _: answers.pop() if answers else None
        await append_rows(remote.store, make_layout(1), range(1))
        await remote.wait_until_sent()

        assert receiver.count == 1
        assert remote.read("remote_write_requests_total", result="retried") == 2
        assert remote.read("remote_write_samples_dropped_total", reason="rejected") == 0


@pytest.mark.parametrize("header", ["120", "Mon, 05 Jan 2026 12:02:00 GMT"])
async def test_it_waits_as_long_as_the_server_asks(
    tmp_path: Path, clock: FakeClock, header: str
) -> None:
    answers = [Answer(503, "busy", {"Retry-After": header})]
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url, clock=clock) as remote,
    ):
        receiver.judge = lambda _: answers.pop() if answers else None
        await append_rows(remote.store, make_layout(1), range(1))
        await receiver.wait_until(lambda: len(receiver.requests) == 1)
        while not remote.store.problem:
            await clock.advance(0)
        assert remote.store.problem == "HTTP 503: busy"
        assert remote.read("remote_write_up") == 0
        await clock.advance(119)
        assert len(receiver.requests) == 1
        assert remote.store.lag_seconds == 119
        await clock.advance(1)
        await remote.wait_until_sent()

        assert receiver.count == 1
        assert remote.store.problem == ""


async def test_the_pause_grows_up_to_a_bound_and_ends_with_the_first_success(
    tmp_path: Path,
) -> None:
    clock = ImpatientClock()
    answers = [Answer(500)] * 12
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url, clock=clock) as remote,
    ):
        receiver.judge = lambda _: answers.pop() if answers else None
        await append_rows(remote.store, make_layout(1), range(1))
        await remote.wait_until_sent()
        pauses = [each for each in clock.slept if each != LOOK_EVERY_SECONDS]
        growing, longest = pauses[:7], pauses[8:12]
        clock.slept.clear()
        answers.append(Answer(500))
        await append_rows(remote.store, make_layout(1), range(1, 2))
        await remote.wait_until_sent()

    assert all(after > before for before, after in itertools.pairwise(growing))
    assert all(10 < each < 20 for each in longest)
    assert min(clock.slept) < 0.2


async def test_a_refused_sample_does_not_take_its_neighbours_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    layout = make_layout(100)
    bad = layout.labels[37].pairs

    def judge(request: list[Series]) -> Answer | None:
        if any(labels == bad for labels, _ in request):
            return Answer(400, f"out of order sample\nfor {SECRET} {OTHER_SECRET}")
        return None

    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url) as remote,
    ):
        receiver.judge = judge
        await append_rows(remote.store, layout, range(5))
        await remote.wait_until_sent()

        assert bad not in receiver.series
        assert receiver.count == 99 * 5
        assert remote.read("remote_write_samples_dropped_total", reason="rejected") == 5
        assert remote.read("remote_write_samples_sent_total") == 99 * 5
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 1
    assert "HTTP 400: out of order sample for … …" in told[0]
    assert SECRET not in caplog.text
    assert OTHER_SECRET not in caplog.text


async def test_a_server_that_refuses_everything_costs_a_bounded_number_of_requests(
    tmp_path: Path,
) -> None:
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url) as remote,
    ):
        receiver.judge = lambda _: Answer(400, "no")
        await append_rows(remote.store, make_layout(5000), range(1))
        await remote.wait_until_sent()

        assert remote.read("remote_write_samples_dropped_total", reason="rejected") == 5000
        assert len(receiver.requests) < 80


async def test_a_full_queue_gives_up_the_oldest(tmp_path: Path) -> None:
    layout = make_layout(200)
    queue = QueueConfig(max_bytes=40_000)
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, NOWHERE, queue=queue, is_sending=False) as remote,
    ):
        await append_rows(remote.store, layout, range(100))
        size = remote.read("spool_bytes", signal="metrics")
        lost = remote.read("remote_write_samples_dropped_total", reason="queue_full")
        assert size <= 40_000
        assert 0 < lost < 100 * 200

    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url) as remote,
    ):
        await remote.wait_until_sent()

    assert receiver.count == 100 * 200 - lost
    rows = [time // 1000 for time, _ in values_of(receiver)[layout.labels[0]]]
    assert rows == list(range(100 - len(rows), 100))


async def test_concurrent_writes_to_a_full_queue_are_all_taken(tmp_path: Path) -> None:
    layout = make_layout(50)
    queue = QueueConfig(max_bytes=20_000)
    async with remote_store(tmp_path, NOWHERE, queue=queue, is_sending=False) as remote:
        await asyncio.gather(
            *(append_rows(remote.store, layout, range(each, each + 5)) for each in range(20))
        )

        lost = remote.read("remote_write_samples_dropped_total", reason="queue_full")
        assert remote.read("remote_write_samples_total") == 5000
        assert remote.read("ingest_pending", signal="metrics") == (5000 - lost) / 50


async def test_a_write_that_is_larger_than_the_queue_is_refused(tmp_path: Path) -> None:
    queue = QueueConfig(max_bytes=1000)
    async with remote_store(tmp_path, NOWHERE, queue=queue, is_sending=False) as remote:
        with pytest.raises(StoreFullError, match="takes nothing"):
            await append_rows(remote.store, make_layout(1000), range(1))

        ago = remote.store.refused_ago()
        assert ago is not None
        assert ago < timedelta(seconds=5)


async def test_samples_that_waited_too_long_are_not_sent(tmp_path: Path, clock: FakeClock) -> None:
    queue = QueueConfig(max_age=timedelta(hours=1))
    layout = make_layout(10)
    async with remote_store(tmp_path, NOWHERE, clock=clock, is_sending=False) as remote:
        await append_rows(remote.store, layout, range(1))
        clock.jump(timedelta(minutes=59))
        await append_rows(remote.store, layout, range(1, 2))
        clock.jump(timedelta(minutes=2))

    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url, queue=queue, clock=clock) as remote,
    ):
        await remote.wait_until_sent()

        assert receiver.count == 10
        assert remote.read("remote_write_samples_dropped_total", reason="too_old") == 10


async def test_a_late_queue_is_told_so_that_rules_hold(tmp_path: Path, clock: FakeClock) -> None:
    async with remote_store(tmp_path, NOWHERE, clock=clock, is_sending=False) as remote:
        assert remote.store.refused_ago() is None
        await append_rows(remote.store, make_layout(1), range(1))
        await clock.advance(20)
        assert remote.store.refused_ago() is None
        await clock.advance(20)

        assert remote.store.refused_ago() == timedelta(0)
        assert remote.store.lag_seconds == 40


async def test_what_a_killed_server_had_only_in_memory_is_sent_again(
    tmp_path: Path, clock: FakeClock
) -> None:
    layout = make_layout(3)
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url, clock=clock) as remote,
    ):
        await append_rows(remote.store, layout, range(2))
        await remote.wait_until_sent()
        # It comes back so soon that no request fails.
        receiver.series.clear()
        receiver.started_at = 2.0
        await append_rows(remote.store, layout, range(2, 3))
        await remote.wait_until_sent()
        while remote.read("remote_write_samples_resent_total") < 9:
            await clock.advance(1)

        expected = [(0, 0.0), (1000, 1.0), (2000, 2.0)]
        assert [sorted(set(each)) for each in values_of(receiver).values()] == [expected] * 3


async def test_a_server_that_only_was_away_gets_nothing_twice(
    tmp_path: Path, clock: FakeClock
) -> None:
    layout = make_layout(3)
    answers = [Answer(0), Answer(0)]
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url, clock=clock) as remote,
    ):
        await append_rows(remote.store, layout, range(2))
        await remote.wait_until_sent()
        receiver.judge = lambda _: answers.pop() if answers else None
        await append_rows(remote.store, layout, range(2, 3))
        while remote.read("ingest_pending", signal="metrics"):
            await clock.advance(0.1)

        assert not answers
        expected = [(0, 0.0), (1000, 1.0), (2000, 2.0)]
        assert list(values_of(receiver).values()) == [expected] * 3
        assert remote.read("remote_write_requests_total", result="failed") == 2


async def test_what_is_settled_is_gone_from_the_disk(tmp_path: Path, clock: FakeClock) -> None:
    async with (
        receive_remote_write() as receiver,
        remote_store(tmp_path, receiver.url, clock=clock) as remote,
    ):
        await append_rows(remote.store, make_layout(3), range(5))
        await remote.wait_until_sent()
        assert remote.read("remote_write_queue_records") == 5
        while remote.read("spool_bytes", signal="metrics"):
            await clock.advance(1)

        assert clock.monotonic() >= 10


async def test_an_orderly_end_leaves_nothing_to_be_sent_twice(tmp_path: Path) -> None:
    async with receive_remote_write() as receiver:
        async with remote_store(tmp_path, receiver.url) as remote:
            await append_rows(remote.store, make_layout(3), range(5))
            await remote.wait_until_sent()
        async with remote_store(tmp_path, receiver.url) as remote:
            await append_rows(remote.store, make_layout(3), range(5, 6))
            await remote.wait_until_sent()

    assert receiver.count == 18


async def test_refusals_of_what_is_sent_again_are_not_losses(tmp_path: Path) -> None:
    async with receive_remote_write() as receiver:
        receiver.started_at = None
        async with remote_store(tmp_path, receiver.url) as remote:
            await append_rows(remote.store, make_layout(3), range(2))
            await remote.wait_until_sent()
            answers = [Answer(0)]

            def judge(request: list[Series]) -> Answer | None:
                if answers:
                    return answers.pop()
                is_known = any(time < START_MS + 2000 for _, p in request for time, _ in p)
                return Answer(400, "out of order sample") if is_known else None

            receiver.judge = judge
            await append_rows(remote.store, make_layout(3), range(2, 3))
            await remote.wait_until_sent()

            assert receiver.count == 9
            assert remote.read("remote_write_samples_dropped_total", reason="rejected") == 0
