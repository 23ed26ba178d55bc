"""What a monitor shows of what a client has sent."""

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.monitor import TOKEN, RunningMonitor
from tests.support.waiting import wait_for

KEY = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Desk:
    """Looks at a monitor through its API, as its pages do."""

    url: str
    api: httpx.Client

    @property
    def dsn(self) -> str:
        return f"{self.url.replace('://', f'://{KEY}@')}/1"

    def read(self, path: str, **params: str | int) -> Any:
        return self.api.get(f"/api/monitor/{path}", params=params).raise_for_status().json()

    def find_issue(self, value: str, *, events: int = 1) -> dict[str, Any]:
        """Return the issue whose value has the words of `value`, once it has so many events."""

        def find() -> dict[str, Any] | None:
            items = self.read("issues", query=f'"{value}"')["items"]
            return items[0] if items and items[0]["event_count"] >= events else None

        return wait_for(find)

    def find_event(self, value: str) -> dict[str, Any]:
        """Return the first event of that issue."""
        return self.read(f"issues/{self.find_issue(value)['id']}/events/oldest")

    def find_trace(
        self, trace_id: str, *, spans: int, errors: int = 0, has_root: bool = True
    ) -> dict[str, Any]:
        """Return a trace once so many spans and errors of it are there, and no parent lacks.

        Without `has_root` a parent may: some clients belong to a trace that nobody else records.
        """

        def find() -> dict[str, Any] | None:
            answer = self.api.get(f"/api/monitor/traces/{trace_id}")
            if answer.status_code == 404:
                return None
            trace = answer.raise_for_status().json()
            is_there = len(trace["spans"]) >= spans and len(trace["errors"]) >= errors
            return trace if is_there and not (has_root and trace["missing_parents"]) else None

        return wait_for(find)

    def read_files(self, value: str) -> dict[str, str]:
        """Return names and texts of the files that came with the first event of that issue."""
        issue, event = self.find_issue(value), self.find_event(value)
        path = f"issues/{issue['id']}/events/{event['event_id']}/attachments"
        files = self.read(path)["items"]
        return {f["name"]: self.api.get(f"/api/monitor/{path}/{f['id']}").text for f in files}

    def count_outcomes(self) -> dict[tuple[str, str, str], int]:
        """Return how much of which category had which outcome, and the reason of that."""
        series = self.read("projects/1/outcomes")["series"]
        return {
            (each["category"], each["outcome"], each["reason"]): each["total"] for each in series
        }

    def wait_for_accepted(self, wanted: Mapping[str, int]) -> None:
        """Wait until so much of each category was accepted."""

        def find() -> bool | None:
            outcomes = self.count_outcomes()
            return (
                all(outcomes.get((key, "accepted", "")) == n for key, n in wanted.items()) or None
            )

        wait_for(find)


@contextlib.contextmanager
def open_desk(monitor: RunningMonitor) -> Generator[Desk]:
    """Yield a desk in front of a monitor, with an admin's token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=monitor.url, headers=headers, trust_env=False, timeout=30) as client:
        yield Desk(monitor.url, client)
