import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import is_absent
from resumatch_monitor.promql.value import Matrix
from resumatch_monitor.rules.preview.chart import ChartPieces


def make_matrix(end: int, moments: int, *names: str) -> Matrix:
    times = np.arange(end - moments + 1, end + 1, dtype=np.int64)
    labels = [Labels.of(__name__="x", n=name) for name in names]
    return Matrix(times, labels, np.full((len(names), moments), float(end)))


def test_what_comes_newest_first_is_put_side_by_side() -> None:
    pieces = ChartPieces()
    pieces.take(make_matrix(9, 5, "a", "b"))
    pieces.take(make_matrix(4, 5, "b", "c"))

    values, labels, times = pieces.join()

    assert times.tolist() == list(range(10))
    assert [each.value("n") for each in labels] == ["a", "b", "c"]
    assert is_absent(values).tolist() == [
        [True] * 5 + [False] * 5,
        [False] * 10,
        [False] * 5 + [True] * 5,
    ]
    assert values[1].tolist() == [4.0] * 5 + [9.0] * 5


def test_series_that_come_and_go_stay_within_the_bound() -> None:
    pieces = ChartPieces(most_values=1000)
    for piece in range(100):
        pieces.take(make_matrix(1000 - piece * 5, 5, *(f"{piece}-{n}" for n in range(10))))

    values, _, times = pieces.join()

    # Four pieces: 40 series at 20 moments; a fifth would make it 50 at 25.
    assert values.shape == (40, 20)
    assert times[-1] == 1000
    assert values.size <= 1000


def test_nothing_older_comes_after_what_was_left_out() -> None:
    pieces = ChartPieces(most_values=20)
    pieces.take(make_matrix(30, 10, "a"))
    pieces.take(make_matrix(20, 10, "a", "b"))
    pieces.take(make_matrix(10, 10, "a"))

    _, labels, times = pieces.join()

    assert len(labels) == 1
    assert times.tolist() == list(range(21, 31))


def test_one_matrix_beyond_the_bound_is_no_chart() -> None:
    pieces = ChartPieces(most_values=20)
    pieces.take(make_matrix(30, 10, "a", "b", "c"))

    values, labels, times = pieces.join()

    assert (values.shape, labels, len(times)) == ((0, 0), [], 0)
