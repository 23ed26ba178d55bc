"""Targets that mean no good, or behave as if: bounded, explained, the others unharmed."""

import asyncio
import gzip
import itertools
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.access import AccessProvider
from resumatch_monitor.metrics.config import GlobalConfig, MetricsConfig, ScrapeConfig
from resumatch_monitor.metrics.labels import Matcher, MatchOp
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.pool import build_pool
from resumatch_monitor.metrics.scrape_telemetry import ScrapeTelemetry
from resumatch_monitor.metrics.scraper import TargetScraper
from resumatch_monitor.metrics.targets import build_pool_targets
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.metrics.support import Answer, respond, serve
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

GZIPPED = ["Content-Encoding: gzip"]
STEP_SECONDS = 15


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    async with build_client(verify=False) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock, telemetry: Telemetry) -> TimeSeriesStore:
    store = TimeSeriesStore(tmp_path / "metrics", clock=clock, telemetry=telemetry)
    store.open()
    return store


def make_scraper(
    address: str,
    store: TimeSeriesStore,
    client: httpx.AsyncClient,
    clock: FakeClock,
    *,
    metrics: MetricsConfig | None = None,
    **options: Any,
) -> TargetScraper:
    config = ScrapeConfig.model_validate({"job_name": "app", "scrape_timeout": "5s", **options})
    pool = build_pool(config, GlobalConfig(), metrics or MetricsConfig())
    (target,) = build_pool_targets(pool, [{"__address__": address}]).targets
    return TargetScraper(
        target=target,
        sink=store,
        access=AccessProvider(config, client),
        clock=clock,
        telemetry=ScrapeTelemetry(Telemetry()),
        metadata=MetadataStore(),
    )


async def scrape(scraper: TargetScraper, clock: FakeClock, *, times: int = 1) -> None:
    for _ in range(times):
        await clock.advance(STEP_SECONDS)
        await scraper.scrape(0)


def count_series(store: TimeSeriesStore, name: str) -> int:
    return len(store.find_series([Matcher("__name__", MatchOp.EQUAL, name)], 0, 2**60))


def churning(series: int) -> Callable[[], bytes]:
    numbers = itertools.count()
    lines = (f'churn{{request="{number}"}} 1\n'.encode() for number in numbers)
    return lambda: b"".join(itertools.islice(lines, series))


def answer_with(make_body: Callable[[], bytes]) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        await respond(make_body())(writer)

    return answer


