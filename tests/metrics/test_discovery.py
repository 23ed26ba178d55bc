"""Targets from files and HTTP endpoints, while they change."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.access import AccessProvider
from resumatch_monitor.metrics.config import GlobalConfig, MetricsConfig, ScrapeConfig
from resumatch_monitor.metrics.discovery import Discovery
from resumatch_monitor.metrics.discovery_sources import DiscoveryError, parse_groups
from resumatch_monitor.metrics.http_config import HTTPClientConfig
from resumatch_monitor.metrics.pool import ScrapePool, build_pool
from resumatch_monitor.metrics.targets import Target
from tests.metrics.support import respond, serve
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

SECRET = "correct-horse-battery"


class Told:
    """Remembers which targets there are."""

    def __init__(self) -> None:
        self.targets: Sequence[Target] = ()
        self.errors: Mapping[ScrapePool, str] = {}
        self.is_complete = False
        self._changed = asyncio.Event()

    async def apply(
        self, targets: Sequence[Target], errors: Mapping[ScrapePool, str], is_complete: bool
    ) -> None:
        self.targets, self.errors, self.is_complete = targets, errors, is_complete
        self._changed.set()

    @property
    def instances(self) -> list[str]:
        return [target.instance for target in self.targets]

    async def wait_for(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()


@contextlib.asynccontextmanager
async def discovering(told: Told, clock: FakeClock, **config: Any) -> AsyncGenerator[Discovery]:
    async with build_client(verify=False) as client:

        def get_access(http: HTTPClientConfig) -> AccessProvider:
            return AccessProvider(http, client)

        scrape = ScrapeConfig.model_validate({"job_name": "app", **config})
        pool = build_pool(scrape, GlobalConfig(), MetricsConfig())
        discovery = Discovery(
            [pool], apply=told.apply, get_access=get_access, clock=clock, telemetry=Telemetry()
        )
        running = asyncio.create_task(discovery.run())
        try:
            yield discovery
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def advance_until(clock: FakeClock, told: Told, is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await clock.advance(1)
            # Files are read on a thread, which no clock of ours hurries.
            await asyncio.to_thread(lambda: None)


def write(path: Path, *addresses: str, **labels: str) -> None:
    groups = [{"targets": list(addresses), "labels": labels}]
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(groups))
    fresh.replace(path)


async def test_targets_come_from_json_and_yaml_files(tmp_path: Path, clock: FakeClock) -> None:
    write(tmp_path / "web-1.json", "a:80", "b:80", env="test")
    (tmp_path / "web-2.yml").write_text("- targets: [c:80]\n  labels: {shard: 1}\n")
    (tmp_path / "other.json").write_text("not read")
    told = Told()
    files = [str(tmp_path / "web-*.json"), str(tmp_path / "web-*.yml")]
    async with discovering(told, clock, file_sd_configs=[{"files": files}]) as discovery:
        await told.wait_for(lambda: told.is_complete)

    assert told.instances == ["a:80", "b:80", "c:80"]
    assert told.targets[0].labels == {"job": "app", "instance": "a:80", "env": "test"}
    assert told.targets[2].labels["shard"] == "1"
    assert told.targets[0].discovered["__meta_filepath"] == str(tmp_path / "web-1.json")
    (status,) = discovery.pools()[0].discoveries
    assert (status.kind, status.targets, status.last_error) == ("file", 3, "")


async def test_a_changed_file_is_read_and_a_broken_one_keeps_its_targets(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "targets.json"
    write(path, "a:80")
    told = Told()
    async with discovering(told, clock, file_sd_configs=[{"files": [str(path)]}]) as discovery:
        await told.wait_for(lambda: told.instances == ["a:80"])
        write(path, "a:80", "b:80")
        await advance_until(clock, told, lambda: told.instances == ["a:80", "b:80"])
        path.write_text('[{"targets": ["c:80"}]')
        source = lambda: discovery.pools()[0].discoveries[0]  # noqa: E731
        await advance_until(clock, told, lambda: bool(source().last_error))
        assert source().last_error.startswith("targets.json: line 1, column ")
        assert told.instances == ["a:80", "b:80"]
        write(path, "d:80")
        await advance_until(clock, told, lambda: told.instances == ["d:80"])
        assert source().last_error == ""
        path.unlink()
        await advance_until(clock, told, lambda: not told.instances)
        assert source().last_error == "no file matches"


async def test_targets_come_from_an_http_endpoint_and_stay_when_it_fails(
    clock: FakeClock,
) -> None:
    told = Told()
    answer = json.dumps([{"targets": ["a:80"], "labels": {"__meta_zone": "eu"}}])
    async with serve(respond(answer, content_type="application/json")) as server:
        config = {
            "url": f"http://{server.address}/targets?token={SECRET}",
            "authorization": {"credentials": SECRET},
            "refresh_interval": "30s",
        }
        relabel = [{"source_labels": ["__meta_zone"], "target_label": "zone"}]
        async with discovering(
            told, clock, http_sd_configs=[config], relabel_configs=relabel
        ) as discovery:
            await told.wait_for(lambda: told.is_complete)
            assert told.targets[0].labels["zone"] == "eu"
            assert SECRET not in repr(told.targets[0].discovered)
            request = server.requests[0].decode().lower()
            assert f"authorization: bearer {SECRET}" in request
            assert "x-prometheus-refresh-interval-seconds: 30" in request

            source = lambda: discovery.pools()[0].discoveries[0]  # noqa: E731
            assert SECRET not in source().name
            for broken, message in (
                (respond("oh", status="500 Oh"), "the endpoint answered HTTP 500"),
                (respond("[]", content_type="text/html"), "text/html, not application/json"),
                (respond('{"a":', content_type="application/json"), "not JSON"),
                (respond(f'[{{"{SECRET}": 1}}]', content_type="application/json"), "no key '…'"),
            ):
                server.answer = broken
                await advance_until(clock, told, lambda: message in source().last_error)  # noqa: B023
                assert told.instances == ["a:80"]


async def test_says_what_relabelling_dropped_and_what_makes_no_target(clock: FakeClock) -> None:
    told = Told()
    groups = [{"targets": ["a:80", "b:80", "c:80", "https://d/metrics"]}]
    relabel = [
        {"action": "drop", "source_labels": ["__address__"], "regex": "[ab]:80"},
    ]
    async with discovering(
        told,
        clock,
        static_configs=groups,
        relabel_configs=relabel,
        keep_dropped_targets=1,
        params={"auth_token": [SECRET]},
    ) as discovery:
        await told.wait_for(lambda: told.is_complete)

    assert told.instances == ["c:80"]
    (pool,) = discovery.pools()
    assert pool.dropped == 2
    assert "is not host:port" in pool.error
    (dropped,) = discovery.dropped()
    assert dropped.discovered_labels["__address__"] == "a:80"
    assert SECRET not in repr(discovery.dropped())


async def test_a_password_in_an_address_is_shown_nowhere(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    groups = [{"targets": [f"https://user:{SECRET}@a/", f"user:{SECRET}@b:80", "c:80"]}]
    relabel = [{"action": "drop", "source_labels": ["__address__"], "regex": "https.*"}]
    async with discovering(
        told, clock, static_configs=groups, relabel_configs=relabel
    ) as discovery:
        await told.wait_for(lambda: told.is_complete)

    assert SECRET not in repr((discovery.pools(), discovery.dropped()))
    assert "***@b:80" in discovery.pools()[0].error
    assert SECRET not in caplog.text


async def test_more_targets_than_the_limit_fail_with_a_reason(clock: FakeClock) -> None:
    told = Told()
    groups = [{"targets": ["a:80", "b:80", "c:80"]}]
    async with discovering(told, clock, static_configs=groups, target_limit=2) as discovery:
        await told.wait_for(lambda: told.is_complete)

    assert told.instances == ["a:80", "b:80"]
    assert list(told.errors.values()) == ["the job has 3 targets, more than the 2 of target_limit"]
    assert discovery.pools()[0].error == "the job has 3 targets, more than the 2 of target_limit"


NO_LISTS: list[tuple[object, str | None]] = [
    ({}, "it is not a list of groups of targets"),
    ([1], "group 1: is not an object"),
    ([{"targets": []}, {"target": []}], "group 2: there is no key 'target'"),
    ([{"targets": "a:80"}], "group 1: targets is not a list of texts"),
    ([{"targets": [80]}], "group 1: targets is not a list of texts"),
    ([{"targets": [], "labels": {"a": []}}], "group 1: the label 'a' is not a text"),
    ([{"targets": [], "labels": []}], None),
    ([{"targets": ["a"] * 100_001}], "group 1: it names more than 100000 targets"),
]


@pytest.mark.parametrize(("groups", "message"), NO_LISTS)
def test_a_list_that_makes_no_sense_names_the_group(groups: object, message: str | None) -> None:
    if message is None:
        assert parse_groups(groups, {}) == []
        return
    with pytest.raises(DiscoveryError, match=message.replace("group 1: it", "it")):
        parse_groups(groups, {})
