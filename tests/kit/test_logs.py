import io
import logging
from collections.abc import Iterator

import pytest

from resumatch_monitor.kit.logs import configure_logging


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    others = [logging.getLogger(name) for name in ("uvicorn.error", "asyncio")]
    filters = [each.filters[:] for each in others]
    monkeypatch.setattr("sys.stderr", stream)
    # A server of another test may have set these to its own liking.
    for name in ("uvicorn", "uvicorn.error"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    # Taken away first: `force` would close what pytest goes on to use.
    root.handlers.clear()
    configure_logging()
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    for each, before in zip(others, filters, strict=True):
        each.filters[:] = before


def test_what_others_sent_cannot_pass_for_a_line_of_ours(output: io.StringIO) -> None:
    logging.getLogger("test").warning("Project %s", "x\n2026-01-01 ERROR forged\x1b[2J\u2028\r")

    assert output.getvalue().count("\n") == 1
    assert "x\\n2026" in output.getvalue()
    assert "\x1b" not in output.getvalue()


def test_what_anybody_can_cause_at_will_is_logged_seldom(output: io.StringIO) -> None:
    for _ in range(100):
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("uvicorn.error").warning("Something else.")

    assert output.getvalue().count("Invalid HTTP request") == 1
    assert "Something else." in output.getvalue()
