import re
from pathlib import Path

import pytest

from resumatch_monitor.promql import ast
from resumatch_monitor.promql.parse import FEATURES, parse
from resumatch_monitor.promql.unparse import unparse
from resumatch_monitor.promql.value import QueryError
from tests.promql.script import Eval, parse_script

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.mark.parametrize(
    "query",
    [
        "-a ^ 2",
        "(-5) ^ 2",
        "2 ^ (-1)",
        "a - (b - c)",
        "(a - b) - c",
        "a / on (x, y) group_left (z) b",
        "a and ignoring (x) b or on () c unless d",
        "a > bool 1",
        'count_values without (x) ("v\\"é\\n", a)',
        "sum(a)",
        "sum without () (a)",
        'rate({__name__=~"a.*", b!="c"}[5m] offset -1m)',
        "max_over_time((a + b)[1h:1m] @ end() offset 5m)",
        "a @ 12.345 offset 90s",
        "histogram_quantile(0.95, sum by (le) (rate(b[5m])))",
        "Inf + NaN * -Inf * 1e-300",
    ],
)
def test_writes_what_it_has_read(query: str) -> None:
    node = parse(query, features=FEATURES)

    assert _show(parse(unparse(node), features=FEATURES)) == _show(node)


def test_writes_every_query_of_the_scripts() -> None:
    count = 0
    for path in sorted(SCRIPTS.rglob("*.test")):
        for case in parse_script(path.read_text()):
            if not isinstance(case, Eval):
                continue
            try:
                node = parse(case.query, features=FEATURES)
            except QueryError:
                continue
            count += 1
            again = parse(unparse(node), features=FEATURES)
            assert _show(again) == _show(node), case.query
    assert count > 300


def _show(node: ast.Expr) -> str:
    """Show everything but the places; unlike the nodes themselves, NaN equals NaN then."""
    return re.sub(r"places=\([^)]*\)", "", repr(node))
