"""Scraping, from a real server on loopback."""

import asyncio
import gzip
import itertools
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.access import AccessProvider
from resumatch_monitor.metrics.config import GlobalConfig, ScrapeConfig
from resumatch_monitor.metrics.exemplars import Exemplar, SeriesExemplars
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.samples import SampleSink, StoreFullError
from resumatch_monitor.metrics.scrape import ScrapeManager
from resumatch_monitor.metrics.scrape_exemplars import ExemplarSink
from resumatch_monitor.metrics.scrape_telemetry import ScrapeTelemetry
from resumatch_monitor.metrics.scraper import TargetScraper
from resumatch_monitor.metrics.targets import Target, build_targets
from tests.metrics.support import Answer, RowRecorder, respond, serve
from tests.metrics.test_writer import stale_in
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

SECRET = "correct-horse-battery"


@pytest.fixture
def sink() -> RowRecorder:
    return RowRecorder()


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    # Loading the system's certificates takes longer than any test here.
    async with build_client(verify=False) as client:
        yield client


def make_target(address: str, labels: dict[str, str] | None = None, **options: Any) -> Target:
    config = ScrapeConfig.model_validate(
        {
            "job_name": "app",
            "scrape_interval": "15s",
            "scrape_timeout": "5s",
            "static_configs": [{"targets": [address], "labels": labels or {}}],
            **options,
        }
    )
    (target,) = build_targets([config], GlobalConfig())
    return target


def make_scraper(
    target: Target,
    sink: SampleSink,
    client: httpx.AsyncClient,
    *,
    metadata: MetadataStore | None = None,
    clock: FakeClock | None = None,
    exemplars: ExemplarSink | None = None,
    pool_error: str = "",
) -> TargetScraper:
    return TargetScraper(
        target=target,
        sink=sink,
        access=AccessProvider(target.config, client),
        clock=clock or FakeClock(),
        telemetry=ScrapeTelemetry(Telemetry()),
        metadata=metadata or MetadataStore(),
        exemplars=exemplars,
        find_pool_error=lambda: pool_error,
    )


async def scrape_once(
    answer: Answer, sink: RowRecorder, client: httpx.AsyncClient, **options: Any
) -> TargetScraper:
    async with serve(answer) as server:
        scraper = make_scraper(make_target(server.address, **options), sink, client)
        await scraper.scrape(0)
    return scraper


def value_of(sink: RowRecorder, name: str, row: int = -1) -> float:
    (value,) = (v for labels, v in sink.row(row).items() if labels.metric_name == name)
    return value


