"""`kill -9` in the middle of everything: nothing acknowledged is lost, nothing is told twice."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from resumatch.demo.processes import Processes
from tests.acceptance.envelopes import Sender
from tests.acceptance.messages import Catcher, message_ids, titles
from tests.acceptance.monitor import PROJECT_KEY, TOKEN, MonitorProcess
from tests.acceptance.ports import choose_ports
from tests.acceptance.targets import CountingTarget
from tests.acceptance.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.alone, pytest.mark.timeout(240)]

KILLS = int(os.environ.get("ACCEPTANCE_KILLS", "5"))
_KINDS = ("BasketError", "PaymentError")
_FLAG_ALERT = "FlagRaised"
_RANGE = "[1h]"
_RULES = f"""
groups:
  - name: kills
    rules:
      - alert: {_FLAG_ALERT}
        expr: acceptance_flag == 1
        labels: {{severity: critical, flag: "flag-{{{{ $labels.n }}}}-"}}
        annotations: {{summary: "A flag is up"}}
"""

Samples = dict[str, dict[float, str]]
"""The samples of each series by time, in the digits of the answer."""


@dataclass
class Battered:
    """A monitor under load, everything that it is fed with, and what was seen before each kill."""

    monitor: MonitorProcess
    target: CountingTarget
    catcher: Catcher
    senders: list[Sender]
    kills: int = 0
    seen: list[Samples] = field(default_factory=list[Samples])

    @property
    def acknowledged(self) -> int:
        return sum(len(sender.acknowledged) for sender in self.senders)

    def read_samples(self) -> Samples:
        """Return every sample that the monitor has of its two targets."""
        found: Samples = {}
        for job in ("target", "resumatch-monitor"):
            for series in self.monitor.api.query(f'{{job="{job}"}}{_RANGE}'):
                labels = ",".join(f"{name}={value}" for name, value in series["metric"].items())
                found[labels] = dict(series["values"])
        return found

    def kill_and_start(self) -> None:
        """Kill it, and start it again on what is left."""
        self.seen.append(self.read_samples())
        self.monitor.kill()
        self.kills += 1
        self.monitor.start()


@pytest.fixture
def battered(tmp_path: Path, processes: Processes) -> Iterator[Battered]:
    http_port, smtp_port, port = choose_ports(3)
    # More flags than kills: the first is raised before, and one at each.
    target = CountingTarget(flags=KILLS + 1)
    catcher = Catcher(name="kill-catcher", folder=tmp_path, ports=(http_port, smtp_port))
    (tmp_path / "rules.yml").write_text(_RULES)
    config = tmp_path / "monitor.yaml"
    config.write_text(_render_config(port, target, catcher))
    monitor = MonitorProcess(
        name="kill-monitor",
        config=config,
        data=tmp_path / "data",
        port=port,
        processes=processes,
    )
    senders = [Sender(monitor.envelope_url, kind=kind) for kind in _KINDS]
    target.start()
    try:
        catcher.start(processes)
        monitor.start()
        for sender in senders:
            sender.start()
        yield Battered(monitor, target, catcher, senders)
    finally:
        for sender in senders:
            if sender.is_alive():
                sender.stop()
        monitor.close()
        catcher.close()
        target.stop()


def _render_config(port: int, target: CountingTarget, catcher: Catcher) -> str:
    return f"""
external_url: http://127.0.0.1:{port}
auth:
  tokens: [{{name: acceptance, token: {TOKEN}, role: editor}}]
