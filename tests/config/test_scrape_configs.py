"""What people have under `scrape_configs` in a Prometheus configuration."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from resumatch_monitor.config.check import check_config, find_warnings
from resumatch_monitor.config.loader import load_config
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.sizes import parse_size
from resumatch_monitor.metrics.pool import build_pool

FROM_PROMETHEUS = """\
global:
  scrape_interval: 15s
  scrape_timeout: 10s
  sample_limit: 1500
  body_size_limit: 40MB
  label_limit: 30
  external_labels: {cluster: 1}
scrape_configs:
  - job_name: prometheus
    honor_labels: true
    honor_timestamps: false
    scheme: https
    file_sd_configs:
      - files: [foo/*.slow.json, single/file.yml]
        refresh_interval: 10m
    static_configs:
      - targets: ['localhost:9090', 'localhost:9191']
        labels: {my: label, shard: 3}
    relabel_configs:
      - source_labels: [job, __meta_dns_name]
        regex: (.*)some-[regex]
        target_label: job
        replacement: foo-${1}
      - source_labels: [abc]
        target_label: cde
      - replacement: static
        target_label: abc
      - regex:
        replacement: static
        target_label: abc
      - source_labels: [__address__]
        regex: ([^:]+):?.*
        target_label: __address__
        replacement: $1:9100
    authorization: {credentials_file: valid_token_file}
    tls_config: {ca_file: ca.pem, cert_file: cert.pem, key_file: /keys/key.pem, server_name: a}
  - job_name: service-x
    basic_auth: {username: admin_name, password_file: secret}
    scrape_interval: 50s
    scrape_timeout: 5s
    sample_limit: 1000
    body_size_limit: 10MB
    label_limit: 35
    label_name_length_limit: 210
    label_value_length_limit: 210
    target_limit: 35
    keep_dropped_targets: 10
    track_timestamps_staleness: true
    enable_compression: false
    follow_redirects: false
    scrape_protocols: [PrometheusText0.0.4, OpenMetricsText1.0.0]
    params: {module: [http_2xx], depth: [2]}
    metrics_path: /my_path
    http_sd_configs:
      - url: http://sd.example/targets
        refresh_interval: 1m
        bearer_token_file: token
        tls_config: {insecure_skip_verify: true}
    relabel_configs:
      - source_labels: [__address__]
        modulus: 8
        target_label: __tmp_hash
        action: hashmod
      - source_labels: [__tmp_hash]
        regex: 1
        action: keep
      - {action: labelmap, regex: '__meta_(.+)'}
      - {action: LABELDROP, regex: d}
    metric_relabel_configs:
      - source_labels: [__name__]
        regex: expensive_metric.*
        action: drop
      - {source_labels: [env], target_label: env, replacement: '${name}$$', regex: '(?P<name>.*)'}
"""


def load(tmp_path: Path, text: str) -> MonitorConfig:
    path = tmp_path / "monitor.yaml"
    path.write_text(text)
    return load_config(path, {})


def test_a_prometheus_configuration_works_as_it_is(tmp_path: Path) -> None:
    config = load(tmp_path, FROM_PROMETHEUS)

    first, second = config.scrape_configs
    assert first.file_sd_configs[0].files[1] == tmp_path / "single" / "file.yml"
    assert first.tls_config is not None
    assert first.tls_config.ca_file == tmp_path / "ca.pem"
    assert first.tls_config.key_file == Path("/keys/key.pem")
    assert first.static_configs[0].labels["shard"] == "3"
    assert first.relabel_configs[0].replacement == "foo-${1}"
    assert second.basic_auth is not None
    assert second.basic_auth.password_file == tmp_path / "secret"
    assert second.params == {"module": ["http_2xx"], "depth": ["2"]}
    assert second.relabel_configs[1].regex == "1"
    assert second.metric_relabel_configs[1].replacement == "${name}$$"


def test_a_job_has_the_limits_of_global_where_it_says_none(tmp_path: Path) -> None:
    config = load(tmp_path, FROM_PROMETHEUS)
    first, second = (
        build_pool(each, config.global_, config.metrics) for each in config.scrape_configs
    )

    assert (first.limits.samples, second.limits.samples) == (1500, 1000)
    assert first.limits.body_bytes == 40 * 1024 * 1024
    assert second.limits.body_bytes == 10 * 1024 * 1024
    assert (first.limits.labels, second.limits.labels) == (30, 35)
    assert (first.limits.name_bytes, first.limits.value_bytes) == (1024, 16 * 1024)
    assert (second.limits.targets, second.limits.kept_dropped_targets) == (35, 10)


def test_asks_for_formats_as_prometheus_3_does(tmp_path: Path) -> None:
    config = load(tmp_path, FROM_PROMETHEUS)
    first, second = (
        build_pool(each, config.global_, config.metrics) for each in config.scrape_configs
    )

    assert first.accept == (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,"
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    )
    assert second.accept == (
        "text/plain;version=0.0.4;q=0.6,"
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.4"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("proxy_url: http://proxy:3128", "proxy_url: is not supported; requests go to their"),
        ("oauth2: {client_id: a}", "oauth2: OAuth 2 is not supported; use authorization"),
        ("kubernetes_sd_configs: [{role: pod}]",
         "kubernetes_sd_configs: is not supported; targets come from static_configs,"),
        ("relabel_config: []",
         "relabel_config: there is no such key; did you mean 'relabel_configs'?"),
        ("relabel_configs: [{action: keep, regex: '(a'}]",
         "relabel_configs[0].regex: '(a' is not a valid regular expression: missing )"),
        ("relabel_configs: [{action: hashmod, target_label: a}]",
         "relabel_configs[0]: the action hashmod needs a modulus above 0"),
        ("body_size_limit: 10 megabytes",
         "body_size_limit: '10 megabytes' is not a size; write for example 512KB"),
        ("bearer_token: a\n    bearer_token_file: b", "give one of basic_auth, authorization,"),
        ("authorization: {credentials: a, credentials_file: b}", "not both"),
        ("authorization: {type: Basic, credentials: a}", "for the type Basic there is basic_auth"),
        ("tls_config: {cert_file: a}", "cert_file and key_file belong together"),
        ("tls_config: {cert: a}", "tls_config.cert: is not supported; write it to a file"),
        ("file_sd_configs: [{files: [a.txt]}]", "'a.txt' must end with .json, .yml or .yaml"),
        ("file_sd_configs: [{files: ['a*/b.yml']}]", "only the last part may be a pattern"),
        ("http_sd_configs: [{url: 'ftp://a'}]", "must begin with http:// or https://"),
        ("http_sd_configs: [{url: 'http://a', refresh_interval: 0s}]", "must be at least 1s"),
        ("scrape_protocols: [PrometheusProto]", "PrometheusProto is not spoken"),
        ("scrape_protocols: [PrometheusText0.0.4, PrometheusText0.0.4]", "occurs twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_names_its_place(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(f"scrape_configs:\n  - job_name: a\n    {line}\n")

    (problem,) = check_config(path, {})

    place, _, said = problem.removeprefix(f"{path}:").partition(" ")
    assert place.startswith(("2:", "3:"))
    assert message in said


def test_a_key_without_a_value_is_one_that_is_not_there(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "global: {scrape_interval: }\n"
        "scrape_configs:\n"
        "  - job_name: a\n"
        "    params:\n"
        "    relabel_configs:\n"
        "    static_configs: [{targets: , labels: }]\n",
    )

    assert config.scrape_configs[0].static_configs[0].targets == []
    assert config.global_.scrape_interval.total_seconds() == 15


def test_two_jobs_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text("scrape_configs: [{job_name: a}, {job_name: a}]\n")

    (problem,) = check_config(path, {})

    assert "two scrape_configs have the job_name 'a'" in problem


def test_what_has_no_effect_is_said_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(
        "global: {query_log_file: q.log}\n"
        "scrape_configs:\n"
        "  - job_name: a\n"
        "    scrape_classic_histograms: true\n"
        "    enable_http2: false\n"
        "    http_sd_configs: [{url: 'http://a', enable_http2: true}]\n"
    )

    assert check_config(path, {}) == []
    warnings = find_warnings(path)
    assert warnings[0] == (
        f"{path}:1:10: query_log_file: has no effect: queries are not logged to a file"
    )
    assert [line.split(":")[1] for line in warnings] == ["1", "4", "5", "6"]


def test_a_file_that_is_not_there_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    (tmp_path / "token").write_text("x")
    path.write_text(
        "scrape_configs:\n"
        "  - job_name: a\n"
        "    tls_config: {ca_file: ca.pem}\n"
        "    authorization: {credentials_file: token}\n"
        "  - {job_name: b, bearer_token_file: '${HOME:-/root}/token'}\n"
    )

    assert check_config(path, {}) == []
    assert find_warnings(path) == [f"{path}:3:18: ca_file: there is no such file"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("512B", 512), ("1KB", 1024), ("10MB", 10 * 2**20), ("2GiB", 2 * 2**30)],
)
def test_sizes_are_prometheus_own(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "10", "MB", "1.5MB", "-1MB", "10 MB"])
def test_a_size_needs_a_whole_number_and_a_unit(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize("section", [{"targets": ["http://a/"]}, {"targets": ["u@a"]}])
def test_any_address_may_be_discovered_where_relabelling_makes_another(
    section: dict[str, Any],
) -> None:
    job = {"job_name": "a", "static_configs": [section]}
    with pytest.raises(ValidationError, match="is not host:port"):
        MonitorConfig.model_validate({"scrape_configs": [job]})
    job["relabel_configs"] = [{"target_label": "__address__", "replacement": "a:80"}]
    MonitorConfig.model_validate({"scrape_configs": [job]})
