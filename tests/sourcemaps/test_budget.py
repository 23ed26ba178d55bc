"""Reading maps takes a bounded share of the time of events."""

from resumatch_monitor.sourcemaps.budget import ReadingBudget
from tests.support.clock import FakeClock


def test_what_is_spent_comes_back_with_time(clock: FakeClock) -> None:
    budget = ReadingBudget(clock, most_seconds=10, share=0.25)
    assert not budget.is_spent()
    budget.spend(11)
    assert budget.is_spent()

    clock.jump_monotonic(3)
    assert budget.is_spent()
    clock.jump_monotonic(2)
    assert not budget.is_spent()


def test_no_more_is_saved_than_there_was_at_first(clock: FakeClock) -> None:
    budget = ReadingBudget(clock, most_seconds=10, share=0.25)
    clock.jump_monotonic(100_000)
    assert not budget.is_spent()
    budget.spend(10)

    assert budget.is_spent()
