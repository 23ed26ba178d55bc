"""The same scrape configurations in a real Prometheus and here: the same targets and series."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.targets import render_prometheus_targets
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.config import GlobalConfig, MetricsConfig, ScrapeConfig
from resumatch_monitor.metrics.discovery import Discovery
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.pool import build_pool
from resumatch_monitor.metrics.samples import is_stale
from resumatch_monitor.metrics.scrape import ScrapeManager
from tests.metrics.support import RowRecorder, respond, serve
from tests.support.peers import run_prometheus

pytestmark = [pytest.mark.anyio, pytest.mark.peer("prometheus")]

EXPOSED = """\
# HELP app_requests_total Requests.
# TYPE app_requests_total counter
app_requests_total{method="GET",path="/Home",code="200"} 10
app_requests_total{method="POST",path="/Home",code="200"} 4
app_requests_total{method="GET",path="/Über",code="500"} 1
app_temperature{room="a b",job="own",instance="own:1"} -3.5
app_temperature{room="c",exported_job="mine",job="own"} 4e9
app_empty{job="",instance=""} 1
app_info{version="1.2.3",commit="abc"} 1
up{why="mine"} 7
go_threads 9
"""
UNSTEADY = ("scrape_duration_seconds", "scrape_series_added")
COUNTS = ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling")

HAND_WRITTEN: dict[str, dict[str, Any]] = {
    "plain": {},
    "honoring": {"honor_labels": True},
    "groups": {
        "static_configs": [
            {"targets": ["ADDRESS"], "labels": {"env": "test", "job": "renamed", "__tmp_x": "1"}},
        ],
    },
    "steered": {
        "params": {"module": ["one", "two"], "other": ["three"]},
        "relabel_configs": [
            {"source_labels": ["__param_module"], "target_label": "module"},
            {"target_label": "__param_module", "replacement": "changed"},
            {"target_label": "__metrics_path__", "replacement": "/elsewhere"},
            {"source_labels": ["__scheme__", "__scrape_interval__", "__scrape_timeout__"],
             "target_label": "how", "separator": "/"},
            {"target_label": "__scrape_timeout__", "replacement": "4s"},
        ],
    },
    "probing": {
        "metrics_path": "/probe",
        "static_configs": [{"targets": ["https://example.com/a?b", "other.example:443"]}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": "ADDRESS"},
        ],
    },
    "dropping": {
        "static_configs": [{"targets": ["ADDRESS", "gone.example:80", "away.example:81"]}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "regex": ".*example.*", "action": "drop"}
        ],
    },
    "sharded": {
        "relabel_configs": [
            {"source_labels": ["__address__"], "modulus": 7, "target_label": "__tmp_hash",
             "action": "hashmod"},
            {"source_labels": ["__tmp_hash"], "target_label": "shard"},
        ],
    },
    "narrowed": {
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "app_.*", "action": "keep"},
            {"source_labels": ["path"], "action": "lowercase", "target_label": "path"},
            {"source_labels": ["method", "code"], "target_label": "both"},
            {"regex": "commit|exported_.*", "action": "labeldrop"},
            {"source_labels": ["__name__"], "regex": "app_(.*)", "target_label": "__name__",
             "replacement": "mine_$1"},
        ],
    },
    "joined": {"metric_relabel_configs": [{"regex": "method|path|code", "action": "labeldrop"}]},
    "nameless": {"metric_relabel_configs": [{"regex": "__name__", "action": "labeldrop"}]},
    "nothing": {"metric_relabel_configs": [{"action": "drop", "source_labels": ["nothing"]}]},
    "too_many": {"sample_limit": 3},
    "few_left": {
        "sample_limit": 1,
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "go_.*", "action": "keep"}
        ],
    },
    "many_labels": {"label_limit": 5},
    "long_names": {"label_name_length_limit": 8},
    "long_values": {"label_value_length_limit": 15},
    "large": {"body_size_limit": "100B"},
}  # fmt: skip


def make_random_rules(source: random.Random, count: int) -> list[dict[str, Any]]:
    names = ["__name__", "method", "path", "code", "room", "version", "fresh", "job", "env"]
    regexes = ["(.*)", "app_(.*)", "(.).*", "GET|own", "", "([a-z_]+);?(.*)", "(?i)get", ".+",
               "(?P<first>.)(?P<rest>.*)", r"\d+", "200"]  # fmt: skip
    replacements = ["$1", "x_$1", "${1}", "$2$1", "${first}", "", "$$", "$1x", "a-$", "${2}-${1}"]
    rules: list[dict[str, Any]] = []
    for _ in range(count):
        action = source.choice(
            ["replace"] * 4
            + ["keep", "drop", "hashmod", "labelmap", "labeldrop", "lowercase", "uppercase"]
            + ["keepequal", "dropequal"]
        )
        sources = source.sample(names, source.randint(1, 2))
        target = source.choice([name for name in names if name != "__name__"])
        rule: dict[str, Any] = {"action": action}
        if action == "labelmap":
            rule |= {
                "regex": source.choice(["(code|room)", "(m.*)", "(v)(.*)"]),
                "replacement": source.choice(["map_$1", "${1}_map", "m_$2_$1"]),
            }
        elif action == "labeldrop":
            rule |= {"regex": source.choice(["code", "room|job", "exported_.*"])}
        elif action in ("keepequal", "dropequal"):
            rule |= {"source_labels": sources[:1], "target_label": target}
        elif action == "hashmod":
            rule |= {"source_labels": sources, "target_label": target, "modulus": 13}
        elif action in ("lowercase", "uppercase"):
            rule |= {"source_labels": sources, "target_label": target}
        elif action in ("keep", "drop"):
            # Nearly everything would be gone after a few that fit badly.
            regex = ".*;?.+" if action == "keep" else "never"
            rule |= {"source_labels": sources, "regex": source.choice([regex, ".*", "x?"])}
            if action == "drop":
                rule["regex"] = source.choice(["never", "GET.*", "1.2.3"])
        else:
            rule |= {
                "source_labels": sources,
                "regex": source.choice(regexes),
                "target_label": source.choice([target, "t_${1}", "$1"]),
                "replacement": source.choice(replacements),
            }
        if source.random() < 0.3 and "source_labels" in rule and "equal" not in action:
            rule["separator"] = source.choice(["", "-", ";;"])
        rules.append(rule)
    return rules


def make_configs(address: str) -> list[dict[str, Any]]:
    source = random.Random(20260105)
    jobs = dict(HAND_WRITTEN)
    for number in range(60):
        jobs[f"random_{number}"] = {
            "metric_relabel_configs": make_random_rules(source, source.randint(1, 5)),
            # No drops of targets: each job is to have series.
            "relabel_configs": [
                rule
                for rule in make_random_rules(source, 3)
                if rule["action"] in ("replace", "hashmod", "labelmap", "uppercase")
                and rule.get("target_label") != "job"
            ],
        }
    configs = [
        {
            "job_name": name,
            "scrape_interval": "5s",
            "scrape_timeout": "5s",
            "static_configs": [{"targets": ["ADDRESS"], "labels": {"env": "Test"}}],
            **config,
        }
        for name, config in jobs.items()
    ]
    found: list[dict[str, Any]] = json.loads(json.dumps(configs).replace("ADDRESS", address))
    return found


@pytest.fixture
async def target() -> AsyncGenerator[str]:
    async with serve(respond(EXPOSED)) as server:
        yield server.address


Series = dict[tuple[tuple[str, str], ...], float]


async def ask_prometheus(
    folder: Path, configs: list[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Series]]:
    config = json.dumps({"scrape_configs": configs})
    with run_prometheus(folder, config=config) as peer:
        async with build_client(verify=False) as client:
            targets = await _wait_until_scraped(client, peer.url)
            found: dict[str, Series] = {}
            answer = await client.get(
                f"{peer.url}/api/v1/query", params={"query": '{__name__=~".+"}'}
            )
            for each in answer.json()["data"]["result"]:
                _add(found, each["metric"], float(each["value"][1]))
    return targets, found


async def _wait_until_scraped(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            data = (await client.get(f"{url}/api/v1/targets")).json()["data"]
            if data["activeTargets"] and all(
                not each["lastScrape"].startswith("0001") for each in data["activeTargets"]
            ):
                # A scrape that is told of is not yet stored.
                await asyncio.sleep(1.5)
                return (await client.get(f"{url}/api/v1/targets")).json()["data"]
            await asyncio.sleep(0.05)


async def scrape_here(
    configs: list[dict[str, Any]],
) -> tuple[dict[str, Any], dict[str, Series]]:
    clock, sink = SystemClock(), RowRecorder()
    async with build_client(verify=False) as client:
        manager = ScrapeManager(
            targets=(),
            sink=sink,
            client=client,
            clock=clock,
            telemetry=Telemetry(),
            metadata=MetadataStore(),
            has_more_targets=True,
        )
        # Names as they were before Prometheus 3.
        everyone = GlobalConfig(metric_name_validation_scheme="legacy")
        pools = [
            build_pool(ScrapeConfig.model_validate(each), everyone, MetricsConfig())
            for each in configs
        ]
        discovery = Discovery(
            pools,
            apply=manager.replace_targets,
            get_access=manager.get_access,
            clock=clock,
            telemetry=Telemetry(),
        )
        running = [asyncio.create_task(loop()) for loop in (manager.run, discovery.run)]
        assert await manager.wait_until_first_round(30)
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        targets: dict[str, Any] = render_prometheus_targets([manager], discovery)
    found: dict[str, Series] = {}
    for _, layout, _, values in sink.rows:
        stale = is_stale(values)
        for labels, value, is_gone in zip(layout.labels, values.tolist(), stale, strict=True):
            if not is_gone:
                _add(found, dict(labels), value)
    return targets, found


def _add(found: dict[str, Series], labels: dict[str, str], value: float) -> None:
    if labels["__name__"] not in UNSTEADY:
        found.setdefault(labels.get("job", ""), {})[tuple(sorted(labels.items()))] = value


def comparable(targets: list[dict[str, Any]], *keys: str) -> list[str]:
    return sorted(json.dumps([each.get(key) for key in keys], sort_keys=True) for each in targets)


def assert_same(ours: list[str], theirs: list[str]) -> None:
    only_ours, only_theirs = set(ours) - set(theirs), set(theirs) - set(ours)
    assert not only_ours | only_theirs, "\n".join((*only_ours, "but", *only_theirs))


async def test_the_same_targets_and_series_as_prometheus(target: str, tmp_path: Path) -> None:
    configs = make_configs(target)
    their_targets, theirs = await ask_prometheus(tmp_path, configs)
    our_targets, ours = await scrape_here(configs)

    for kind, keys in (
        ("activeTargets", ("scrapePool", "labels", "health", "scrapeUrl")),
        ("activeTargets", ("scrapePool", "scrapeInterval", "scrapeTimeout")),
        ("droppedTargets", ("discoveredLabels",)),
    ):
        assert_same(comparable(our_targets[kind], *keys), comparable(their_targets[kind], *keys))
    # Prometheus 2.42 tells of values that relabelling replaced as if they had been discovered.
    names = [
        sorted((each["scrapePool"], sorted(each["discoveredLabels"])) for each in found)
        for found in (our_targets["activeTargets"], their_targets["activeTargets"])
    ]
    assert names[0] == names[1]
    failed = {each["scrapePool"] for each in our_targets["activeTargets"] if each["lastError"]}
    assert {"too_many", "many_labels", "long_names", "long_values", "large", "nameless"} <= failed
    assert sorted(ours) == sorted(theirs)
    for job, series in theirs.items():
        # How far a scrape that fails gets before it does is nobody's promise.
        left_out = COUNTS if job in failed else ()
        assert_same(
            *(
                sorted(
                    repr(each)
                    for each in found.items()
                    if dict(each[0])["__name__"] not in left_out
                )
                for found in (ours[job], series)
            )
        )
