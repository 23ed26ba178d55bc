"""`kill -9` amid alerts that fire, end, are acknowledged and escalate: told once, and truly."""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from resumatch.demo.processes import Processes
from tests.acceptance.lives import Ears, Life, Teller, find_told
from tests.acceptance.messages import Catcher, Message
from tests.acceptance.monitor import TOKEN, MonitorProcess
from tests.acceptance.ports import choose_ports
from tests.acceptance.story import parse_time
from tests.acceptance.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

KILLS = int(os.environ.get("ACCEPTANCE_KILLS", "4"))
_TELLERS = 5
_ESCALATE_AFTER_SECONDS = 2


@dataclass
class Scene:
    """The monitor, the people's ends of its channels, and those who push alerts."""

    monitor: MonitorProcess
    catcher: Catcher
    ears: Ears


@pytest.fixture
def scene(tmp_path: Path, processes: Processes) -> Iterator[Scene]:
    http_port, smtp_port, port = choose_ports(3)
    catcher = Catcher(name="alert-catcher", folder=tmp_path, ports=(http_port, smtp_port))
    config = tmp_path / "monitor.yaml"
    config.write_text(json.dumps(_build_config(catcher)))
    monitor = MonitorProcess(
        name="alert-monitor",
        config=config,
        data=tmp_path / "data",
        port=port,
        processes=processes,
    )
    ears = Ears(catcher)
    try:
        catcher.start(processes)
        monitor.start()
        ears.start()
        yield Scene(monitor, catcher, ears)
    finally:
        if ears.is_alive():
            ears.stop()
        monitor.close()
        catcher.close()


def _build_config(catcher: Catcher) -> dict[str, Any]:
    return {
        "auth": {"tokens": [{"name": "acceptance", "token": TOKEN, "role": "editor"}]},
        "default_rules": False,
        "alerting": {
            "max_messages_per_hour": 0,
            "receivers": [
                {
                    "name": "team",
                    "email": [catcher.email],
                    "webhook": [{"url": f"{catcher.url}/webhook"}],
                    "pagerduty": [catcher.pagerduty],
                }
            ],
            "escalations": [
                {
                    "name": "up",
                    "steps": [{"after": f"{_ESCALATE_AFTER_SECONDS}s", "channels": ["pagerduty"]}],
                }
            ],
            "route": {
                "receiver": "team",
                "group_by": ["alertname"],
                "group_wait": "0s",
                "group_interval": "1s",
                "routes": [
                    {"matchers": ['severity="critical"']},
                    {"channels": ["webhook"], "escalation": "up"},
                ],
            },
        },
    }


def test_kill_nine_amid_alerts_loses_none_and_tells_none_twice(scene: Scene) -> None:
    seed = int(os.environ.get("ACCEPTANCE_SEED", str(random.randrange(10**6))))
    print(f"ACCEPTANCE_SEED={seed} repeats the order of this run")  # noqa: T201
    rng = random.Random(seed)
    tellers = [Teller(scene.monitor, scene.ears, number=n, seed=seed) for n in range(_TELLERS)]
    for teller in tellers:
        teller.start()

    for _ in range(KILLS):
        time.sleep(rng.uniform(0.05, 2.0))
        scene.monitor.kill()
        scene.monitor.start()
    lives = [life for teller in tellers for life in teller.finish()]

    _wait_until_all_is_told(scene, lives)
    scene.ears.stop()
    messages = scene.catcher.messages()
    repeated = sum(Counter((each["channel"], each["key"]) for each in messages).values()) - len(
        {(each["channel"], each["key"]) for each in messages}
    )
    twice = [
        (life.name, channel, kind, titles)
        for life in lives
        for channel in ("email", "webhook", "pagerduty")
        for kind in ("firing", "resolved")
        if len(titles := _distinct(find_told(messages, channel, life.name, kind))) > 1
    ]
    print(  # noqa: T201
        f"{KILLS} kills, {len(lives)} alerts, {len(messages)} messages; {repeated} came again"
        f" with the key that they had before, {len(twice)} were told twice"
    )
    assert twice == []
    for life in lives:
        _check_life(life, messages)
    _check_acknowledged(scene, lives)


def _wait_until_all_is_told(scene: Scene, lives: list[Life]) -> None:
    """Wait until nothing is to be said any more."""
    over = {life.name for life in lives if life.is_over}
    lasting = {life.name for life in lives if not life.is_over}
    api = scene.monitor.api

    missing: list[object] = []

    def is_all_told() -> bool:
        firing = {each["name"] for each in api.items("/api/monitor/alerts", status="firing")}
        deliveries = list(api.items("/api/monitor/notifications"))
        waiting = [each for each in deliveries if each["status"] in ("queued", "retrying")]
        messages = scene.catcher.messages()
        ended = {n for n in over if find_told(messages, "webhook", n, "resolved")}
        missing[:] = [firing ^ lasting, waiting, over - ended]
        return not any(missing)

    try:
        wait_until(is_all_told, "everything is told")
    except TimeoutError as error:
        error.add_note(f"fires or not, waits, was not told: {missing}")
        raise


def _distinct(messages: list[Message]) -> list[str]:
    """Return the titles of messages that are not the same one again."""
    return list({each["key"]: each["title"] for each in messages}.values())


def _check_life(life: Life, messages: list[Message]) -> None:
    def count(channel: str, kind: str) -> int:
        return len(_distinct(find_told(messages, channel, life.name, kind)))

    ends = int(life.is_over)
    pages = count("pagerduty", "firing")
    assert (count("webhook", "firing"), count("webhook", "resolved")) == (1, ends), life
    if life.severity == "critical":
        assert (count("email", "firing"), count("email", "resolved")) == (1, ends), life
        assert pages == 1, life
    elif life.acknowledged_at is None:
        assert pages == 1, life
    assert count("pagerduty", "resolved") == pages * ends, life
    keys = {
        each["details"]["dedup_key"]
        for kind in ("firing", "resolved")
        for each in find_told(messages, "pagerduty", life.name, kind)
    }
    assert len(keys) <= 1, life


def _check_acknowledged(scene: Scene, lives: list[Life]) -> None:
    """Check that nobody was paged for a warning after the acknowledgement was answered."""
    api = scene.monitor.api
    pages = {
        alert["name"]: parse_time(each["created_at"])
        for each in api.items("/api/monitor/notifications")
        if each["integration"] == "pagerduty" and each["kind"] == "firing"
        for alert in each["alerts"]
    }
    for life in lives:
        if life.acknowledged_at is not None:
            (alert,) = api.items("/api/monitor/alerts", name=life.name)
            assert alert["handling"]["acknowledged_at"], life
            assert pages.get(life.name, life.acknowledged_at) <= life.acknowledged_at, life
