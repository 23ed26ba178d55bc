"""A script for any version of the SDK since 1.40: errors, a transaction, a job, a session."""

import sys
from typing import Any

import sentry_sdk
from client import finish, start
from sentry_sdk.crons import monitor


class ImportFailedError(Exception):
    """A file of the supplier's could not be imported."""


def read_number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ImportFailedError(f"not a number: {text!r}") from error


@monitor(monitor_slug="price-import")
def import_prices(lines: list[str]) -> int:
    return sum(read_number(line) for line in lines)


def main() -> None:
    start()
    sentry_sdk.add_breadcrumb(category="import", message="begun", level="info", data={"lines": 3})
    with sentry_sdk.start_transaction(op="task", name="import prices") as transaction:
        with sentry_sdk.start_span(op="file", description="prices.csv") as span:
            span.set_data("lines", 3)
        import_prices(["1", "2"])
        try:
            import_prices(["1", "two"])
        except ImportFailedError as error:
            sentry_sdk.capture_exception(error)
        transaction.set_tag("supplier", "lamps")
    sentry_sdk.capture_message("imported with gaps", level="info")
    told: dict[str, Any] = {"version": sentry_sdk.VERSION}
    finish(told)
    if "crash" in sys.argv:
        start()
        read_number("three")


if __name__ == "__main__":
    main()
