"""Ten million distinct label values pushed into one metric: what is kept, refused, and used.

Run with `python -m benchmarks.label_flood [--values N]`. A client that puts an id into a label is
the usual way to lose a store of metrics. The monitor must stay within its memory, say what is
wrong, and go on answering for everybody else: it tells how much of another metric, pushed all the
while, was acknowledged and read back.
"""

import argparse
import http.client
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.metrics.systems import OURS, Setup, run_system
from benchmarks.metrics.usage import MIB
from tests.support.prompb import pack, write_request

_VALUES = 10_000_000
_SERIES_PER_REQUEST = 2_000
_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def main() -> None:
    """Push, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=_VALUES)
    values: int = parser.parse_args().values
    statuses: Counter[int] = Counter()
    words: Counter[str] = Counter()
    acknowledged = 0
    peak_bytes = 0
    with (
        tempfile.TemporaryDirectory(prefix="label-flood-") as folder,
        run_system(OURS, Path(folder), Setup()) as system,
    ):
        client, meter = system.connect(), system.meter()
        began = time.perf_counter()
        for number, first in enumerate(range(0, values, _SERIES_PER_REQUEST)):
            now_ms = int(time.time() * 1000)
            flood = [
                ({"__name__": "flood", "id": str(each)}, [(now_ms, 1.0)])
                for each in range(first, min(first + _SERIES_PER_REQUEST, values))
            ]
            answer = client.request(
                "POST", "/api/v1/write", body=pack(write_request(*flood)), headers=_HEADERS
            )
            statuses[answer.status] += 1
            if answer.status >= http.client.BAD_REQUEST:
                words[answer.body.decode("utf-8", "replace")[:160]] += 1
            beside = pack(write_request(({"__name__": "beside"}, [(now_ms, float(number))])))
            answer = client.request("POST", "/api/v1/write", body=beside, headers=_HEADERS)
            acknowledged += answer.status < http.client.MULTIPLE_CHOICES
            if number % 100 == 0:
                peak_bytes = max(peak_bytes, meter.resident_bytes())
        seconds = time.perf_counter() - began
        found = json.loads(client.ask("/api/v1/query", {"query": "count_over_time(beside[1d])"}))
        read_back = float(found["data"]["result"][0]["value"][1])
        peak_bytes = max(peak_bytes, meter.peak_bytes())
        print(f"{values:,} label values in {seconds:.0f} s; answers by status: {dict(statuses)}")
        print(f"resident at most: {peak_bytes / MIB:.0f} MiB")
        print(f"of the other metric: {acknowledged} acknowledged, {read_back:.0f} read back")
        for text, count in words.most_common(3):
            print(f"{count} x {text}")


if __name__ == "__main__":
    main()
