"""What speaks to Prometheus speaks to the monitor: promtool, and clients that know its answers."""

import subprocess
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest

from tests.support.monitor import TOKEN, RunningMonitor, run_monitor
from tests.support.peers import PROMETHEUS, Peer, run_prometheus

pytestmark = pytest.mark.peer(PROMETHEUS)

RULES = """
groups:
  - name: g
    interval: 1s
    rules:
      - {record: "job:up:sum", expr: "sum by (job) (up)"}
      - alert: Down
        expr: up == 0
        for: 10m
        labels: {severity: page}
        annotations: {a: "{{ $value }}"}
"""
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: peer
    basic_auth: {{username: me, password: not-to-be-shown}}
    static_configs: [{{targets: ["{address}"], labels: {{zone: a}}}}]
  - job_name: gone
    static_configs: [{{targets: ["127.0.0.1:1"]}}]
"""
WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A Prometheus and a monitor that scrape the same: that Prometheus."""

    peer: Peer
    monitor: RunningMonitor
    ours: httpx.Client
    theirs: httpx.Client


# Both are only asked: one pair does for all tests.
@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Generator[Pair]:
    folder = tmp_path_factory.mktemp("clients")
    with (
        run_prometheus(folder / "prometheus") as peer,
        httpx.Client(base_url=peer.url, trust_env=False) as theirs,
    ):
        config = CONFIG.format(address=peer.url.removeprefix("http://"))
        (peer.folder / "rules.yml").write_text(RULES)
        (peer.folder / "prometheus.yml").write_text(config)
        theirs.post("/-/reload").raise_for_status()
        (folder / "monitor").mkdir()
        (folder / "monitor" / "rules.yml").write_text(RULES)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with (
            run_monitor(folder / "monitor", config=f"{config}\ndefault_rules: false\n") as monitor,
            httpx.Client(base_url=monitor.url, headers=headers, trust_env=False) as ours,
        ):
            for client in (ours, theirs):
                wait_for_samples(client)
            yield Pair(peer, monitor, ours, theirs)


def wait_for_samples(client: httpx.Client) -> None:
    """Wait until both targets were asked, the rules evaluated and an alert is pending."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        recorded = client.get("/api/v1/query", params={"query": "job:up:sum"}).json()
        pending = client.get("/api/v1/alerts").json()
        targets = client.get("/api/v1/targets").json()["data"]["activeTargets"]
        if (
            len(recorded["data"]["result"]) == 2
            and pending["data"]["alerts"]
            and {each["health"] for each in targets} == {"up", "down"}
        ):
            return
        time.sleep(0.1)
    raise AssertionError("the first samples did not come")


def promtool(*arguments: str) -> str:
    done = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_token(monitor: RunningMonitor) -> str:
    """Return the address with the token as the password, the one way that promtool has."""
    return monitor.url.replace("http://", f"http://promtool:{TOKEN}@")


def test_promtool_asks_at_one_moment(pair: Pair) -> None:
    shown = promtool("query", "instant", with_token(pair.monitor), 'up{job="peer"}')

    assert shown.startswith('up{instance="')
    assert 'job="peer", zone="a"} => 1 @[' in shown


def test_promtool_asks_over_a_range(pair: Pair) -> None:
    now = int(time.time())
    period = ("--start", str(now - 20), "--end", str(now + 2), "--step", "1s")
    shown = promtool("query", "range", *period, with_token(pair.monitor), "sum(up)")

    assert shown.startswith("{} =>\n")
    assert "\n1 @[" in shown


def test_promtool_lists_series_and_labels(pair: Pair) -> None:
    address = with_token(pair.monitor)
    series = promtool("query", "series", "--match", 'up{job="gone"}', address)
    values = promtool("query", "labels", address, "job")

    assert '__name__="up"' in series
    assert 'job="gone"' in series
    assert values.split() == ["gone", "peer"]


def test_promtool_shows_an_error_as_of_prometheus(pair: Pair) -> None:
    done = subprocess.run(
        ["promtool", "query", "instant", with_token(pair.monitor), "sum("],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert 'bad_data: invalid parameter "query": ' in done.stderr
    assert "parse error: " in done.stderr


def shape_of(value: Any) -> Any:
    """Return what a JSON value is made of: the keys of objects, and the kinds of the rest."""
    if isinstance(value, dict):
        members = cast("Mapping[str, Any]", value)
        return {key: shape_of(each) for key, each in members.items()}
    if isinstance(value, list):
        items = cast("list[Any]", value)
        shapes = [shape_of(each) for each in items]
        return [merge(shapes)] if shapes else []
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def merge(shapes: list[Any]) -> Any:
    """Return one shape for the items of a list: of objects all keys that any has."""
    if all(isinstance(each, dict) for each in shapes):
        return {key: each[key] for each in shapes for key in each}
    return sorted({str(each) for each in shapes})


def find_differences(theirs: Any, ours: Any, place: str = "") -> list[str]:
    """Return where `ours` lacks a key of `theirs` or has something of another kind."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        expected, found = cast("Mapping[str, Any]", theirs), cast("Mapping[str, Any]", ours)
        return [
            problem
            for key, each in expected.items()
            for problem in (
                find_differences(each, found[key], f"{place}.{key}")
                if key in found
                else [f"{place}.{key} is missing"]
            )
        ]
    if isinstance(theirs, list) and isinstance(ours, list):
        wanted, got = cast("list[Any]", theirs), cast("list[Any]", ours)
        if len(wanted) != len(got):
            return [f"{place} is {got}, not {wanted}"]
        pairs = zip(wanted, got, strict=True)
        return [problem for a, b in pairs for problem in find_differences(a, b, f"{place}[]")]
    return [] if theirs == ours else [f"{place} is {ours}, not {theirs}"]


