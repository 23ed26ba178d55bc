"""How alike two issues are."""

import pytest

from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.search.similarity import (
    Likeness,
    compare_frames,
    find_frames,
    find_words,
    share,
)
from tests.support.errors import make_event, make_exception


def test_words_are_letters_so_that_ids_and_numbers_do_not_count() -> None:
    assert find_words("KeyError: order 4711 of a1b2c3d4", "shop.cart in pay") == {
        *("keyerror", "order", "shop", "cart", "pay")
    }


def test_frames_are_the_applications_own() -> None:
    exception = {"values": [make_exception("KeyError", "x", "pay", "checkout")]}
    exception["values"][0]["stacktrace"]["frames"][0]["in_app"] = False

    assert find_frames(normalise(make_event(exception=exception))) == {("shop.cart", "checkout")}


@pytest.mark.parametrize(
    ("title", "frames", "score"), [(1.0, 1.0, 1.0), (0.5, 0.0, 0.2), (1.0, None, 0.8), (0.0, 0, 0)]
)
def test_frames_tell_more_than_titles(title: float, frames: float | None, score: float) -> None:
    assert Likeness(title, frames).score == pytest.approx(score)


def test_what_is_shared_is_a_part_of_what_either_has() -> None:
    assert share({"a", "b"}, {"b", "c"}) == pytest.approx(1 / 3)
    assert share(set(), set()) == 0
    assert compare_frames(frozenset(), frozenset({("m", "f")})) is None
