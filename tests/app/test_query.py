"""The command `query`, against the monitor's own API over HTTP and against a stopped store."""

import asyncio
import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest

from resumatch_monitor.app.folder import AlreadyRunningError, lock_folder
from resumatch_monitor.app.query import (
    RENDERERS,
    QueryFailedError,
    fetch,
    parse_question,
    read_store,
)
from resumatch_monitor.app.query.result import QueryResult, ResultSeries
from resumatch_monitor.app.query.times import Question
from resumatch_monitor.app.recovery import NoDataError
from resumatch_monitor.cli import main
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import RowLayout
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NOW_MS = to_milliseconds(NOW)
URL = "http://monitor.test:9700"

Answer = Callable[[httpx.Request], httpx.Response]


def ask(expr: str = "up", **flags: str) -> Question:
    given = {name: flags.get(name) for name in ("time", "to", "step")}
    return parse_question(expr, from_=flags.get("from_"), now=NOW, **given)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW_MS),
        ("now-1h", NOW_MS - 3_600_000),
        ("now + 5m", NOW_MS + 300_000),
        ("2026-01-05T11:00:00Z", NOW_MS - 3_600_000),
        ("2026-01-05T13:00:00+01:00", NOW_MS),
        ("2026-01-05T12:00", NOW_MS),
        ("1000.5", 1_000_500),
    ],
)
def test_reads_moments(text: str, expected: int) -> None:
    assert ask(time=text) == Question("up", expected, expected, None)


@pytest.mark.parametrize(
    ("from_", "step", "expected"),
    [
        ("now-1h", "30s", 30_000),
        ("now-1h", "15", 15_000),
        ("now-1h", "", 60_000),
        ("now-1m", "", 1_000),
        ("now-30d", "", 86_400_000),
        ("now-1y", "", 7 * 86_400_000),
    ],
)
def test_reads_ranges(from_: str, step: str, expected: int) -> None:
    question = ask(from_=from_, **({"step": step} if step else {}))

    assert (question.end_ms, question.step_ms) == (NOW_MS, expected)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"time": "soon"}, "--time 'soon' cannot be read"),
        ({"time": "now-1x"}, "--time"),
        ({"to": "now"}, "needs --from"),
        ({"from_": "now", "time": "now"}, "choose one"),
        ({"from_": "now", "to": "now-1h"}, "--from is after --to"),
        ({"from_": "now-1h", "step": "0"}, "--step"),
        ({"from_": "now-1h", "step": "often"}, "--step"),
    ],
)
def test_says_which_flag_is_wrong(flags: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ask(**flags)


def answering(answer: Answer) -> httpx.MockTransport:
    return httpx.MockTransport(answer)


def success(result_type: str, result: object, **more: object) -> httpx.Response:
    data = {"resultType": result_type, "result": result}
    return httpx.Response(200, json={"status": "success", "data": data, **more})


async def test_asks_as_prometheus_is_asked() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return success("vector", [{"metric": {"job": "api"}, "value": [1.5, "7"]}], warnings=["w"])

    result = await fetch(
        ask(time="1.5"), url=f"{URL}/", token="secret", transport=answering(answer)
    )
    await fetch(ask(from_="0", to="60", step="15s"), url=URL, token="", transport=answering(answer))

    instant, ranged = requests
    assert str(instant.url) == f"{URL}/api/v1/query"
    assert instant.headers["Authorization"] == "Bearer secret"
    assert instant.content == b"query=up&time=1.500"
    assert str(ranged.url) == f"{URL}/api/v1/query_range"
    assert "Authorization" not in ranged.headers
    assert ranged.content == b"query=up&start=0.000&end=60.000&step=15.000"
    assert result == QueryResult("vector", [ResultSeries({"job": "api"}, [(1.5, "7")])], ["w"])


def refuse(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def replying(status: int, document: object = None) -> Answer:
    def answer(_: httpx.Request) -> httpx.Response:
        if document is None:
            return httpx.Response(status, text="<html>")
        return httpx.Response(status, json=document)

    return answer


def be_slow(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refuse, "cannot be reached: connection refused"),
        (be_slow, "has not answered in time"),
        (replying(401), "give a token"),
        (replying(403), "give a token"),
        (replying(404), r"does not answer as .* \(HTTP 404\)"),
        (replying(200, [1]), "does not answer as"),
        (replying(200, {"status": "success", "data": {}}), "does not answer as"),
        (replying(400, {"status": "error", "error": "parse error: x"}), "^parse error: x$"),
    ],
)
async def test_says_in_words_why_there_is_no_answer(answer: Answer, message: str) -> None:
    with pytest.raises(QueryFailedError, match=message) as failure:
        await fetch(ask(), url=URL, token="secret", transport=answering(answer))

    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("url", ["monitor", "ftp://monitor", "http://[", "http://a:b"])
async def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(QueryFailedError, match="no address"):
        await fetch(ask(), url=url, token="")


