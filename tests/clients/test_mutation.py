"""Real envelopes with something wrong, through the edge, the door and the digests of a monitor."""

import gc
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clients.corpus import Recorded, read_corpus
from tests.clients.inside import Inside, run_inside
from tests.clients.mutation import mutate
from tests.clients.recorder import KEY

pytestmark = pytest.mark.timeout(300)

_EXAMPLES = 100
_MOST_MEMORY_BYTES = 300 * 1024 * 1024
_STORE = f"/api/1/store/?sentry_key={KEY}"


@pytest.fixture(scope="module")
def corpus() -> list[Recorded]:
    return [each for each in read_corpus() if each.is_envelope]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory, corpus: list[Recorded]) -> Iterator[Inside]:
    now = datetime.fromtimestamp(max(each.at for each in corpus), UTC)
    with run_inside(tmp_path_factory.mktemp("monitor"), now=now) as inside:
        yield inside


def test_whatever_is_sent_is_answered_and_digested(
    inside: Inside, corpus: list[Recorded], caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[int] = []

    @settings(max_examples=_EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(st.integers(0, 2**64))
    def send(seed: int) -> None:
        random = Random(seed)
        request = random.choice(corpus)
        body = mutate(random, request.body)
        headers = {"X-Sentry-Auth": request.headers.get("x-sentry-auth", f"sentry_key={KEY}")}
        way = random.random()
        if way < 0.2:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        path = _STORE if way > 0.9 else request.path
        answer = inside.send("POST", path, body, headers)
        answers.append(answer.status_code)
        assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text

    gc.collect()
    before = psutil.Process().memory_info().rss
    send()
    inside.drain()

    assert psutil.Process().memory_info().rss - before < _MOST_MEMORY_BYTES
    assert answers.count(200) > len(answers) // 10
    failures = inside.read_metric("resumatch_monitor_loop_failures_total")
    assert failures == 0
    assert inside.read_set_aside() == []
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []
    assert inside.read_metric("resumatch_monitor_errors_events_total", outcome="set_aside") == 0


def test_the_monitor_goes_on(inside: Inside, corpus: list[Recorded]) -> None:
    request = next(
        each for each in corpus if '"type":"event"' in each.body.decode(errors="replace")
    )
    before = inside.count_items()
    headers = {"X-Sentry-Auth": request.headers.get("x-sentry-auth", f"sentry_key={KEY}")}
    assert inside.send("POST", request.path, request.body, headers).status_code == 200
    assert inside.count_items() != before
