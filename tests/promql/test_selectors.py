import pytest

from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.selectors import find_selectors


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("1 + 1", []),
        ("up", ["up"]),
        ("-sum by (job) (rate(a[5m])) / on (job) group_left b offset 5m", ["a", "b"]),
        ("max_over_time(sum(a)[1h:1m] @ 5) or topk(scalar(b), c)", ["a", "b", "c"]),
        ("a > a", ["a", "a"]),
    ],
)
def test_finds_every_selector(query: str, names: list[str]) -> None:
    found = find_selectors(parse(query))

    assert sorted(each.matchers[0].value for each in found) == names