VECTOR = QueryResult(
    "vector",
    [
        ResultSeries({"__name__": "up", "job": "api", "instance": "a:1"}, [(0.0, "1")]),
        ResultSeries({"__name__": "up", "job": "database\x1b[31m"}, [(0.0, "0.25")]),
    ],
)
MATRIX = QueryResult(
    "matrix", [ResultSeries({"__name__": "up", "job": "a"}, [(0.0, "1"), (15.5, "10")])]
)
SCALAR = QueryResult("scalar", [ResultSeries({}, [(0.0, "42")])])


def test_renders_tables() -> None:
    render = RENDERERS["table"]

    assert render(VECTOR).splitlines() == [
        "metric  instance  job            value",
        "up      a:1       api                1",
        "up                database\ufffd[31m   0.25",
    ]
    assert render(MATRIX).splitlines() == [
        'up{job="a"}',
        "  1970-01-01T00:00:00Z       1",
        "  1970-01-01T00:00:15.500Z  10",
    ]
    assert render(SCALAR) == "42"
    assert render(QueryResult("vector", [])) == "No series."


def test_renders_csv() -> None:
    rows = list(csv.reader(io.StringIO(RENDERERS["csv"](MATRIX))))

    assert rows == [
        ["__name__", "job", "time", "value"],
        ["up", "a", "1970-01-01T00:00:00Z", "1"],
        ["up", "a", "1970-01-01T00:00:15.500Z", "10"],
    ]


def test_renders_json_as_the_api_does() -> None:
    render = RENDERERS["json"]

    assert json.loads(render(MATRIX))["result"] == [
        {"metric": {"__name__": "up", "job": "a"}, "values": [[0.0, "1"], [15.5, "10"]]}
    ]
    assert json.loads(render(SCALAR)) == {"resultType": "scalar", "result": [0.0, "42"]}
    assert json.loads(render(VECTOR))["result"][0]["value"] == [0.0, "1"]


@pytest.fixture
async def data(tmp_path: Path, clock: FakeClock) -> Path:
    """The folder of a monitor that has scraped two series and was stopped."""
    store = TimeSeriesStore(tmp_path / "metrics", clock=clock, telemetry=Telemetry())
    store.open()
    layout = RowLayout([Labels.of({"__name__": "up"}, job=job) for job in ("api", "db")])
    for number in range(5):
        at_ms = NOW_MS + number * 15_000
        await store.append_row("key", layout, at_ms, np.array([1.0, float(number)]))
    store.close()
    return tmp_path


def run(question: Question, data: Path, clock: FakeClock) -> QueryResult:
    return read_store(question, data=data, clock=clock)


async def test_reads_the_store_of_a_stopped_monitor(data: Path, clock: FakeClock) -> None:
    instant = run(ask(time="now+1m"), data, clock)
    ranged = run(ask("sum(up)", from_="now", to="now+1m", step="30s"), data, clock)
    scalar = run(ask("1 + 1"), data, clock)
    text = run(ask("'text'"), data, clock)
    raw = run(ask('up{job="db"}[1m]', time="now+1m"), data, clock)

    assert instant.kind == "vector"
    assert [dict(each.labels)["job"] for each in instant.series] == ["api", "db"]
    assert [each.points for each in instant.series] == [
        [(NOW_MS / 1000 + 60, "1")],
        [(NOW_MS / 1000 + 60, "4")],
    ]
    assert [value for _, value in ranged.series[0].points] == ["1", "3", "5"]
    assert (scalar.series[0].points[0][1], text.series[0].points[0][1]) == ("2", "text")
    assert [value for _, value in raw.series[0].points] == ["1", "2", "3", "4"]


async def test_says_why_a_store_does_not_answer(data: Path, clock: FakeClock) -> None:
    with pytest.raises(QueryFailedError, match="parse error"):
        run(ask("sum("), data, clock)
    with pytest.raises(NoDataError):
        run(ask(), data / "absent", clock)
    with lock_folder(data), pytest.raises(AlreadyRunningError):
        run(ask(), data, clock)


def query(*arguments: str) -> int:
    return main(["query", *arguments])


async def test_the_command_prints_the_answer_or_what_is_wrong(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = str(NOW_MS // 1000 + 60)

    async def run_command(*arguments: Sequence[str] | str) -> int:
        return await asyncio.to_thread(query, *map(str, arguments))

    assert await run_command("up", "--data", str(data), "--time", at) == 0
    assert await run_command("sum(up", "--data", str(data)) == 1
    assert await run_command("up", "--data", str(data), "--time", "soon") == 2
    assert await run_command("up", "--data", str(data / "absent")) == 1
    assert await run_command("up", "--url", "monitor") == 1

    output = capsys.readouterr()
    assert output.out.splitlines()[0] == "metric  job  value"
    assert "parse error" in output.err
    assert "--time 'soon' cannot be read" in output.err
    assert "'monitor' is no address" in output.err
