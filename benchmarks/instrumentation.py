"""What watching costs a request of ResuMatch: a bare endpoint against the instrumented one.

    python -m benchmarks.instrumentation [--requests 3000]

Each variant is a server process of its own, asked over real loopback HTTP on one kept-alive
connection. The variants take turns in small blocks, so that whatever else the machine does
hits them all alike. Sentry's envelopes go to a server that takes them; a tenth of the
requests is traced. The endpoint answers a small JSON object and does nothing else: this is the
worst case for the ratio, and the absolute figure is what a real endpoint pays.

"alone" leaves a pause before each request, as between the requests of people: what a server
does after its answer then delays nobody. "back to back" leaves none. "cpu" is the server's
processor time a request, which neither hides.
"""

import argparse
import gc
import http.client
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from threading import Thread

import psutil
import uvicorn
from fastapi import FastAPI

from resumatch.backend.config import Settings
from resumatch.backend.ecs import Service
from resumatch.backend.logs import RequestLog, configure_logging
from resumatch.backend.metrics import Metrics
from resumatch.backend.middleware import RequestContextMiddleware
from resumatch.backend.sentry import start_sentry

_BLOCK = 50
_PAUSE_SECONDS = 0.002
_WARM_UP = 500
_START_ATTEMPTS = 400


def build_bare(_dsn: str) -> FastAPI:
    app = FastAPI()

    @app.get("/ping/{number}")
    async def ping(number: int) -> dict[str, int]:
        return {"pong": number}

    _ = ping
    return app


def build_with_metrics(_dsn: str) -> FastAPI:
    app = build_bare(_dsn)
    Metrics(version="bench").instrument(app)
    return app


def build_with_context(_dsn: str) -> FastAPI:
    return _add_context(build_bare(_dsn), log_requests=False)


def build_with_logs(_dsn: str) -> FastAPI:
    return _add_context(build_bare(_dsn), log_requests=True)


def build_with_sentry(dsn: str) -> FastAPI:
    start_sentry(_settings(dsn))
    return build_bare(dsn)


def build_without_sentry(dsn: str) -> FastAPI:
    return _add_context(build_with_metrics(dsn), log_requests=True)


def build_whole(dsn: str) -> FastAPI:
    start_sentry(_settings(dsn))
    return _add_context(build_with_metrics(dsn), log_requests=True)


def _add_context(app: FastAPI, *, log_requests: bool) -> FastAPI:
    # As when a log collector reads the pipe.
    service = Service(environment="bench", version="bench")
    configure_logging("INFO", service, stream=open(os.devnull, "w"))  # noqa: SIM115
    app.add_middleware(
        RequestContextMiddleware,
        metrics=Metrics(version="bench"),
        synthetic_token="the-token-of-the-monitor",
        request_log=RequestLog("resumatch.access", service) if log_requests else None,
    )
    return app


def _settings(dsn: str) -> Settings:
    return Settings(database_url="", redis_url="", secret_key="", sentry_dsn=dsn)


VARIANTS: dict[str, Callable[[str], FastAPI]] = {
    "bare": build_bare,
    "metrics": build_with_metrics,
    "request id": build_with_context,
    "request id and log": build_with_logs,
    "sentry": build_with_sentry,
    "all but sentry": build_without_sentry,
    "everything": build_whole,
}


def serve(name: str, dsn: str, port: int) -> None:
    app = VARIANTS[name](dsn)
    uvicorn.run(app, port=port, access_log=False, log_config=None, timeout_keep_alive=60)


class _Sink(BaseHTTPRequestHandler):
    """Takes what it is sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass(slots=True)
class Variant:
    """One server, and what was measured of it, in microseconds."""

    server: SpawnProcess
    connection: http.client.HTTPConnection
    alone: list[float] = field(default_factory=list[float])
    back_to_back: list[float] = field(default_factory=list[float])
    cpu: float = 0.0


class _SinkServer(ThreadingHTTPServer):
    """Says nothing of connections that end with the servers."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


def measure(requests: int) -> dict[str, Variant]:
    """Ask every variant `requests` times in each way."""
    sink = _SinkServer(("127.0.0.1", 0), _Sink)
    Thread(target=sink.serve_forever, daemon=True).start()
    dsn = f"http://key@127.0.0.1:{sink.server_address[1]}/1"
    variants: dict[str, Variant] = {}
    try:
        for name in VARIANTS:
            port = _free_port()
            server = get_context("spawn").Process(target=serve, args=(name, dsn, port), daemon=True)
            server.start()
            variants[name] = Variant(server, _connect(port))
        for variant in variants.values():
            _ask(variant.connection, _WARM_UP)
        gc.disable()
        for _ in range(max(1, requests // _BLOCK)):
            for variant in variants.values():
                variant.alone += _ask(variant.connection, _BLOCK, pause_seconds=_PAUSE_SECONDS)
        for variant in variants.values():
            variant.cpu = -_cpu_seconds(variant)
        for _ in range(max(1, requests // _BLOCK)):
            for variant in variants.values():
                variant.back_to_back += _ask(variant.connection, _BLOCK)
        for variant in variants.values():
            variant.cpu += _cpu_seconds(variant)
            variant.cpu *= 1e6 / len(variant.back_to_back)
        return variants
    finally:
        for variant in variants.values():
            variant.server.terminate()
            variant.server.join(10)
        sink.shutdown()


def _cpu_seconds(variant: Variant) -> float:
    times = psutil.Process(variant.server.pid).cpu_times()
    return times.user + times.system


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _connect(port: int) -> http.client.HTTPConnection:
    """Connect as soon as the server listens."""
    for _ in range(_START_ATTEMPTS):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.connect()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return connection
    raise TimeoutError("the server did not start")


def _ask(
    connection: http.client.HTTPConnection, requests: int, *, pause_seconds: float = 0.0
) -> list[float]:
    times: list[float] = []
    for number in range(requests):
        if pause_seconds:
            time.sleep(pause_seconds)
        started = time.perf_counter_ns()
        connection.request("GET", f"/ping/{number}")
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter_ns() - started) / 1000)
        if answer.status != 200:
            raise RuntimeError(f"the server answered {answer.status}")
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=3000)
    variants = measure(parser.parse_args().requests)
    bare = variants["bare"]
    print(
        "µs a request        |  alone p50    p95   added |  back to back p50    p95   added |  cpu"
    )
    for name, variant in variants.items():
        alone, p95 = _p50_p95(variant.alone)
        busy, busy_p95 = _p50_p95(variant.back_to_back)
        print(
            f"{name:19} | {alone:10.0f} {p95:6.0f} {_added(variant.alone, bare.alone)}"
            f" | {busy:17.0f} {busy_p95:6.0f} {_added(variant.back_to_back, bare.back_to_back)}"
            f" | {variant.cpu:4.0f}"
        )
    whole, basis = _p50_p95(variants["everything"].alone)[0], _p50_p95(bare.alone)[0]
    print(
        f"All of it adds {whole - basis:.0f} µs at p50: {100 * (whole / basis - 1):.0f} % of a bare"
        " endpoint (goal: 5 %)."
    )


def _p50_p95(times: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(times, n=20)
    return cuts[9], cuts[18]


def _added(times: list[float], basis: list[float]) -> str:
    return f"{_p50_p95(times)[0] - _p50_p95(basis)[0]:+7.0f}"


if __name__ == "__main__":
    sys.exit(main())