NOW = {"start": "{ago}", "end": "{now}", "step": "1"}
SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("query", {"query": "up"}),
    ("query", {"query": "up", "stats": "all"}),
    ("query", {"query": "up[5s]"}),
    ("query", {"query": "1 + 1"}),
    ("query", {"query": '"text"'}),
    ("query", {"query": "nosuch"}),
    ("query_range", {"query": "up", **NOW}),
    ("query_range", {"query": "sum(up)", "stats": "true", **NOW}),
    ("query_range", {"query": "nosuch", **NOW}),
    ("series", {"match[]": "up"}),
    ("series", {"match[]": ["up", "nosuch"], "start": "{ago}"}),
    ("labels", {}),
    ("labels", {"match[]": "nosuch"}),
    ("label/job/values", {}),
    ("label/nosuch/values", {}),
    ("metadata", {"metric": "prometheus_build_info"}),
    ("metadata", {"limit": "0"}),
    ("targets/metadata", {"metric": "prometheus_build_info"}),
    ("targets", {}),
    ("targets", {"state": "dropped"}),
    ("rules", {}),
    ("rules", {"type": "record"}),
    ("alerts", {}),
    ("alertmanagers", {}),
    ("scrape_pools", {}),
    ("format_query", {"query": "sum(up)by(job)"}),
    ("status/config", {}),
    ("status/runtimeinfo", {}),
    ("status/buildinfo", {}),
    ("status/tsdb", {}),
    ("status/walreplay", {}),
]


@pytest.mark.parametrize(("path", "params"), SHAPES)
def test_answers_have_the_shape_of_prometheus(
    pair: Pair, path: str, params: dict[str, Any]
) -> None:
    theirs, ours = ask_both(pair, path, params)

    assert ours.status_code == theirs.status_code == 200
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert find_differences(shape_of(theirs.json()), shape_of(ours.json())) == []


NUMBERS = ("0", "-0", "1/3", "0.1 + 0.2", "1e-5", "1e-6", "-1.25e-6", "1e-7", "5e-324", "1e15")
LARGE_NUMBERS = ("1e16", "123456789012345678901", "1e20", "1e21", "-2.5e300", "NaN", "Inf", "-Inf")


@pytest.mark.parametrize("number", NUMBERS + LARGE_NUMBERS)
def test_numbers_are_written_byte_for_byte_as_prometheus_does(pair: Pair, number: str) -> None:
    at_once = {"query": f"vector({number})", "time": "1700000000.5"}
    over_time = {"query": f"vector({number})", "start": "1.25", "end": "3", "step": "0.6"}

    for path, params in (("query", at_once), ("query_range", over_time)):
        theirs, ours = ask_both(pair, path, params)
        assert ours.content == theirs.content


