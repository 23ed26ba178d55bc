"""A worker without a framework: logging, jobs, metrics, feedback, profiles, and a crash."""

import logging
import sys
import threading
import time
from typing import Any

import sentry_sdk
import sentry_sdk.logger
import sentry_sdk.profiler
from client import finish, start
from sentry_sdk.crons import capture_checkin, monitor

logger = logging.getLogger("shop.worker")
_NIGHTLY: Any = {
    "schedule": {"type": "crontab", "value": "0 3 * * *"},
    "timezone": "Europe/Berlin",
    "checkin_margin": 5,
    "max_runtime": 30,
    "failure_issue_threshold": 1,
    "recovery_threshold": 1,
}
_HOURLY: Any = {"schedule": {"type": "interval", "value": 1, "unit": "hour"}}
_told: dict[str, Any] = {"events": {}}


@monitor(monitor_slug="nightly-invoices", monitor_config=_NIGHTLY)
def write_invoices() -> None:
    logger.info("writing invoices")


@monitor(monitor_slug="hourly-import", monitor_config=_HOURLY)
def import_prices() -> None:
    raise TimeoutError("the supplier does not answer")


def run_jobs() -> None:
    # In no transaction: the SDK would trace how it sends the check-ins.
    write_invoices()
    try:
        import_prices()
    except TimeoutError as error:
        _told["events"]["import"] = sentry_sdk.capture_exception(error)
    capture_checkin("cleanup", status="in_progress", monitor_config=_HOURLY)


def render_invoices() -> None:
    with sentry_sdk.start_transaction(op="queue.task", name="render invoices") as transaction:
        with sentry_sdk.start_span(op="function", name="render page") as span:
            span.set_data("pages", 3)
            until = time.perf_counter() + 0.05
            while time.perf_counter() < until:
                sum(range(1_000))
        transaction.set_measurement("invoices", 12)
    _told["trace"] = transaction.trace_id


def write_log() -> None:
    logger.info("begun with %d jobs", 3)
    logger.warning("slow", extra={"seconds": 4.5})
    try:
        int("twelve")
    except ValueError:
        logger.exception("a line of the price list is unreadable")
    sentry_sdk.logger.info("typed {what}", what="log")


def measure() -> None:
    sentry_sdk.metrics.count("shop.jobs", 1, attributes={"job": "invoices"})
    sentry_sdk.metrics.count("shop.jobs", 2, attributes={"job": "invoices"})
    sentry_sdk.metrics.gauge("shop.queue.depth", 7)
    for seconds in (0.1, 0.2, 0.3):
        sentry_sdk.metrics.distribution("shop.job.duration", seconds, unit="second")


def ask_user(event_id: str) -> None:
    feedback: Any = {
        "type": "feedback",
        "level": "info",
        "contexts": {
            "feedback": {
                "message": "My order vanished",
                "name": "Ada",
                "contact_email": "ada@example.org",
                "url": "https://shop.example/orders",
                "associated_event_id": event_id,
            }
        },
    }
    _told["events"]["feedback"] = sentry_sdk.capture_event(feedback)


def fail_in_thread() -> None:
    stock: list[str] = []
    thread = threading.Thread(target=lambda: stock[1], name="stock")
    thread.start()
    thread.join()


def crash() -> None:
    raise RuntimeError("the worker gives up")


def main() -> None:
    logging.getLogger("shop").setLevel(logging.INFO)
    start(profile_session_sample_rate=1.0, profile_lifecycle="manual")
    sentry_sdk.profiler.start_profiler()
    sentry_sdk.start_session()
    run_jobs()
    render_invoices()
    write_log()
    measure()
    ask_user(_told["events"]["import"])
    fail_in_thread()
    sentry_sdk.end_session()
    sentry_sdk.profiler.stop_profiler()
    finish(_told)
    if "crash" in sys.argv:
        # Its client is closed; it starts again as a service manager would start it.
        start()
        crash()


if __name__ == "__main__":
    main()
