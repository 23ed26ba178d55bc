import math
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.exemplars import build_router
from resumatch_monitor.metrics.exemplars import Exemplar, SeriesExemplars
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.exemplars.log import ExemplarLog
from tests.support import prompb
from tests.support.clock import FakeClock
from tests.support.peers import PROMETHEUS, run_prometheus
from tests.support.prompb import add_series, pack
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

NOW = 1_767_614_400_000
API = {"__name__": "latency_bucket", "job": "api", "le": "1"}
WEB = {"__name__": "latency_bucket", "job": "web", "le": "1"}


@pytest.fixture
async def log(tmp_path: Path) -> AsyncGenerator[ExemplarLog]:
    log = ExemplarLog(tmp_path / "exemplars", capacity=60_000)
    log.open()
    yield log
    log.close()


@pytest.fixture
async def client(log: ExemplarLog, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    router = build_router(exemplars=log, guard=make_guard(), clock=clock)
    async with serve(router, token=CHARLIE) as client:
        yield client


def make(labels: dict[str, str], *exemplars: tuple[int, float]) -> SeriesExemplars:
    return SeriesExemplars(
        Labels.of(labels),
        [Exemplar((("trace_id", f"t{time}"),), value, time) for time, value in exemplars],
    )


async def test_answers_with_the_exemplars_of_every_selector(
    client: httpx.AsyncClient, log: ExemplarLog
) -> None:
    await log.append([make(WEB, (NOW, 0.5)), make(API, (NOW + 1, 0.25), (NOW + 2, math.inf))])
    query = 'rate(latency_bucket{job="api"}[5m]) / latency_bucket or latency_bucket'

    for answer in (
        await client.get("/api/v1/query_exemplars", params={"query": query}),
        await client.post("/api/v1/query_exemplars", data={"query": query}),
    ):
        assert answer.json() == {
            "status": "success",
            "data": [
                {
                    "seriesLabels": API,
                    "exemplars": [
                        {
                            "labels": {"trace_id": f"t{NOW + 1}"},
                            "value": "0.25",
                            "timestamp": 1767614400.001,
                        },
                        {
                            "labels": {"trace_id": f"t{NOW + 2}"},
                            "value": "+Inf",
                            "timestamp": 1767614400.002,
                        },
                    ],
                },
                {
                    "seriesLabels": WEB,
                    "exemplars": [
                        {
                            "labels": {"trace_id": f"t{NOW}"},
                            "value": "0.5",
                            "timestamp": 1767614400,
                        }
                    ],
                },
            ],
        }


@pytest.mark.parametrize(
    ("params", "status", "complaint"),
    [
        ({"query": ""}, 400, "no expression found"),
        ({"query": "x{"}, 400, ""),
        ({"query": "x", "start": "y"}, 400, 'invalid parameter "start"'),
        ({"query": "x", "start": "10", "end": "9.9"}, 400, "end timestamp must not be before"),
    ],
)
async def test_says_what_is_wrong(
    client: httpx.AsyncClient, params: dict[str, str], status: int, complaint: str
) -> None:
    answer = await client.get("/api/v1/query_exemplars", params=params)

    assert answer.status_code == status
    assert answer.json()["errorType"] == "bad_data"
    assert complaint in answer.json()["error"]


async def test_a_large_answer_is_cut_with_a_warning(
    client: httpx.AsyncClient, log: ExemplarLog
) -> None:
    points = [(NOW + number, 1.0) for number in range(30_000)]
    await log.append([make(WEB, *points), make(API, *points)])

    answer = (
        await client.get("/api/v1/query_exemplars", params={"query": "latency_bucket"})
    ).json()

    assert [len(each["exemplars"]) for each in answer["data"]] == [30_000, 20_000]
    assert answer["warnings"] == ["results truncated due to limit"]


async def test_only_the_known_may_ask(log: ExemplarLog, clock: FakeClock) -> None:
    router = build_router(exemplars=log, guard=make_guard(), clock=clock)
    async with serve(router, token=None) as client:
        answer = await client.get("/api/v1/query_exemplars", params={"query": "x"})
    assert answer.status_code == 401


@pytest.mark.peer(PROMETHEUS)
async def test_answers_as_prometheus_does(
    client: httpx.AsyncClient, log: ExemplarLog, tmp_path: Path
) -> None:
    arguments = ("--enable-feature=exemplar-storage",)
    with run_prometheus(tmp_path / "prometheus", arguments=arguments) as peer:
        async with httpx.AsyncClient(base_url=peer.url) as prometheus:
            now = int((await _read(prometheus, query="time()"))["data"]["result"][0] * 1000)
            request = prompb.WriteRequest()
            found = [
                make(WEB, (now - 9, 0.5), (now - 8, math.nan)),
                make(API, (now // 1000 * 1000 - 1000, 12.0), (now - 7, 1e-9)),
            ]
            for each in found:
                add_series(request, each.series, [(now, 1.0)])
                series = add_series(request, each.series)
                for one in each.exemplars:
                    exemplar = series.exemplars.add(value=one.value, timestamp=one.timestamp_ms)
                    for name, value in one.labels:
                        exemplar.labels.add(name=name, value=value)
            body = pack(request.SerializeToString())
            assert (await prometheus.post("/api/v1/write", content=body)).status_code == 204
            await log.append(found)

            for params in (
                {"query": "latency_bucket"},
                {"query": 'rate(latency_bucket{job="web"}[5m]) + on () sum(latency_bucket)'},
                {"query": "latency_bucket", "end": str((now - 8) / 1000)},
                {"query": "latency_bucket", "start": str((now - 8) / 1000)},
                {"query": "nonesuch"},
                {"query": "1 + 1"},
            ):
                theirs = await prometheus.get("/api/v1/query_exemplars", params=params)
                ours = await client.get("/api/v1/query_exemplars", params=params)
                assert ours.status_code == theirs.status_code
                # A time ends in zeros there where a number of ours ends before them.
                assert _load(ours) == _load(theirs), params


def _load(answer: httpx.Response) -> Any:
    return answer.json() if answer.content else None


async def _read(client: httpx.AsyncClient, query: str) -> Any:
    return (await client.get("/api/v1/query", params={"query": query})).json()
