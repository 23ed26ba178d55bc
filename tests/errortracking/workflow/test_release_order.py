from datetime import UTC, datetime, timedelta

import pytest

from resumatch_monitor.errortracking.workflow.release_order import (
    find_newest,
    is_newer,
    parse_version,
)

START = datetime(2026, 1, 5, tzinfo=UTC)
SEEN = {"abc123": START, "def456": START + timedelta(days=1), "web@1.0+1": START}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("web@1.2.3", "web@1.2.4"),
        ("web@1.9.0", "web@1.10.0"),
        ("1.0", "1.0.1"),
        ("v1.0.0-alpha", "v1.0.0-alpha.1"),
        ("1.0.0-alpha.1", "1.0.0-alpha.beta"),
        ("1.0.0-beta.2", "1.0.0-beta.11"),
        ("1.0.0-rc.1", "1.0.0"),
        ("abc123", "def456"),
        ("web@1.0+1", "web@1.0+2"),
        ("def456", "never-seen-before"),
    ],
)
def test_knows_the_newer_of_two(older: str, newer: str) -> None:
    assert is_newer(newer, older, first_seen=SEEN.get, unknown=False)
    known = {**SEEN, newer: SEEN.get(newer, START + timedelta(days=9))}
    assert not is_newer(older, newer, first_seen=known.get, unknown=False)


@pytest.mark.parametrize("unknown", [True, False])
def test_takes_the_given_answer_where_nothing_is_known(unknown: bool) -> None:
    assert is_newer("abc123", "gone", first_seen=SEEN.get, unknown=unknown) is unknown
    assert not is_newer("gone", "gone", first_seen=SEEN.get, unknown=unknown)


def test_versions_of_two_packages_go_by_time() -> None:
    seen = {"app@2.0.0": START, "web@1.0.0": START + timedelta(days=1)}
    assert is_newer("web@1.0.0", "app@2.0.0", first_seen=seen.get, unknown=False)


@pytest.mark.parametrize("name", ["", "20260102", "main", "a@b", "1.x", "9" * 300, "1.2.3.4.5"])
def test_reads_no_version_where_there_is_none(name: str) -> None:
    assert parse_version(name) is None


@pytest.mark.parametrize(
    ("releases", "newest"),
    [
        ([], None),
        (["web@1.0.1", "web@2.0.0", "other@9.0.0"], "web@2.0.0"),
        (["def456", "web@2.0.0"], "def456"),
    ],
)
def test_finds_the_newest(releases: list[str], newest: str | None) -> None:
    assert find_newest(releases) == newest
