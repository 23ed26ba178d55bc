"""`GET /api/monitor/logs/patterns`."""

from pathlib import Path

import pytest

from resumatch_monitor.api.logs_patterns import build_router
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.clock import FakeClock
from tests.support.logs import START_US, make_record, place
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

_PATTERNS = "/api/monitor/logs/patterns"


async def test_patterns_have_counts_shares_and_an_example(tmp_path: Path, clock: FakeClock) -> None:
    store = TantivyLogStore(tmp_path / "logs", clock=clock, min_free_bytes=0)
    store.open()
    records = [
        make_record(
            f"job {n} done" if n % 4 else f"payment {n} was refused by the bank",
            timestamp_us=START_US - n * 1_000_000,
            release="2.0" if n < 8 else "1.0",
        )
        for n in range(20)
    ]
    await store.append(records, until=place(1))
    router = build_router(logs=store, guard=make_guard(), clock=clock)
    async with serve(router, token=CHARLIE) as client:
        answer = (await client.get(_PATTERNS, params={"release": "2.0"})).json()
        newest = (await client.get(_PATTERNS, params={"sample": 5, "limit": 1})).json()
        nothing = (await client.get(_PATTERNS, params={"query": "absent"})).json()
        refused = [
            (await client.get(f"{_PATTERNS}?{query}")).status_code
            for query in ("sample=0", "sample=10001", "limit=201", "query=(")
        ]
        stranger = await client.get(_PATTERNS, headers={"Authorization": "Bearer nobody"})
    store.close()

    jobs, payments = answer["patterns"]
    assert (answer["sampled"], answer["others"]) == (20, 0)
    assert (jobs["template"], jobs["count"], jobs["share"]) == ("job <*> done", 15, 0.75)
    assert (payments["count"], payments["is_new"], payments["severities"]) == (
        5,
        False,
        {"info": 5},
    )
    assert payments["example"]["message"] == "payment 0 was refused by the bank"
    assert payments["first_seen"] == "2026-01-05T11:59:44.000000Z"
    assert payments["query"] == '"payment" "was refused by the bank"'
    assert (newest["sampled"], newest["others"]) == (5, 2)
    assert newest["patterns"][0]["is_new"] is None
    assert nothing == {"sampled": 0, "patterns": [], "others": 0}
    assert refused == [422, 422, 422, 400]
    assert stranger.status_code == 401