@pytest.mark.parametrize("query", ["1e21", "-1/0", '"a\\"ü\\n"', "-(1e-9)"])
def test_scalars_and_strings_are_those_of_prometheus(pair: Pair, query: str) -> None:
    theirs, ours = ask_both(pair, "query", {"query": query, "time": "1700000000.5"})

    assert ours.json() == theirs.json()


ERRORS: list[tuple[str, dict[str, Any]]] = [
    ("query", {"query": "up", "time": "x"}),
    ("query", {"query": "up", "timeout": "x"}),
    ("query_range", {"query": "up"}),
    ("query_range", {"query": "up", "start": "1", "end": "x", "step": "1"}),
    ("query_range", {"query": "up", "start": "1", "end": "0", "step": "1"}),
    ("query_range", {"query": "up", "start": "1", "end": "2", "step": "x"}),
    ("query_range", {"query": "up", "start": "1", "end": "2", "step": "0"}),
    ("query_range", {"query": "up", "start": "1", "end": "2", "step": "1e30"}),
    ("query_range", {"query": "up", "start": "1", "end": "200000", "step": "1"}),
    ("series", {}),
    ("series", {"match[]": "{{}}"}),
    ("series", {"match[]": "up", "start": "x"}),
    ("labels", {"end": "x"}),
    ("metadata", {"limit": "x"}),
    ("targets/metadata", {"limit": "x"}),
    ("rules", {"type": "x"}),
]


@pytest.mark.parametrize(("path", "params"), ERRORS)
def test_errors_have_the_words_of_prometheus(pair: Pair, path: str, params: dict[str, Any]) -> None:
    theirs, ours = ask_both(pair, path, params)

    assert ours.status_code == theirs.status_code
    assert ours.json() == theirs.json()


KINDS: list[dict[str, str]] = [
    {"query": "sum("},
    {"query": ""},
    {"query": "foo(up)"},
    {"query": "rate(up)"},
    {"query": '{{__name__=~".*"}}'},
    {"query": 'up{{job=~"("}}'},
    {"query": "up", "timeout": "0.0000001"},
    {"query": 'label_replace(up, "x", "$1", "job", "(")'},
]


@pytest.mark.parametrize("params", KINDS)
def test_errors_of_queries_have_the_kind_of_prometheus(pair: Pair, params: dict[str, str]) -> None:
    theirs, ours = ask_both(pair, "query", params)

    begin = 'invalid parameter "query": '
    assert ours.status_code == theirs.status_code
    assert ours.json()["errorType"] == theirs.json()["errorType"]
    assert ours.json()["error"].startswith(begin) == theirs.json()["error"].startswith(begin)


def test_both_tell_the_same_latest_samples(pair: Pair) -> None:
    params = {"match[]": 'up{job="peer"}'}
    ours, theirs = (client.get("/federate", params=params) for client in (pair.ours, pair.theirs))

    assert ours.headers["content-type"] == theirs.headers["content-type"]
    first, second = ours.text.splitlines(), theirs.text.splitlines()
    assert first[0] == second[0] == "# TYPE up untyped"
    assert first[1].rpartition(" ")[0] == second[1].rpartition(" ")[0]


def test_the_configuration_is_shown_without_its_secrets(pair: Pair) -> None:
    text = pair.ours.get("/api/v1/status/config").text

    assert "not-to-be-shown" not in text
    assert TOKEN not in text
    assert "<secret>" in text.replace("\\u003c", "<").replace("\\u003e", ">")


def ask_both(
    pair: Pair, path: str, params: Mapping[str, Any]
) -> tuple[httpx.Response, httpx.Response]:
    """Return how Prometheus and the monitor answer the same request."""
    now = time.time()

    def fill(value: Any) -> Any:
        if isinstance(value, list):
            return [fill(each) for each in cast("list[str]", value)]
        return str(value).format(now=now, ago=now - 10)

    filled = {name: fill(value) for name, value in params.items()}
    theirs, ours = (
        client.get(f"/api/v1/{path}", params=filled) for client in (pair.theirs, pair.ours)
    )
    return theirs, ours
