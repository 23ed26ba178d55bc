"""What `make bench ARGS=fuzz` calls takes what real clients send."""

import asyncio
import contextlib
from random import Random

import pytest

from benchmarks.fuzz.targets import TARGETS, build, find_seeds
from tests.clients.corpus import read_corpus
from tests.clients.mutation import mutate_payload


@pytest.fixture(scope="module")
def envelopes() -> list[bytes]:
    return [each.body for each in read_corpus() if each.is_envelope]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_its_seeds_and_what_becomes_of_them(
    name: str, envelopes: list[bytes]
) -> None:
    seeds, random = find_seeds(TARGETS[name], envelopes), Random(name)

    assert seeds
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        call = build(name, loop)
        for seed in random.sample(seeds, min(10, len(seeds))):
            call(seed)
            call(mutate_payload(random, seed))
