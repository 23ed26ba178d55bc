from pathlib import Path

import pytest

from resumatch_monitor.config.loader import ConfigError, load_config, parse_config
from resumatch_monitor.config.tree import MonitorConfig


def parse(text: str, **environment: str) -> MonitorConfig:
    return parse_config(text, source="monitor.yaml", environment=environment)


def problems_of(text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, **environment)
    return [str(problem) for problem in caught.value.problems]


def test_an_empty_file_is_the_default_configuration() -> None:
    assert parse("") == MonitorConfig()


def test_takes_secrets_from_the_environment() -> None:
    config = parse(
        "collectors:\n  postgres:\n    - {name: main, dsn: 'postgresql://u:${PASSWORD}@db/x'}\n",
        PASSWORD="s3cret$",
    )

    assert config.collectors.postgres[0].dsn.get_secret_value() == "postgresql://u:s3cret$@db/x"
    assert "s3cret" not in repr(config)


def test_a_default_and_an_escaped_dollar_are_taken_literally() -> None:
    assert parse("external_url: 'http://${HOST:-localhost}/$$x'").external_url == (
        "http://localhost/$x"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "external_url: '${NOWHERE}'",
            "monitor.yaml:1:15: external_url: the environment variable NOWHERE is not set",
        ),
        (
            "scrape_config: []",
            "monitor.yaml:1:1: scrape_config: there is no such key; did you mean 'scrape_configs'?",
        ),
        (
            "scrape_configs:\n  - job_name: a\n    scrape_intervall: 5s\n",
            "monitor.yaml:3:5: scrape_configs[0].scrape_intervall: there is no such key;"
            " did you mean 'scrape_interval'?",
        ),
        (
            "scrape_configs:\n  - job_name: a\n    scrape_interval: 5 sec\n",
            "monitor.yaml:3:22: scrape_configs[0].scrape_interval: '5 sec' is not a duration;"
            " write for example 30s, 5m, 1h30m or 7d",
        ),
        (
            "probes:\n  - {type: http, name: web, url: 'http://a', keywords: x}\n",
            "monitor.yaml:2:46: probes[0].keywords: there is no such key; did you mean 'keyword'?",
        ),
        (
            "probes:\n  - {type: http, name: web}\n",
            "monitor.yaml:2:5: probes[0].url: this key is required and missing",
        ),
        ("a: [1\nb: 2", "monitor.yaml:2:2: did not find expected ',' or ']'"),
        ("a: 1\na: 2", "monitor.yaml:2:1: the key 'a' occurs twice"),
        ("just text", "monitor.yaml:1:1: expected keys and values"),
        (
            "probes:\n  - {type: http, name: web, url: 'http://a'}\n"
            "  - {type: http, name: Web, url: 'http://b'}\n",
            "monitor.yaml:2:3: probes: two probes have the same name: web",
        ),
        (
            "projects:\n  - {id: 1, slug: a, key: 0123456789abcdef0123456789abcdef}\n"
            "  - {id: 1, slug: b, key: 1123456789abcdef0123456789abcdef}\n",
            "monitor.yaml:2:3: projects: two projects have the same id",
        ),
        (
            "collectors:\n  redis:\n    - {name: a, url: 'redis://a'}\n    - {name: a, url: 'redis://b'}\n",
            "monitor.yaml:2:3: collectors: two collectors of the job redis are named a",
        ),
        (
            "scrape_configs:\n  - {job_name: a, scrape_interval: 5s, scrape_timeout: 5s,"
            " static_configs: [{targets: ['http://x/']}]}\n",
            "monitor.yaml:2:88: scrape_configs[0].static_configs[0].targets[0]: 'http://x/' is not"
            " host:port; the path belongs in metrics_path",
        ),
        (
            "scrape_configs:\n  - job_name: a\n    scrape_timeout: 20s\n"
            "    static_configs: [{targets: [x]}]\n",
            "monitor.yaml:1:1: scrape_configs, job 'a': scrape_timeout is longer than"
            " scrape_interval",
        ),
        (
            "alerting:\n  route: {receiver: nobody}\n",
            "monitor.yaml:2:3: alerting: route names the receiver 'nobody', which is not there",
        ),
    ],
)
def test_an_error_names_file_line_column_and_key(text: str, expected: str) -> None:
    assert problems_of(text) == [expected]


def test_every_problem_is_told_at_once() -> None:
    assert len(problems_of("one: 1\ntwo: 2\nglobal: {scrape_interval: soon}")) == 3


def test_no_error_shows_a_secret() -> None:
    told = problems_of("auth:\n  tokens:\n    - {name: ci, token: short-secret, role: king}")

    assert len(told) == 2
    assert "short-secret" not in "".join(told)


def test_aliases_that_unfold_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert "too large" in problems_of("\n".join(lines))[0]


def test_rule_files_are_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text("rule_files: ['rules/*.yml']")

    config = load_config(tmp_path / "monitor.yaml", {})

    assert config.rule_files == [tmp_path / "rules" / "*.yml"]


def test_a_missing_file_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.yaml", {})


def test_a_file_that_is_not_utf8_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_bytes(b"# fine\n\xff\xfe")

    with pytest.raises(ConfigError, match="2:1: the file is not UTF-8"):
        load_config(tmp_path / "monitor.yaml", {})
