import pytest

from resumatch_monitor.promql.condition import Condition, find_condition
from resumatch_monitor.promql.value import QueryError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up == 0", Condition("up", "==", 0.0)),
        ("(up == 0)", Condition("up", "==", 0.0)),
        ("5 < x", Condition("x", ">", 5.0)),
        ("x <= 2 * (5 - 60)", Condition("x", "<=", -110.0)),
        ("x > -5", Condition("x", ">", -5.0)),
        ("time() - x > 3600", Condition("time() - x", ">", 3600.0)),
        ("x > 1 and on (job) up == 1", Condition("x", ">", 1.0)),
        ("x and y > 1", Condition("y", ">", 1.0)),
        ("x unless y > 1", Condition("x unless y > 1")),
        ("x > y", Condition("x > y")),
        ("x > bool 1", Condition("x > bool 1")),
        ('absent(up{job="a"})', Condition('absent(up{job="a"})')),
        ("x > 1 / 0", Condition("x > 1 / 0")),
        ("1 > bool 2", Condition("1 > bool 2")),
    ],
)
def test_finds_what_is_compared_with_a_number(text: str, expected: Condition) -> None:
    assert find_condition(text) == expected


def test_refuses_what_is_no_query() -> None:
    with pytest.raises(QueryError):
        find_condition("sum(")
