import pytest

from resumatch_monitor.metrics.otlp.names import name_label, name_metric


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("http.server.duration", "s", "", "http_server_duration_seconds"),
        ("http.server.duration.seconds", "s", "", "http_server_duration_seconds"),
        ("http.server.request.duration", "ms", "", "http_server_request_duration_milliseconds"),
        ("requests", "", "counter", "requests_total"),
        ("requests.total", "1", "counter", "requests_total"),
        ("total.requests", "{request}", "counter", "requests_total"),
        ("sent", "By", "counter", "sent_bytes_total"),
        ("cpu.utilization", "1", "gauge", "cpu_utilization_ratio"),
        ("cpu.utilization", "1", "", "cpu_utilization"),
        ("speed", "m/s", "gauge", "speed_meters_per_second"),
        ("rate", "{packets}/s", "gauge", "rate_per_second"),
        ("rate", "By/{packet}", "gauge", "rate_bytes"),
        ("rate", "km/h", "gauge", "rate_km_per_hour"),
        ("odd", "°F", "gauge", "odd_F"),
        ("odd", "a b/c d", "gauge", "odd_a_b_per_c_d"),
        ("a__b..c", "", "gauge", "a_b_c"),
        ("job:rate:5m", "", "gauge", "job:rate:5m"),
        ("2xx.responses", "", "counter", "_2xx_responses_total"),
        ("température", "Cel", "gauge", "temp_rature_celsius"),
        ("...", "", "gauge", ""),
        ("", "%", "gauge", "percent"),
    ],
)
def test_names_metrics_as_prometheus_does(name: str, unit: str, kind: str, expected: str) -> None:
    found = name_metric(name, unit, is_counter=kind == "counter", is_gauge=kind == "gauge")

    assert found == expected


@pytest.mark.parametrize(
    ("attribute", "label"),
    [
        ("http.route", "http_route"),
        ("a-b c", "a_b_c"),
        ("1st", "key_1st"),
        ("_hidden", "key_hidden"),
        ("__reserved__", "__reserved__"),
        ("naïve", "na_ve"),
        ("...", ""),
        ("", ""),
    ],
)
def test_names_labels_as_prometheus_does(attribute: str, label: str) -> None:
    assert name_label(attribute) == label