async def test_sends_what_prometheus_sends(sink: RowRecorder, client: httpx.AsyncClient) -> None:
    async with serve(respond("a 1\n")) as server:
        target = make_target(server.address, params={"module": ["x y"]}, metrics_path="/m")
        await make_scraper(target, sink, client).scrape(0)
        (request,) = server.requests

    head, *lines = request.decode().split("\r\n")
    headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}
    assert head == "GET /m?module=x+y HTTP/1.1"
    assert headers["accept"].startswith("application/openmetrics-text;version=1.0.0;escaping")
    assert headers["accept-encoding"] == "gzip"
    assert headers["x-prometheus-scrape-timeout-seconds"] == "5"
    assert headers["user-agent"].startswith("ResuMatchMonitor/")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"basic_auth": {"username": "u", "password": SECRET}},
            "Basic dTpjb3JyZWN0LWhvcnNlLWJhdHRlcnk=",
        ),
        ({"authorization": {"credentials": SECRET}}, f"Bearer {SECRET}"),
    ],
)
async def test_sends_credentials_and_shows_them_nowhere(
    sink: RowRecorder,
    client: httpx.AsyncClient,
    options: dict[str, Any],
    expected: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serve(respond("no", status="401 Unauthorized")) as server:
        target = make_target(server.address, params={"token": [SECRET]}, **options)
        scraper = make_scraper(target, sink, client)
        await scraper.scrape(0)
        (request,) = server.requests

    assert f"authorization: {expected}".lower() in request.decode().lower()
    assert scraper.status.last_error == "the target answered HTTP 401"
    assert "token=***" in scraper.status.url
    assert SECRET not in repr(scraper.status)
    assert SECRET not in target.key
    assert SECRET not in caplog.text


async def test_stores_samples_with_the_targets_labels(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    metadata = MetadataStore()
    text = '# HELP a Things.\n# TYPE a counter\na{job="own"} 1\nb 2\n'
    async with serve(respond(text)) as server:
        target = make_target(server.address, {"env": "test"})
        scraper = make_scraper(target, sink, client, metadata=metadata)
        await scraper.scrape(0)

    labels = {"job": "app", "instance": server.address, "env": "test"}
    assert sink.row()[Labels.of(labels, __name__="a", exported_job="own")] == 1.0
    assert sink.row()[Labels.of(labels, __name__="b")] == 2.0
    assert value_of(sink, "up") == 1.0
    assert scraper.status.health == "up"
    assert scraper.status.samples_scraped == 2
    assert metadata.read("a") == [{"type": "counter", "help": "Things.", "unit": ""}]


async def test_samples_with_their_own_time_are_stored_at_it(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    await scrape_once(respond("a 1 1700000000000\nb 2\n"), sink, client)
    assert [(labels.metric_name, t, v) for labels, t, v in sink.samples] == [
        ("a", [1700000000000], [1.0])
    ]
    assert value_of(sink, "b") == 2.0
    assert value_of(sink, "scrape_samples_scraped") == 2.0

    await scrape_once(respond("a 1 1700000000000\n"), sink, client, honor_timestamps=False)
    assert value_of(sink, "a") == 1.0


async def test_decodes_gzip(sink: RowRecorder, client: httpx.AsyncClient) -> None:
    body = gzip.compress(b"a 1\n") + gzip.compress(b"b 2\n")
    await scrape_once(respond(body, headers=["Content-Encoding: gzip"]), sink, client)

    assert (value_of(sink, "a"), value_of(sink, "b")) == (1.0, 2.0)


async def _trickle(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"# still coming\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"# no end\n" * 1000)
        await writer.drain()


async def _silence(writer: asyncio.StreamWriter) -> None:
    await writer.wait_closed()


async def _long_header(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(160):
        writer.write(b"x" * 65536)
        await writer.drain()


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na 1\n")


async def _nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")


BOMB = gzip.compress(bytes(50_000_000))
GZIPPED = ["Content-Encoding: gzip"]


@pytest.mark.parametrize(
    ("answer", "options", "message"),
    [
        (respond("<html></html>", content_type="text/html; charset=utf-8"), {},
         "answered text/html, which is not a metrics format"),
        (respond("<html></html>"), {}, "line 1: expected a metric's name, found '<html>"),
        (respond("a 1\nb two\n"), {}, "line 2: 'two' is not a value"),
        (respond("oh", status="500 Internal Server Error"), {}, "the target answered HTTP 500"),
        (respond(BOMB, headers=GZIPPED), {"body_size_limit_bytes": 1_000_000},
         "larger than the 1000000 bytes of body_size_limit"),
        (respond(b"a 1", headers=GZIPPED), {}, "not valid gzip"),
        (respond(gzip.compress(b"a 1\n" * 99)[:-20], headers=GZIPPED), {}, "gzip data is cut off"),
        (respond("a 1", headers=["Content-Encoding: br"]), {}, "content encoding 'br', not gzip"),
        (respond("", status="302 Found", headers=["Location: /metrics"]), {},
         "redirects more than 5 times"),
        (respond("a 1\nb 1\nc 1\n"), {"sample_limit": 2}, "more than the 2 samples"),
        (_flood, {"body_size_limit_bytes": 100_000}, "larger than the 100000 bytes"),
        (_trickle, {"scrape_timeout": "200ms"}, "did not answer in full within 200ms"),
        (_silence, {"scrape_timeout": "100ms"}, "did not answer in full within 100ms"),
        (_long_header, {}, "not usable HTTP"),
        (_hang_up, {}, "not usable HTTP"),
        (_nonsense, {}, "not usable HTTP"),
    ],
)  # fmt: skip
async def test_a_bad_answer_is_a_clear_error_and_up_is_0(
    sink: RowRecorder,
    client: httpx.AsyncClient,
    answer: Answer,
    options: dict[str, Any],
    message: str,
) -> None:
    scraper = await scrape_once(answer, sink, client, **options)

    assert message in scraper.status.last_error
    assert scraper.status.health == "down"
    assert value_of(sink, "up") == 0.0


async def test_a_refused_connection_is_a_clear_error(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    async with serve(respond("")) as server:
        address = server.address
    scraper = make_scraper(make_target(address), sink, client)
    await scraper.scrape(0)

    assert scraper.status.last_error.startswith("cannot connect: ")
    assert value_of(sink, "up") == 0.0


async def test_a_metadata_address_is_refused(sink: RowRecorder, client: httpx.AsyncClient) -> None:
    scraper = make_scraper(make_target("169.254.169.254:80"), sink, client)
    await scraper.scrape(0)

    assert "may not reach" in scraper.status.last_error


async def test_follows_a_redirect_without_credentials_for_others(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    async with serve(respond("a 1\n")) as other:
        location = f"Location: http://{other.address}/elsewhere"
        async with serve(respond("", status="307 Moved", headers=[location])) as server:
            target = make_target(server.address, authorization={"credentials": SECRET})
            await make_scraper(target, sink, client).scrape(0)

    assert value_of(sink, "up") == 1.0
    assert SECRET.encode() in server.requests[0]
    assert SECRET.encode() not in other.requests[0]


async def test_a_target_that_fails_has_its_series_marked(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    async with serve(respond("a 1\n")) as server:
        scraper = make_scraper(make_target(server.address), sink, client)
        await scraper.scrape(0)
        server.answer = respond("oh", status="503 Service Unavailable")
        await scraper.scrape(0)

    assert {labels.metric_name for labels in stale_in(sink.row())} == {"a"}


async def test_a_full_store_is_told_apart_from_a_target_that_is_down(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    sink.refusal = StoreFullError("only 5 bytes of disk are free")
    scraper = await scrape_once(respond("a 1\n"), sink, client)

    assert scraper.status.health == "up"
    assert "not stored: only 5 bytes" in scraper.status.last_error


async def test_relabelling_costs_nothing_while_the_series_stay(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    rules = [
        {"source_labels": ["__name__"], "regex": "go_.*", "action": "drop"},
        {"source_labels": ["path"], "regex": "/(.*)", "target_label": "path"},
    ]
    async with serve(respond('a{path="/x"} 1\ngo_threads 2\n')) as server:
        target = make_target(server.address, metric_relabel_configs=rules)
        scraper = make_scraper(target, sink, client)
        await scraper.scrape(0)
        server.answer = respond('a{path="/x"} 7\ngo_threads 3\n')
        await scraper.scrape(1)

    labels = {"job": "app", "instance": server.address}
    assert sink.row()[Labels.of(labels, __name__="a", path="x")] == 7
    assert value_of(sink, "scrape_samples_scraped") == 2
    assert value_of(sink, "scrape_samples_post_metric_relabeling") == 1
    assert sink.rows[0][1] is sink.rows[1][1], "an unchanged layout is the same object"
    status = scraper.status
    assert (status.samples_scraped, status.samples_after_relabelling) == (2, 1)
    assert status.pool == "app"


async def test_an_empty_label_keeps_the_targets_away_where_labels_are_honored(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    text = 'pushed{instance="",job="batch"} 1\n'
    await scrape_once(respond(text), sink, client, honor_labels=True)
    assert Labels.of(__name__="pushed", job="batch") in sink.row()

    scraper = await scrape_once(respond(text), sink, client)
    labels = {"job": "app", "instance": scraper.status.instance, "exported_job": "batch"}
    assert Labels.of(labels, __name__="pushed") in sink.row()


async def test_a_series_with_its_own_times_is_marked_only_on_request(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    for is_tracked in (False, True):
        async with serve(respond("a 1 1700000000000\na 2 1700000001000\n")) as server:
            target = make_target(server.address, track_timestamps_staleness=is_tracked)
            scraper = make_scraper(target, sink, client)
            await scraper.scrape(0)
            server.answer = respond("")
            await scraper.scrape(1)

        assert [t for _, t, _ in sink.samples[-2:]] == [[1700000000000], [1700000001000]]
        marked = {labels.metric_name for labels in stale_in(sink.row())}
        assert marked == ({"a"} if is_tracked else set())


async def test_exemplars_go_to_the_series_that_samples_become(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    kept: list[SeriesExemplars] = []

    class Keeper:
        async def append(self, found: Sequence[SeriesExemplars]) -> None:
            kept.extend(found)

    text = 'a_total 1 # {trace_id="x"} 0.5 1700000000\nb_total 2 # {trace_id="y"} 1\n# EOF\n'
    answer = respond(text, content_type="application/openmetrics-text; version=1.0.0")
    async with serve(answer) as server:
        rules = [{"source_labels": ["__name__"], "regex": "b_.*", "action": "drop"}]
        target = make_target(server.address, metric_relabel_configs=rules)
        scraper = make_scraper(target, sink, client, exemplars=Keeper())
        await scraper.scrape(0)
        await scraper.scrape(1)

    (only,) = kept
    assert only.series == Labels.of(__name__="a_total", **target.labels)
    assert only.exemplars == [Exemplar((("trace_id", "x"),), 0.5, 1_700_000_000_000)]


async def test_a_pool_over_its_limit_is_not_asked(
    sink: RowRecorder, client: httpx.AsyncClient
) -> None:
    async with serve(respond("a 1\n")) as server:
        target = make_target(server.address)
        scraper = make_scraper(target, sink, client, pool_error="too many targets")
        await scraper.scrape(0)

    assert server.requests == []
    assert (scraper.status.last_error, scraper.status.exceeded_limit) == (
        "too many targets",
        "target_limit",
    )
    assert value_of(sink, "up") == 0.0


def make_manager(
    targets: list[Target], sink: RowRecorder, client: httpx.AsyncClient, clock: FakeClock
) -> ScrapeManager:
    return ScrapeManager(
        targets=targets,
        sink=sink,
        client=client,
        clock=clock,
        telemetry=Telemetry(),
        metadata=MetadataStore(),
    )


def mock_client() -> httpx.AsyncClient:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(b"a 1\n"))

    return build_client(transport=httpx.MockTransport(answer))


async def test_scrapes_every_target_once_an_interval(sink: RowRecorder, clock: FakeClock) -> None:
    targets = [make_target(f"host{number}:80") for number in range(4)]
    manager = make_manager(targets, sink, mock_client(), clock)
    running = asyncio.create_task(manager.run())
    for _ in range(61 * 4):
        await clock.advance(0.25)

    by_target = {
        target.key: [at for key, _, at, _ in sink.rows if key == target.key] for target in targets
    }
    for times in by_target.values():
        steps = [later - earlier for earlier, later in itertools.pairwise(times[1:])]
        assert set(steps) == {15_000}
        assert len(times) in (4, 5, 6)
    assert len({times[1] % 15_000 for times in by_target.values()}) == 4, "they are spread"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not stale_in(sink.row()), "a stop is not an end"


async def test_tells_when_every_target_was_scraped_once(
    sink: RowRecorder, clock: FakeClock
) -> None:
    manager = make_manager([make_target("host:80")], sink, mock_client(), clock)
    waiting = asyncio.create_task(manager.wait_until_first_round(30))
    await clock.advance(29)
    assert not waiting.done()
    running = asyncio.create_task(manager.run())
    await clock.advance(1)
    assert await waiting
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert await make_manager([], sink, mock_client(), clock).wait_until_first_round(0)


async def test_does_not_wait_for_ever_for_a_first_round(
    sink: RowRecorder, clock: FakeClock
) -> None:
    manager = make_manager([make_target("host:80")], sink, mock_client(), clock)
    waiting = asyncio.create_task(manager.wait_until_first_round(30))
    await clock.advance(30)

    assert not await waiting


async def test_a_removed_target_ends_and_an_added_one_begins(
    sink: RowRecorder, clock: FakeClock
) -> None:
    manager = make_manager([make_target("old:80")], sink, mock_client(), clock)
    running = asyncio.create_task(manager.run())
    await clock.advance(1)
    assert manager.statuses()[0].last_error == ""
    await manager.replace_targets([make_target("new:80")])
    assert {labels.metric_name for labels in stale_in(sink.row())} >= {"a", "up"}
    await clock.advance(1)

    assert [status.instance for status in manager.statuses()] == ["new:80"]
    assert manager.statuses()[0].health == "up"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_target_at_another_pace_goes_on(sink: RowRecorder, clock: FakeClock) -> None:
    manager = make_manager([make_target("host:80")], sink, mock_client(), clock)
    running = asyncio.create_task(manager.run())
    await clock.advance(1)
    rows = len(sink.rows)
    await manager.replace_targets([make_target("host:80", scrape_interval="5s")])
    assert len(sink.rows) == rows, "nothing has ended"
    await clock.advance(10)

    assert manager.statuses()[0].interval_seconds == 5
    assert len(sink.rows) >= rows + 3
    assert manager.statuses()[0].next_scrape_at is not None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_first_round_waits_for_what_is_still_looked_for(
    sink: RowRecorder, clock: FakeClock
) -> None:
    manager = ScrapeManager(
        targets=(),
        sink=sink,
        client=mock_client(),
        clock=clock,
        telemetry=Telemetry(),
        metadata=MetadataStore(),
        has_more_targets=True,
    )
    waiting = asyncio.create_task(manager.wait_until_first_round(30))
    running = asyncio.create_task(manager.run())
    await clock.advance(1)
    await manager.replace_targets([], is_complete=False)
    await clock.advance(1)
    assert not waiting.done()
    await manager.replace_targets([make_target("host:80")])
    await clock.advance(1)

    assert await waiting
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    "options",
    [
        {"basic_auth": {"username": "u", "password": SECRET}},
        {"authorization": {"credentials": SECRET}},
        {"params": {"api_token": [SECRET]}},
    ],
)
async def test_a_target_that_echoes_the_request_gives_no_secret_away(
    sink: RowRecorder, client: httpx.AsyncClient, options: dict[str, Any]
) -> None:
    echo = f"{SECRET} Basic dTpjb3JyZWN0LWhvcnNlLWJhdHRlcnk= x"

    scraper = await scrape_once(respond(echo), sink, client, **options)

    assert scraper.status.health == "down"
    assert scraper.status.last_error
    shown = scraper.status.last_error
    assert SECRET not in shown
    assert "basic_auth" not in options or "dTpjb3JyZWN0" not in shown


@pytest.mark.parametrize("address", ["", "http://host:80", "host/metrics", "user@host"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        make_target(address)


def test_a_timeout_longer_than_the_global_interval_is_refused() -> None:
    config = ScrapeConfig.model_validate({"job_name": "a", "scrape_timeout": "30s"})

    with pytest.raises(ValueError, match="longer than scrape_interval"):
        build_targets([config], GlobalConfig(scrape_interval=timedelta(seconds=15)))
