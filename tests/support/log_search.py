"""Asks a running monitor for its logs."""

import contextlib
from collections.abc import Generator
from typing import Any

import httpx

from tests.support.monitor import TOKEN, RunningMonitor
from tests.support.waiting import wait_for


@contextlib.contextmanager
def open_client(monitor: RunningMonitor) -> Generator[httpx.Client]:
    """Yield an admin's client."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=monitor.url, headers=headers, trust_env=False) as client:
        yield client


def count(client: httpx.Client, query: str = "") -> int:
    """Return how many records match."""
    answer = client.get("/api/monitor/logs/histogram", params={"query": query}).raise_for_status()
    return int(answer.json()["total"])


def wait_for_count(client: httpx.Client, wanted: int, query: str = "") -> None:
    """Wait until at least so many records match."""
    wait_for(lambda: count(client, query) >= wanted or None, seconds=40)


def search(client: httpx.Client, query: str = "", *, pages: int = 30) -> list[dict[str, Any]]:
    """Return the records that match, the newest first; 1,000 a page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(pages):
        parameters = {"query": query, "limit": "1000"} | ({"cursor": cursor} if cursor else {})
        page = client.get("/api/monitor/logs", params=parameters).raise_for_status().json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found
