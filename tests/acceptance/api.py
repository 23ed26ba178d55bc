"""The monitor's HTTP API as a program uses it."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

_PAGE = 200
_MOST_PAGES = 500


class Api:
    """A client of one monitor; answers are the JSON that docs/http-api.md describes."""

    def __init__(
        self, url: str, token: str = "", *, cookies: Mapping[str, str] | None = None
    ) -> None:
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            cookies=dict(cookies or {}),
            timeout=20,
            trust_env=False,
        )

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **params: str | int) -> Any:
        """Return the JSON of an answer that is a success."""
        return self._client.get(path, params=params).raise_for_status().json()

    def post(self, path: str, body: Any) -> Any:
        """Send JSON and return the JSON of an answer that is a success, None if it has none."""
        answer = self._client.post(path, json=body).raise_for_status()
        return answer.json() if answer.content else None

    def put(self, path: str, body: Any) -> Any:
        """Send JSON and return the JSON of an answer that is a success."""
        return self._client.put(path, json=body).raise_for_status().json()

    def text(self, path: str) -> str:
        """Return the text of an answer that is a success."""
        return self._client.get(path).raise_for_status().text

    def items(self, path: str, **params: str | int) -> Iterator[dict[str, Any]]:
        """Yield what a list holds, over all of its pages."""
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            more = {} if cursor is None else {"cursor": cursor}
            page = self.get(path, limit=_PAGE, **params, **more)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return
        raise AssertionError(f"{path} has more than {_MOST_PAGES} pages")

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the result of a PromQL expression at this moment."""
        # By POST, as Grafana does: expressions may be long.
        answer = self._client.post("/api/v1/query", data={"query": expr}).raise_for_status().json()
        return answer["data"]["result"]

    def value(self, expr: str) -> float | None:
        """Return the value of an expression that has one series, None if it has none."""
        result = self.query(expr)
        assert len(result) <= 1, f"{expr} has {len(result)} series"
        return float(result[0]["value"][1]) if result else None

    def own_metric(self, sample: str) -> float | None:
        """Return one of the monitor's own metrics, for example `name{label="value"}`."""
        for line in self.text("/metrics").splitlines():
            if line.startswith(f"{sample} "):
                return float(line.rpartition(" ")[2])
        return None
