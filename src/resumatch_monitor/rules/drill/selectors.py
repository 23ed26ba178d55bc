"""What an expression reads, and by which labels it groups or matches."""

from resumatch_monitor.promql import ast


def find_selectors(node: ast.Expr) -> list[ast.VectorSelector]:
    """Return every selector in `node`."""
    match node:
        case ast.VectorSelector():
            return [node]
        case ast.MatrixSelector():
            return [node.selector]
        case ast.Subquery() | ast.Negation():
            return find_selectors(node.expr)
        case ast.Call():
            return [each for argument in node.args for each in find_selectors(argument)]
        case ast.Aggregation():
            inner = [] if node.param is None else find_selectors(node.param)
            return [*inner, *find_selectors(node.expr)]
        case ast.Binary():
            return [*find_selectors(node.lhs), *find_selectors(node.rhs)]
        case _:
            return []


def find_label_names(node: ast.Expr) -> set[str]:
    """Return the labels by which `node` groups or matches."""
    match node:
        case ast.Subquery() | ast.Negation():
            return find_label_names(node.expr)
        case ast.Call():
            return {name for argument in node.args for name in find_label_names(argument)}
        case ast.Aggregation():
            own = set[str]() if node.is_without else set(node.grouping)
            return own | find_label_names(node.expr)
        case ast.Binary():
            matching = node.matching
            own = set(matching.labels) if matching.is_on else set[str]()
            inner = find_label_names(node.lhs) | find_label_names(node.rhs)
            return own | set(matching.include) | inner
        case _:
            return set()