projects: [{{id: 1, slug: shop, key: "{PROJECT_KEY}"}}]
errors: {{events_per_issue: 1000000}}
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
default_rules: false
rule_files: [rules.yml]
scrape_configs:
  - job_name: target
    static_configs: [{{targets: ["{target.address}"]}}]
  - job_name: resumatch-monitor
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
alerting:
  route:
    group_by: [alertname, n, issue]
    group_wait: 0s
    group_interval: 1s{catcher.receiver_yaml}"""


def test_kill_nine_loses_nothing_acknowledged_and_tells_nothing_twice(battered: Battered) -> None:
    seed = int(os.environ.get("ACCEPTANCE_SEED", str(random.randrange(10**6))))
    print(f"ACCEPTANCE_SEED={seed} repeats the order of this run")  # noqa: T201
    rng = random.Random(seed)
    battered.target.set_flag(0, is_raised=True)
    settled = wait_until(lambda: _find_settled(battered, 0), "the first flag's messages")

    for kill in range(1, KILLS + 1):
        # Its alert is somewhere between the scrape and the message when the kill comes.
        battered.target.set_flag(kill, is_raised=True)
        goal = battered.acknowledged + rng.randint(5, 80)
        wait_until(lambda goal=goal: battered.acknowledged >= goal, "events are acknowledged")
        battered.kill_and_start()

    for number in range(1, KILLS + 1):
        wait_until(lambda number=number: _find_settled(battered, number), f"flag {number} is told")
    _check_events(battered)
    _check_samples(battered)
    still_firing = _find_settled(battered, 0)
    assert still_firing is not None
    assert still_firing["starts_at"] == settled["starts_at"]
    _lower_all_flags(battered)
    _check_messages(battered)


def _find_settled(battered: Battered, number: int) -> dict[str, Any] | None:
    """Return the alert of a flag when it fires and all channels are told and noted."""
    for alert in battered.monitor.api.items("/api/monitor/alerts", status="firing"):
        if alert["labels"].get("n") == str(number):
            path = f"/api/monitor/alerts/{alert['fingerprint']}"
            deliveries = battered.monitor.api.get(path)["notifications"]
            sent = [each for each in deliveries if each["status"] == "sent"]
            return alert if len(sent) == 3 else None
    return None


def _lower_all_flags(battered: Battered) -> None:
    for number in range(KILLS + 1):
        battered.target.set_flag(number, is_raised=False)

    def is_everything_told() -> bool:
        # Those about the new issues last as long as the issues go on.
        firing = [
            alert
            for alert in battered.monitor.api.items("/api/monitor/alerts", status="firing")
            if alert["labels"]["alertname"] == _FLAG_ALERT
        ]
        deliveries = list(battered.monitor.api.items("/api/monitor/notifications"))
        waiting = [each for each in deliveries if each["status"] in ("queued", "retrying")]
        ended = [each for each in deliveries if each["kind"] == "resolved"]
        return not firing and not waiting and len(ended) >= 3 * (KILLS + 1)

    wait_until(is_everything_told, "all flags are down and told")


def _check_events(battered: Battered) -> None:
    for sender in battered.senders:
        sender.stop()
    api = battered.monitor.api
    pending = 'resumatch_monitor_ingest_pending{signal="errors"}'
    wait_until(lambda: api.own_metric(pending) == 0, "everything is digested")
    issues = {each["type"]: each for each in api.items("/api/monitor/issues", status="unresolved")}
    assert sorted(issues) == sorted(_KINDS)
    for sender, kind in zip(battered.senders, _KINDS, strict=True):
        issue = issues[kind]
        events = list(api.items(f"/api/monitor/issues/{issue['id']}/events"))
        stored = Counter(each["event_id"] for each in events)
        assert stored.total() == len(stored), "an event is there twice"
        assert set(sender.acknowledged) <= set(stored), "an acknowledged event is lost"
        assert set(stored) <= set(sender.sent)
        assert issue["event_count"] == len(stored)
    print(f"{battered.acknowledged} acknowledged events, {battered.kills} kills")  # noqa: T201


def _check_samples(battered: Battered) -> None:
    after = battered.read_samples()
    for before in battered.seen:
        for series, samples in before.items():
            assert series in after, f"{series} is gone"
            changed = samples.items() - after[series].items()
            assert not changed, f"{series} has lost or changed {sorted(changed)[:5]}"
    counter = next(each for name, each in after.items() if "acceptance_scrapes_total" in name)
    stored = [int(value) for _, value in sorted(counter.items())]
    assert stored == sorted(set(stored)), "a scrape is there twice, or in the wrong order"
    # Of the scrapes that the target answered, a kill may lose the one that was under way.
    missing = set(range(1, battered.target.scrapes)) - set(stored)
    assert len(missing) <= battered.kills, f"scrapes {sorted(missing)} are not stored"
    samples = sum(map(len, after.values()))
    print(f"{len(after)} series, {samples} samples, {len(missing)} scrapes cut off")  # noqa: T201


def _check_messages(battered: Battered) -> None:
    catcher = battered.catcher
    for number in range(KILLS + 1):
        mails = catcher.messages(channel="email", about=f"flag-{number}-")
        for word in ("FIRING", "RESOLVED"):
            told = [each for each in mails if word in each["title"]]
            assert told, f"{word} of flag {number} is forgotten"
            # A mail that was accepted in the moment of the kill comes again under its own id,
            # which is how a mail server knows it for the same one.
            assert len(message_ids(told)) == 1, titles(told)
    for channel in ("email", "slack", "webhook"):
        found = titles(catcher.messages(channel=channel, about="flag-0-"))
        assert len(found) == 2, f"what was settled before the kills was told again: {found}"
    for kind in _KINDS:
        # Not the mails: those of other alerts name the newest issue as well.
        told = {
            each["key"]: each["title"]
            for each in catcher.messages(channel="webhook", about=kind)
            if any(kind in str(alert) for alert in each["details"]["alerts"])
        }
        assert len(told) == 1, told
