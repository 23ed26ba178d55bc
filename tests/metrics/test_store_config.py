from pathlib import Path

import pytest

from resumatch_monitor.config.check import check_config
from resumatch_monitor.config.loader import ConfigError, parse_config
from resumatch_monitor.metrics.store_config import ExternalStoreConfig

SECRET = "s3cret-s3cret"


def parse(section: str) -> ExternalStoreConfig:
    text = f"metrics:\n  store:\n{section}"
    store = parse_config(text, source="test", environment={"KEY": SECRET}).metrics.store
    assert store is not None
    return store


def test_without_it_the_monitor_keeps_the_samples() -> None:
    assert parse_config("", source="test", environment={}).metrics.store is None


def test_an_address_is_enough() -> None:
    store = parse("    url: http://prometheus:9090/\n")

    assert store.url == "http://prometheus:9090"
    assert store.address_for_writes == "http://prometheus:9090/api/v1/write"
    assert store.all_headers == {}


def test_everything_that_mimir_needs() -> None:
    store = parse(
        "    url: https://mimir.example.org/prometheus\n"
        "    write_url: https://mimir.example.org/api/v1/push\n"
        "    tenant: team-a\n"
        "    headers: {X-Key: '${KEY}'}\n"
        "    basic_auth: {username: monitor, password: '${KEY}'}\n"
        "    tls_config: {insecure_skip_verify: true}\n"
        "    timeout: 5s\n"
        "    queue: {max_bytes: 2GB, shards: 4, max_age: 1h, resend_window: 0s}\n"
    )

    assert store.address_for_writes == "https://mimir.example.org/api/v1/push"
    assert store.all_headers == {"X-Key": SECRET, "X-Scope-OrgID": "team-a"}
    assert store.queue.max_bytes == 2 * 1024**3
    assert SECRET not in repr(store)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("    tenant: a\n", "url"),
        ("    url: prometheus:9090\n", "must be an address such as"),
        ("    url: http://prometheus:port\n", "must be an address such as"),
        (f"    url: http://me:{SECRET}@prometheus\n", "credentials belong in basic_auth"),
        (f"    url: http://prometheus?key={SECRET}\n", "neither a query nor a fragment"),
        ("    url: http://a\n    write_url: ftp://a\n", "must be an address such as"),
        (
            "    url: http://a\n    headers: {Content-Type: x}\n",
            "Content-Type is set by the monitor",
        ),
        ("    url: http://a\n    headers: {'a b': x}\n", "no name of a header"),
        ('    url: http://a\n    headers: {X-Key: "a\\nb"}\n', "cannot be sent"),
        (
            "    url: http://a\n    tenant: x\n    headers: {x-scope-orgid: y}\n",
            "tenant or the header",
        ),
        (
            "    url: http://a\n    bearer_token: x\n    headers: {authorization: y}\n",
            "beside the configured one",
        ),
        ("    url: http://a\n    timeout: 0s\n", "timeout must be longer"),
        ("    url: http://a\n    follow_redirects: true\n", "follow_redirects"),
        ("    url: http://a\n    queue: {shards: 17}\n", "less than or equal to 16"),
        ("    url: http://a\n    queue: {max_bytes: 10}\n", "greater than or equal to 1048576"),
        ("    url: http://a\n    ur: x\n", "there is no such key"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(section: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(section)

    assert message in str(caught.value)
    assert "metrics.store" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_check_config_checks_it(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text("metrics:\n  store: {url: nowhere}\n")

    (problem,) = check_config(path, {})

    assert problem.startswith(f"{path}:2:")
    assert "metrics.store.url" in problem
