from collections.abc import Mapping

import pytest

from resumatch_monitor.rules.dependencies import find_stages
from resumatch_monitor.rules.model import AlertingRule, RecordingRule, Rule
from tests.rules.support import make_rule


def record(name: str, expr: str, labels: Mapping[str, str] | None = None) -> RecordingRule:
    return RecordingRule(name=name, expr=expr, labels=tuple((labels or {}).items()))


def alert(expr: str, *, name: str = "A", **annotations: str) -> AlertingRule:
    return make_rule(name, expr=expr, annotations=annotations)


@pytest.mark.parametrize(
    ("rules", "stages"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([record("a", "x"), record("b", "y"), alert("z > 1")], [[0, 1, 2]], id="apart"),
        pytest.param([record("a", "x"), record("b", "sum(a)")], [[0], [1]], id="reads"),
        pytest.param([record("b", "rate(a[5m])"), record("a", "x")], [[0], [1]], id="is read"),
        pytest.param(
            [record("a", "x"), record("b", "y"), alert("a / b > 1"), alert("x")],
            [[0, 1, 3], [2]],
            id="reads two",
        ),
        pytest.param(
            [record("a", "x"), record("b", "a"), record("c", "b")], [[0], [1], [2]], id="chain"
        ),
        pytest.param([record("a", "x"), alert('{job="j"}')], [[0], [1]], id="any metric"),
        pytest.param([record("a", "x"), alert('{__name__=~"a|b"}')], [[0], [1]], id="pattern"),
        pytest.param(
            [record("a", "x", {"env": "prod"}), alert('a{env="test"}')], [[0, 1]], id="other label"
        ),
        pytest.param(
            [record("a", "x", {"env": "prod"}), alert('a{env="prod"}')], [[0], [1]], id="its label"
        ),
        pytest.param(
            [alert("x", name="A"), alert('ALERTS{alertname="A"}', name="B")],
            [[0], [1]],
            id="alerts",
        ),
        pytest.param(
            [alert("x", name="A"), alert('ALERTS{alertname="C"}', name="B")],
            [[0, 1]],
            id="other alerts",
        ),
        pytest.param([record("a", "x"), record("a", "y")], [[0], [1]], id="the same series"),
        pytest.param(
            [record("a", "x"), alert("y", text="{{ query `a` }}")], [[0], [1]], id="template"
        ),
        pytest.param(
            [record("a", "x"), record("b", "max_over_time(a[1h:1m])")], [[0], [1]], id="s"
        ),
        pytest.param([record("a", "x"), record("b", "topk(scalar(a), y)")], [[0], [1]], id="param"),
        pytest.param([record("a", "x"), record("b", "-a")], [[0], [1]], id="negation"),
    ],
)
def test_a_rule_comes_after_those_that_it_reads(rules: list[Rule], stages: list[list[int]]) -> None:
    assert find_stages(rules) == stages


def test_a_very_large_group_is_evaluated_in_its_order() -> None:
    rules = [record(f"a{number}", "x") for number in range(400)]

    assert find_stages(rules) == [[number] for number in range(400)]
