"""A target scraped into a real store, and found again after a restart."""

from pathlib import Path

import pytest

from resumatch_monitor.kit.http import build_client
from resumatch_monitor.metrics.labels import Matcher, MatchOp
from resumatch_monitor.metrics.samples import STALE_BITS
from tests.metrics.support import respond, serve
from tests.metrics.test_scrape import make_scraper, make_target
from tests.storage.tsdb.support import bits_of, contents_of, open_store
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio


async def test_a_scrape_is_found_after_a_restart_with_up_and_staleness(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = open_store(tmp_path)
    async with build_client(verify=False) as client, serve(respond("a 1\nb 2\n")) as server:
        scraper = make_scraper(make_target(server.address), store, client, clock=clock)
        await scraper.scrape(0)
        await clock.advance(15)
        server.answer = respond("a 3\n")
        await scraper.scrape(0)
    store.close()

    store = open_store(tmp_path)
    found = {
        labels.metric_name: list(samples.values())
        for labels, samples in contents_of(
            store.select([Matcher("job", MatchOp.EQUAL, "app")], 0, 2**50)
        ).items()
    }
    store.close()
    assert found["a"] == [bits_of(1), bits_of(3)]
    assert found["b"] == [bits_of(2), STALE_BITS]
    assert found["up"] == [bits_of(1), bits_of(1)]
    assert found["scrape_samples_scraped"] == [bits_of(2), bits_of(1)]
