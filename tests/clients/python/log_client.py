"""Sends numbered records with one client of PyPI: half of them, then, when told to, the rest."""

import base64
import importlib
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

_URL = os.environ["MONITOR_URL"]
_TOKEN = os.environ["MONITOR_TOKEN"]
_CHUNK = 250

Send = Callable[[Sequence[int]], None]


def send_by_elastic(module_name: str) -> Send:
    """Send in bulk, with an id each; what is not answered is sent again."""
    module: Any = importlib.import_module(module_name)
    helpers: Any = importlib.import_module(f"{module_name}.helpers")
    key = base64.b64encode(f"tests:{_TOKEN}".encode()).decode()
    options: dict[str, Any]
    if module_name == "elasticsearch8":
        options = {"api_key": key, "http_compress": True}
    elif module_name == "elasticsearch":
        options = {"basic_auth": ("anybody", _TOKEN)}
    else:
        options = {"http_auth": ("anybody", _TOKEN)}
    client: Any = getattr(module, "OpenSearch", None) or module.Elasticsearch
    client = client([f"{_URL}/es"], **options)

    def send(numbers: Sequence[int]) -> None:
        actions = [
            {
                "_op_type": "create",
                "_index": f"logs-{module_name}-tests",
                "_id": f"{module_name}-{number}",
                "_source": {"message": f"record {number}", "log.level": "warn", "number": number},
            }
            for number in numbers
        ]
        while True:
            try:
                helpers.bulk(client, actions)
            except (module.exceptions.ConnectionError, module.exceptions.ConnectionTimeout):
                time.sleep(0.1)
            else:
                return

    return send


def send_by_otlp() -> Send:
    """Log by the standard library to OpenTelemetry's exporter, which sends again by itself."""
    provider = LoggerProvider(resource=Resource({"service.name": "opentelemetry"}))
    exporter = OTLPLogExporter(
        f"{_URL}/v1/logs", headers={"Authorization": f"Bearer {_TOKEN}"}, timeout=60
    )
    provider.add_log_record_processor(
        BatchLogRecordProcessor(exporter, max_queue_size=100_000, schedule_delay_millis=50)
    )
    logger = logging.getLogger("tests.client")
    logger.addHandler(LoggingHandler(logger_provider=provider))

    def send(numbers: Sequence[int]) -> None:
        for number in numbers:
            logger.warning("record %d", number, extra={"number": number})
        provider.force_flush(60_000)

    return send


def main() -> None:
    name, count = sys.argv[1], int(sys.argv[2])
    send = send_by_otlp() if name == "opentelemetry" else send_by_elastic(name)
    for half in (range(count // 2), range(count // 2, count)):
        for start in range(half.start, half.stop, _CHUNK):
            send(range(start, min(start + _CHUNK, half.stop)))
        if half.start == 0:
            sys.stdout.write("half\n")
            sys.stdout.flush()
            sys.stdin.readline()


if __name__ == "__main__":
    main()
