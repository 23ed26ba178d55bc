"""How the programs here begin and end: the SDK as it is, options by variable, a truthful report."""

import inspect
import json
import os
import sys
from typing import Any, cast

import sentry_sdk
from sentry_sdk.consts import ClientConstructor

RELEASE, ENVIRONMENT = "shop@1.2.3", "staging"


def start(**options: Any) -> None:
    """Start the SDK; `CLIENT_OPTIONS` (JSON) wins over `options`."""
    chosen: dict[str, Any] = {
        "release": RELEASE,
        "environment": ENVIRONMENT,
        "server_name": "app-1",
        "enable_logs": True,
        "traces_sample_rate": 1.0,
        **options,
        **json.loads(os.environ.get("CLIENT_OPTIONS", "{}")),
    }
    # Older versions refuse what they do not know.
    known = inspect.signature(cast("Any", ClientConstructor).__init__).parameters
    sentry_sdk.init(
        os.environ["SENTRY_DSN"],
        **{name: value for name, value in chosen.items() if name in known},
    )
    sentry_sdk.set_tag("plan", "pro")
    sentry_sdk.set_user({"id": "user-17", "username": "ada", "email": "ada@example.org"})


def finish(told: dict[str, Any]) -> None:
    """Send what waits, and print `told` and how much still waits then."""
    sentry_sdk.flush(timeout=20)
    worker: Any = getattr(sentry_sdk.get_client().transport, "_worker", None)
    left = worker._queue.qsize() if worker is not None and worker._queue is not None else 0
    sys.stdout.write(json.dumps({**told, "left": left}) + "\n")
    sys.stdout.flush()
    sentry_sdk.get_client().close()
