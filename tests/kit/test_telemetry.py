import re

from prometheus_client import generate_latest

from resumatch_monitor.kit.telemetry import SIGNALS, Telemetry

OWN = re.compile(r"^(resumatch_monitor_|process_|python_)")


def test_every_series_of_the_monitor_carries_its_name() -> None:
    lines = generate_latest(Telemetry().registry).decode().splitlines()

    assert [line for line in lines if not line.startswith("#") and not OWN.match(line)] == []


def test_what_waits_is_there_before_anything_waits() -> None:
    registry = Telemetry().registry

    for signal in SIGNALS:
        labels = {"signal": signal}
        assert registry.get_sample_value("resumatch_monitor_ingest_pending", labels) == 0


def test_two_monitors_in_one_process_share_nothing() -> None:
    first, second = Telemetry(), Telemetry()

    first.ingest_rejected.labels("errors", "too_large").inc()

    labels = {"signal": "errors", "reason": "too_large"}
    name = "resumatch_monitor_ingest_rejected_total"
    assert first.registry.get_sample_value(name, labels) == 1
    assert second.registry.get_sample_value(name, labels) is None
