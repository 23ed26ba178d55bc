"""What a shipper and a person do over HTTP: bulk requests, searches, questions for metrics."""

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

_RETRY_SECONDS = 0.2
_INDEXED = 'resumatch_monitor_logs_records_total{outcome="indexed"} '


class Client:
    """One connection that is kept; for one thread."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
        self._headers = dict(headers)
        self.refused = 0

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def send(self, documents: bytes) -> None:
        """Have documents taken in, one a line, again if there is no room for the moment."""
        body = b"".join(b'{"create":{}}\n' + line + b"\n" for line in documents.splitlines())
        self.send_body(body)

    def send_body(self, body: bytes) -> None:
        """Send the body of a bulk request."""
        while True:
            status, answer = self._ask("POST", "/es/logs-app/_bulk", body)
            if status == http.client.OK:
                if b'"errors":false' not in answer[:200].replace(b" ", b""):
                    raise RuntimeError(answer[:500].decode())
                return
            if status != http.client.TOO_MANY_REQUESTS:
                raise RuntimeError(f"{status}: {answer[:500].decode()}")
            self.refused += 1
            time.sleep(_RETRY_SECONDS)

    def get(self, path: str, **parameters: str | int) -> Any:
        """Return the answer to a question."""
        status, answer = self._ask("GET", f"{path}?{urlencode(parameters)}", None)
        if status != http.client.OK:
            raise RuntimeError(f"{status}: {answer[:500].decode()}")
        return json.loads(answer)

    def search(self, query: str, limit: int = 100) -> Any:
        """Return the newest records of the last day that match."""
        return self.get("/api/monitor/logs", query=query, limit=limit, **{"from": "now-1d"})

    def histogram(self, query: str) -> Any:
        """Return when those of the last day that match came, and how many they are."""
        return self.get("/api/monitor/logs/histogram", query=query, **{"from": "now-1d"})

    def count_indexed(self) -> int:
        """Return how many records the monitor has indexed since it started."""
        _, answer = self._ask("GET", "/metrics", None)
        lines = answer.decode().splitlines()
        found = [line for line in lines if line.startswith(_INDEXED)]
        return int(float(found[0].removeprefix(_INDEXED))) if found else 0

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {**self._headers, "Content-Type": "application/x-ndjson"}
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()
