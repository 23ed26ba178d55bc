"""A program that is traced by the real SDK: `sdk_client.py DSN static|stream`; prints its trace."""

import sys

import sentry_sdk
import sentry_sdk.traces


def _parse() -> None:
    raise ValueError("no such format")


def _static() -> str:
    with sentry_sdk.start_transaction(name="import resumes", op="queue.task") as transaction:
        with sentry_sdk.start_span(op="db", name="SELECT * FROM resumes WHERE owner = 'ada'"):
            pass
        try:
            with sentry_sdk.start_span(op="function", name="parse"):
                _parse()
        except ValueError as error:
            sentry_sdk.capture_exception(error)
    return transaction.trace_id


def _stream() -> str:
    with sentry_sdk.traces.start_span(
        name="import resumes", attributes={"sentry.op": "queue.task"}
    ) as segment:
        with sentry_sdk.traces.start_span(
            name="SELECT * FROM resumes WHERE owner = 'ada'", attributes={"sentry.op": "db"}
        ):
            pass
        try:
            with sentry_sdk.traces.start_span(name="parse", attributes={"sentry.op": "function"}):
                _parse()
        except ValueError as error:
            sentry_sdk.capture_exception(error)
    return segment.trace_id


def main(dsn: str, lifecycle: str) -> None:
    sentry_sdk.init(
        dsn,
        traces_sample_rate=1.0,
        release="resumatch@4.5.6",
        environment="staging",
        trace_lifecycle="stream" if lifecycle == "stream" else "static",
    )
    sentry_sdk.set_user({"id": "user-17", "email": "ada" + "@example.org"})
    sentry_sdk.set_tag("plan", "pro")
    sys.stdout.write(_stream() if lifecycle == "stream" else _static())
    sentry_sdk.flush(timeout=10)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
