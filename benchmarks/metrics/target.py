"""A target on loopback that is scraped: 10,000 series whose values change every time."""

import contextlib
import http.server
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from benchmarks.metrics.data import BUCKETS, COUNTERS, GAUGES, Dataset, make_dataset

_TYPES = {COUNTERS: "counter", GAUGES: "gauge", BUCKETS: "histogram"}
_SHARES = {COUNTERS: 0.4, GAUGES: 0.3, BUCKETS: 0.3}


@dataclass(slots=True)
class Target:
    """What it serves, in order and then from the start again, and how often it was asked."""

    address: str
    bodies: Sequence[bytes]
    scrapes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_body(self) -> bytes:
        with self.lock:
            self.scrapes += 1
            return self.bodies[self.scrapes % len(self.bodies)]


def render_bodies(series: int, count: int) -> list[bytes]:
    """Return `count` expositions of counters, gauges and histogram buckets."""
    datasets = [
        make_dataset(kind, series=round(series * share), samples=count, end_ms=60_000_000_000_000)
        for kind, share in _SHARES.items()
    ]
    prefixes = [[_render_labels(each) for each in dataset.labels] for dataset in datasets]
    return [
        "".join(
            _render(dataset, names, column)
            for dataset, names in zip(datasets, prefixes, strict=True)
        ).encode()
        for column in range(count)
    ]


def _render(dataset: Dataset, names: Sequence[str], column: int) -> str:
    family = names[0].partition("{")[0].removesuffix("_bucket")
    lines = [f"# HELP {family} As a web team has it.", f"# TYPE {family} {_TYPES[dataset.kind]}"]
    values = dataset.values[:, column].tolist()
    for name, value in zip(names, values, strict=True):
        lines.append(f"{name} {int(value) if value.is_integer() else value}")
    return "\n".join(lines) + "\n"


def _render_labels(labels: Sequence[tuple[str, str]]) -> str:
    # What a target says of itself: `instance` and `job` are the scraper's to give.
    pairs = {"pod" if name == "instance" else name: value for name, value in labels}
    name = pairs.pop("__name__")
    del pairs["job"]
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in pairs.items()) + "}"


@contextlib.contextmanager
def serve_target(bodies: Sequence[bytes]) -> Generator[Target]:
    """Serve until the block is left."""
    target = Target("", bodies)

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers every GET with the next body."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = target.next_body()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    target.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield target
    finally:
        server.shutdown()
        server.server_close()