async def test_a_label_that_changes_on_every_scrape_is_stopped_and_named(
    store: TimeSeriesStore, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    metrics = MetricsConfig(churn_per_target=3_000)
    async with serve(answer_with(churning(1_000))) as server:
        scraper = make_scraper(server.address, store, client, clock, metrics=metrics)
        await scrape(scraper, clock, times=4)
        assert scraper.status.last_error == ""
        assert scraper.status.series_added == 1_000
        await scrape(scraper, clock, times=10)

        status = scraper.status
        assert status.health == "down"
        assert status.exceeded_limit == "metrics.churn_per_target"
        assert "1000 of the target's 1000 series are new again" in status.last_error
        assert count_series(store, "churn") <= 4_000 + 1_000
        # An hour later there is room for an hour's share, no more.
        await clock.advance(3600)
        await scrape(scraper, clock, times=10)
        assert count_series(store, "churn") <= 5_000 + 1_000

        server.answer = respond('churn{request="same"} 1\n')
        await scrape(scraper, clock)
        assert scraper.status.health == "up"
    store.close()


async def test_a_target_whose_label_changes_keeps_nothing_of_what_is_gone(
    store: TimeSeriesStore, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    metrics = MetricsConfig(churn_per_target=500)
    async with serve(answer_with(churning(500))) as server:
        scraper = make_scraper(server.address, store, client, clock, metrics=metrics)
        await scrape(scraper, clock, times=5)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await scrape(scraper, clock, times=20)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    # What a scrape's 500 series take is about 0.5 MB; 10,000 of them passed by.
    assert after - before < 2_000_000
    store.close()


async def test_a_target_that_restarts_may_renew_all_its_series(
    store: TimeSeriesStore, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    metrics = MetricsConfig(churn_per_target=10)
    async with serve(answer_with(churning(100))) as server:
        scraper = make_scraper(server.address, store, client, clock, metrics=metrics)
        await scrape(scraper, clock, times=2)
        assert scraper.status.health == "up"
        await scrape(scraper, clock, times=3)
        assert scraper.status.health == "down"
    store.close()


async def test_a_target_that_comes_and_goes_begins_no_new_series(
    store: TimeSeriesStore, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    body = churning(100)()
    async with serve(respond(body)) as server:
        scraper = make_scraper(
            server.address, store, client, clock, metrics=MetricsConfig(churn_per_target=10)
        )
        for _ in range(6):
            server.answer = respond(body)
            await scrape(scraper, clock)
            assert scraper.status.health == "up"
            server.answer = respond("", status="503 Oh")
            await scrape(scraper, clock)
    store.close()


@pytest.mark.parametrize(
    ("body", "options", "limit", "message"),
    [
        ("a 1\nb 1\nc 1\n", {"sample_limit": 2}, "sample_limit", "3 samples, more than the 2"),
        ('a{b="1",c="2"} 1\n', {"label_limit": 4}, "label_limit", "has 5 labels, more than the 4"),
        (f'a{{{"b" * 60}="1"}} 1\n', {"label_name_length_limit": 50},
         "label_name_length_limit", "longer than the 50 bytes"),
        (f'a{{b="{"ü" * 30}"}} 1\n', {"label_value_length_limit": 50},
         "label_value_length_limit", "a has the label b with a value longer than the 50 bytes"),
        (f'a{{b="{"x" * 20_000}"}} 1\n', {}, "label_value_length_limit", "16384 bytes"),
        (f'{"a" * 20_000} 1\n', {}, "label_value_length_limit", "16384 bytes"),
        ("a{" + ",".join(f'l{n}="1"' for n in range(100)) + "} 1\n", {}, "label_limit", "the 64"),
        ("a 1\n" * 100, {"body_size_limit": "100B"}, "body_size_limit", "the 100 bytes"),
    ],
)  # fmt: skip
async def test_a_limit_fails_the_scrape_as_a_whole_and_is_named(
    store: TimeSeriesStore,
    client: httpx.AsyncClient,
    clock: FakeClock,
    body: str,
    options: dict[str, Any],
    limit: str,
    message: str,
) -> None:
    async with serve(respond(body)) as server:
        scraper = make_scraper(server.address, store, client, clock, **options)
        await scrape(scraper, clock)

    assert scraper.status.exceeded_limit == limit
    assert message in scraper.status.last_error
    assert len(scraper.status.last_error) < 400
    assert count_series(store, "a") == 0
    assert count_series(store, "up") == 1
    store.close()


async def _drip_headers(writer: asyncio.StreamWriter) -> None:
    for byte in itertools.chain(b"HTTP/1.1 200 OK\r\n", itertools.cycle(b"X-A: b\r\n")):
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(0.01)


async def _gzip_without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n")
    squeeze = zlib.compressobj(wbits=31)
    while not writer.is_closing():
        writer.write(squeeze.compress(b"# nothing\n" * 100_000))
        writer.write(squeeze.flush(zlib.Z_SYNC_FLUSH))
        await writer.drain()
        # So little is sent that nothing else makes it wait.
        await asyncio.sleep(0)


BOMB = gzip.compress(bytes(200_000_000), 9)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (_drip_headers, "did not answer in full within 300ms"),
        (_gzip_without_end, "larger than the 1048576 bytes"),
        (respond(BOMB, headers=GZIPPED), "larger than the 1048576 bytes"),
        (respond(gzip.compress(BOMB), headers=GZIPPED), "line 1: expected a metric's name"),
        (respond(b'a{b="' + b"\\n" * 500_000 + b'"} 1\n'), "label b with a value"),
        (respond(b"a" * 1_000_000), "line 1: expected a value after"),
        (respond(b"# " + b"x" * 1_000_000), ""),
        (respond(b'a{b="1"' * 100_000), "line 1: expected a label"),
        (respond(b"\x00" * 1000), "line 1: expected a metric's name"),
    ],
)
async def test_memory_and_time_stay_bounded(
    store: TimeSeriesStore,
    client: httpx.AsyncClient,
    clock: FakeClock,
    answer: Answer,
    message: str,
) -> None:
    timeout = "300ms" if answer is _drip_headers else "10s"
    async with serve(answer) as server:
        scraper = make_scraper(
            server.address, store, client, clock, body_size_limit="1MB", scrape_timeout=timeout
        )
        tracemalloc.start()
        async with asyncio.timeout(20):
            await scrape(scraper, clock)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert message in scraper.status.last_error
    assert len(scraper.status.last_error) < 400
    assert peak < 30_000_000
    store.close()


async def test_redirects_end_and_lead_nowhere_forbidden(
    store: TimeSeriesStore, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    async with serve(respond("")) as one, serve(respond("")) as other:
        one.answer = respond("", status="302 A", headers=[f"Location: http://{other.address}/"])
        other.answer = respond("", status="302 B", headers=[f"Location: http://{one.address}/"])
        scraper = make_scraper(one.address, store, client, clock)
        await scrape(scraper, clock)
        assert "redirects more than 5 times" in scraper.status.last_error
        assert len(one.requests) + len(other.requests) == 6

        one.answer = respond("", status="302 C", headers=["Location: http://169.254.169.254/"])
        await scrape(scraper, clock)
        assert "may not reach" in scraper.status.last_error

        staying = make_scraper(one.address, store, client, clock, follow_redirects=False)
        await scrape(staying, clock)
        assert staying.status.last_error == "the target answered HTTP 302"
    store.close()
