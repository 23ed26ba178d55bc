"""What docs/logs.md tells to copy runs, and the monitor understands what it writes."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from resumatch_monitor.logs.chunk import LogChunk
from resumatch_monitor.logs.document import Defaults
from resumatch_monitor.logs.formats.documents import PLAIN, read_plain
from resumatch_monitor.logs.record import LogRecord

PAGE = Path(__file__).parents[2] / "docs" / "logs.md"
# Nothing is sent: no error occurs, and nothing is sampled.
USE = """
import asyncio
import httpx

sentry_sdk.init(dsn="http://key@127.0.0.1:9/1")
configure_logging(sys.argv[1])
app = FastAPI()
log_requests(app)

@app.get("/things/{thing}")
async def find_thing(thing: str):
    structlog.stdlib.get_logger("my_api.things").warning("%s is odd", "it", user_id="u17")
    try:
        int("seven")
    except ValueError:
        logging.getLogger("a.library").exception("no number")
    return {}

async def use():
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        await client.get("/things/secret-thing", headers={"X-Request-ID": "r-1"})

asyncio.run(use())
"""


def read(lines: str) -> list[LogRecord]:
    now = datetime.now(UTC)
    chunk = LogChunk(PLAIN, now, lines.encode())
    return list(read_plain(chunk, Defaults(now, source="file")))


def test_the_recipe_for_fastapi_writes_records_that_are_understood(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    file = tmp_path / "app.log"

    done = subprocess.run(
        [sys.executable, "-c", code[0] + USE, str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert [each.body for each in read(done.stdout)] == [
        each.body for each in read(file.read_text())
    ]
    by_logger = {each.logger: each for each in read(done.stdout)}
    said, failed, asked = (
        by_logger[name] for name in ("my_api.things", "a.library", "my_api.access")
    )
    assert (said.body, said.severity_text) == ("it is odd", "warning")
    assert said.attributes["user.id"] == "u17"
    assert "ValueError" in failed.stack_trace
    assert asked.body == "GET /things/{thing} 200"
    assert asked.attributes["url.path"] == "/things/{thing}"
    assert asked.attributes["event.duration"] > 0
    assert "secret-thing" not in done.stdout
    for record in (said, failed, asked):
        assert (record.service, record.environment) == ("my-api", "production")
        assert record.release == "my-api@1.2.3"
        assert record.attributes["http.request.id"] == "r-1"
        assert len(record.trace_id) == 32
        assert record.trace_id == asked.trace_id
    assert done.stderr == ""
