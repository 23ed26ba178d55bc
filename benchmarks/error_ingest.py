"""Events per second from the socket to the issue, and how long an acknowledgement takes.

`python -m benchmarks.error_ingest [--seconds 8]`: a real server over loopback in a process of its
own, sending clients in this one, events of 10 kB and 50 kB as gzip. The rate counts what is fully
processed: acknowledged, digested, stored, committed.
"""

import argparse
import asyncio
import gzip
import json
import multiprocessing
import multiprocessing.synchronize
import resource
import socket
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.storage.sql.database import Database
from tests.support.errors import KEY, bearer, build_stack, make_frame

_SENDERS = 8
_DISTINCT = 64


def make_body(number: int, size: int) -> str:
    """Return an event of about `size` bytes of JSON, of one of 20 issues."""
    event: dict[str, Any] = {
        "event_id": "EVENT-ID",
        "platform": "python",
        "release": "app@1.0",
        "environment": "production",
        "timestamp": "2099-01-01T00:00:00Z",
        "user": {"id": f"user-{number}"},
        "tags": {"plan": "pro", "shard": str(number % 7)},
    }
    frames: list[dict[str, Any]] = []
    event["exception"] = {
        "values": [{"type": f"Error{number % 20}", "value": "no", "stacktrace": {"frames": frames}}]
    }
    while len(json.dumps(event)) < size:
        index = len(frames)
        frames.append(
            make_frame(
                f"function_{index}",
                f"app.part_{index % 9}",
                in_app=index % 3 == 0,
                pre_context=[f"    value_{index}_{n} = compute(self.items, {n})" for n in range(5)],
                post_context=[f"    return finish(value_{index}, {n})" for n in range(5)],
                vars={f"name_{n}": repr({"n": n, "id": f"{number}-{index}"}) for n in range(8)},
            )
        )
    return json.dumps(event)


def serve(port_pipe: Any, folder: str, stop: multiprocessing.synchronize.Event) -> None:
    asyncio.run(_serve(port_pipe, Path(folder), stop))


async def _serve(port_pipe: Any, folder: Path, stop: multiprocessing.synchronize.Event) -> None:
    database = Database(folder / "monitor.sqlite3")
    database.start()
    clock = SystemClock()
    async with build_stack(folder / "spool", database=database, clock=clock) as stack:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(stack.app, log_level="warning", lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        loops = [
            asyncio.create_task(stack.digest.run()),
            asyncio.create_task(stack.relay.run()),
            asyncio.create_task(server.serve([listener])),
        ]
        port_pipe.send(listener.getsockname()[1])
        while not stop.is_set():
            await asyncio.sleep(0.02)
            if port_pipe.poll():
                port_pipe.recv()
                port_pipe.send((stack.spool.pending, stack.sample(_STORED, outcome="stored")))
        server.should_exit = True
        await loops.pop()
        for loop in loops:
            loop.cancel()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        port_pipe.send((peak, measure_files(folder)))
    database.stop()


def measure_files(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("monitor.sqlite3*"))


_STORED = "resumatch_monitor_errors_events_total"


async def send(
    port: int, bodies: list[str], *, seconds: float, rate: float | None
) -> tuple[int, list[float]]:
    """Send for `seconds`, as fast as it goes or at `rate` a second; return count and latencies."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    headers = {"Content-Encoding": "gzip", "X-Sentry-Auth": f"Sentry sentry_key={KEY}"}

    async def run(client: httpx.AsyncClient, offset: int) -> None:
        index = offset
        due = time.perf_counter()
        while time.perf_counter() < end:
            if rate is not None:
                due += _SENDERS / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            payload = bodies[index % _DISTINCT].replace("EVENT-ID", uuid.uuid4().hex)
            item = f'{{"type":"event","length":{len(payload)}}}\n{payload}\n'
            content = gzip.compress(f"{{}}\n{item}".encode(), 1)
            started = time.perf_counter()
            answer = await client.post("/api/1/envelope/", content=content, headers=headers)
            latencies.append(time.perf_counter() - started)
            assert "id" in answer.json(), answer.text
            index += 1

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        await asyncio.gather(*(run(client, 11 * number) for number in range(_SENDERS)))
        await client.get("/api/monitor/issues", headers=bearer())
    return len(latencies), latencies


def wait_until_drained(pipe: Any) -> float:
    while True:
        pipe.send("state")
        pending, stored = pipe.recv()
        if not pending:
            return stored
        time.sleep(0.05)


def measure(size: int, seconds: float) -> None:
    bodies = [make_body(number, size) for number in range(_DISTINCT)]
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        pipe, child_pipe = context.Pipe()
        stop = context.Event()
        process = context.Process(target=serve, args=(child_pipe, folder, stop))
        process.start()
        port = pipe.recv()
        started = time.perf_counter()
        count, _ = asyncio.run(send(port, bodies, seconds=seconds, rate=None))
        stored = wait_until_drained(pipe)
        elapsed = time.perf_counter() - started
        assert stored == count, f"{stored} of {count} acknowledged events were stored"
        rate = count / elapsed
        half, latencies = asyncio.run(send(port, bodies, seconds=seconds, rate=rate / 2))
        wait_until_drained(pipe)
        stop.set()
        peak, disk = pipe.recv()
        process.join()
    cuts = statistics.quantiles(latencies, n=100)
    print(
        f"{size // 1000} kB: {rate:.0f} events/s fully processed ({count} in {elapsed:.1f} s);"
        f" at half of that ({half / seconds:.0f}/s) acknowledged in p50 {cuts[49] * 1e3:.1f} ms,"
        f" p99 {cuts[98] * 1e3:.1f} ms; peak memory {peak:.0f} MB;"
        f" {disk / (count + half):.0f} bytes on disk an event of {len(bodies[0])}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    arguments = parser.parse_args()
    for event_size in (10_000, 50_000):
        measure(event_size, arguments.seconds)
