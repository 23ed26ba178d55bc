import itertools
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.kit.cadence import find_next_slot, find_phase
from resumatch_monitor.probes.cadence import build_thresholds, find_retry_delay
from resumatch_monitor.probes.config import HTTPProbeConfig
from resumatch_monitor.probes.outage import ProbeState, advance
from tests.probes.recording import at, observe, slow

CONFIG = HTTPProbeConfig(name="web", type="http", url="http://localhost/")


def follow(*results: bool, step: float = 10.0) -> ProbeState:
    state = ProbeState()
    for position, ok in enumerate(results):
        state, _ = advance(state, observe(position * step, ok=ok), build_thresholds(CONFIG))
    return state


def test_a_settled_probe_keeps_its_interval() -> None:
    assert find_retry_delay(follow(True), CONFIG, at(1)) is None


def test_a_failure_is_looked_at_again_soon() -> None:
    assert find_retry_delay(follow(True, False), CONFIG, at(11)) == timedelta(seconds=10)


def test_a_recovery_is_confirmed_soon() -> None:
    assert find_retry_delay(follow(*[False] * 8, True), CONFIG, at(81)) == timedelta(seconds=10)


def test_an_attempt_falls_on_the_moment_at_which_a_failure_becomes_an_outage() -> None:
    state = follow(False, False, step=55.0)

    assert find_retry_delay(state, CONFIG, at(55.1)) == timedelta(seconds=5)


def test_a_short_hold_shortens_the_retries() -> None:
    config = CONFIG.model_copy(update={"down_after": timedelta(seconds=6)})

    assert find_retry_delay(follow(False), config, at(0.1)) == timedelta(seconds=2)


def test_a_slow_target_is_not_hurried_once_it_is_known_to_be_slow() -> None:
    state = ProbeState()
    for position in range(8):
        observation = slow(observe(position * 10.0))
        state, _ = advance(state, observation, build_thresholds(CONFIG))

    assert find_retry_delay(state, CONFIG, at(80)) is None


def test_phases_are_spread_and_stable() -> None:
    phases = sorted(find_phase(f"probe-{number}") for number in range(1000))

    assert find_phase("backend") == find_phase("backend")
    assert 0 <= phases[0] < phases[-1] < 1
    assert max(b - a for a, b in itertools.pairwise(phases)) < 0.02


@given(now=st.floats(-1e9, 1e9), interval=st.floats(1, 1e5), offset=st.floats(0, 1e5))
def test_the_next_slot_is_within_one_interval(now: float, interval: float, offset: float) -> None:
    slot = find_next_slot(now, interval_seconds=interval, offset_seconds=offset)

    assert now <= slot + 1e-3
    assert slot <= now + interval + 1e-3
