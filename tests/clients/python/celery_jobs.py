"""Jobs of Celery in a worker of this process, with a broker in memory."""
# The framework is installed for recordings only; what pyright knows of it may be another version.
# pyright: basic, reportMissingImports=false, reportArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false

import sentry_sdk
from celery import Celery
from client import finish, start
from sentry_sdk.integrations.celery import CeleryIntegration

app = Celery("shop", broker="memory://", backend="cache+memory://")


@app.task
def render(number: int) -> int:
    with sentry_sdk.start_span(op="function", name="render page"):
        return number * 2


@app.task
def send(address: str) -> None:
    raise ConnectionError(f"no mail server for {address}")


@app.task(autoretry_for=(TimeoutError,), max_retries=1, default_retry_delay=0)
def fetch(name: str) -> None:
    raise TimeoutError(name)


if __name__ == "__main__":
    start(integrations=[CeleryIntegration(monitor_beat_tasks=True)])
    # What the worker imports must be patched by then.
    from celery.contrib.testing.worker import start_worker

    with start_worker(app, perform_ping_check=False, pool="solo"):
        results = [
            render.delay(7),
            send.delay("ada@example.org"),
            fetch.delay("prices"),
        ]
        told = [str(each.get(timeout=30, propagate=False)) for each in results]
    finish({"results": told})
