"""Random well-typed queries.

An expression knows how well two engines can agree on it. `is_exact`: both get the very same
number; only then may something that jumps (floor, ==, topk) look at it. `slack`: how far apart
rounding may put the two absolutely, where terms cancel each other out; nothing may multiply or
divide it then. `is_wild`: it may be infinite, NaN or huge, and is not added up. `is_distinct`: no
two series have the same value, so that it is certain which of them topk keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tests.promql.differential.data import BEGIN_MS, MINUTES


@dataclass(frozen=True)
class Expr:
    """A part of a query and how exactly it can be compared; see the module."""

    text: str
    is_exact: bool = True
    slack: float = 0.0
    is_wild: bool = False
    is_distinct: bool = False


@dataclass(frozen=True)
class Query:
    """A query and when to ask it; `end_ms` is `start_ms` for an instant query."""

    text: str
    start_ms: int
    end_ms: int
    step_ms: int
    slack: float
    is_ordered: bool = False

    @property
    def is_instant(self) -> bool:
        """Whether it is asked at one moment."""
        return self.start_ms == self.end_ms


# What may stand in a matcher: label, values that occur, a pattern or two.
_LABELS = {
    "job": (
        "api",
        "web",
        "none",
        "",
        "a.*|web",
        "api|web",
        ".+",
        "(?:ap|we).?",
        "^api$",
        "a",
        "(?i)API",
        "[^w]..",
        "a{1}p*i",
        "(?:api)|(?:web)",
        "api|",
        "\\\\w+",
        "w?e.*b?",
        "ap",
    ),
    "instance": ("a:1", "b:1", "c:1", "a:2", "a:.", ".*1", "[bc]:1", ""),
    "method": ("get", "post", "", "g.t", ".*", "(get|post)"),
    "code": ("200", "404", "500", "4..", "[45].*", "", "200|404"),
    "sensor": ("north", "south", "n.*"),
    "le": ("0.1", "0.*", "1", "[+]Inf"),
    "kind": ("one", "two", ".*e", "nan", "inf", "zero", "[ni].*"),
    "id": ("0", "1", "[0-2]", ""),
    "zone": ("z0", "z1", "z."),
    "version": ("1.0", "1.1", "1..", "1\\\\.."),
    "missing": ("", "x", ".*", ".+"),
    "text": (
        "(?s).*",
        'quo\\"te\\nline\\\\back ä',
        "(?s)quo.*",
        "(?s:.*)ä",
        "[^ä]*",
        "x|quo[^x]+",
    ),
}
_METRICS = {
    "requests_total": ("job", "instance", "method", "code"),
    "errors_total": ("job", "instance", "method"),
    "temperature": ("job", "instance", "sensor"),
    "memory_bytes": ("job", "instance"),
    "build_info": ("job", "instance", "version"),
    "up": ("job", "instance"),
    "latency_bucket": ("job", "instance", "le"),
    "wild": ("kind",),
    "special": ("kind",),
    "pushed": ("id", "zone"),
    "limits": ("job",),
    "fresh_total": ("job", "instance"),
    "lonely": ("missing",),
    "odd": ("text",),
    "no_such_metric": ("job",),
}
_OFTEN = (
    "requests_total", "requests_total", "errors_total", "temperature", "temperature", "wild",
    "special",
)  # fmt: skip
_SLACKS = {"memory_bytes": 1e-1, "pushed": 1e-6, "temperature": 1e-6, "special": 1e-6}

_ELEMENTWISE_EXACT = ("abs", "ceil", "floor", "sgn", "round", "timestamp")
_ELEMENTWISE = (
    "exp", "ln", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
    "tanh", "asinh", "acosh", "atanh", "deg", "rad", "sqrt",
)  # fmt: skip
_CALENDAR = (
    "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month",
    "year",
)  # fmt: skip
_RANGE_EXACT = (
    "min_over_time", "max_over_time", "last_over_time", "count_over_time", "present_over_time",
    "changes", "resets", "idelta",
)  # fmt: skip
_RANGE_STEADY = ("rate", "increase", "irate")
_RANGE_CANCELLING = (
    "delta", "deriv", "sum_over_time", "avg_over_time", "stddev_over_time", "stdvar_over_time",
)  # fmt: skip
_MATCHED = ("job", "instance", "method", "code", "__name__")
# Scalars that change from step to step, or are not there at some.
_MOVING = ("scalar(lonely) / 10", "time() % 3 / 2", "scalar(special{kind='zero'})", "-(time() % 7)")
_COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")


class QueryMaker:
    """Makes queries; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def make(self) -> Query:
        """Return another query."""
        random = self._random
        depth = random.choice((1, 2, 2, 3, 3, 4, 6))
        is_scalar = random.random() < 0.04
        expr = self._scalar(depth) if is_scalar else self._vector(depth)
        start_ms = BEGIN_MS + random.randrange(-2, MINUTES + 8) * 60_000
        start_ms += random.choice((0, 0, 1, 7, 31)) * 1000
        if random.random() < 0.04:
            ranges = self._range(depth)
            return Query(ranges.text, start_ms, start_ms, 0, ranges.slack)
        if random.random() < 0.5:
            text, is_ordered = self._order(expr, is_scalar=is_scalar)
            return Query(text, start_ms, start_ms, 0, expr.slack, is_ordered)
        step_ms = random.choice((5, 15, 30, 60, 61, 300, 1000)) * 1000
        end_ms = start_ms + step_ms * random.randrange(1, 40)
        return Query(expr.text, start_ms, end_ms, step_ms, expr.slack)

    def _order(self, expr: Expr, *, is_scalar: bool) -> tuple[str, bool]:
        random = self._random
        if random.random() < 0.15 and expr.is_exact and not is_scalar:
            return f"{random.choice(('sort', 'sort_desc'))}({expr.text})", True
        if random.random() < 0.1 and expr.is_distinct and not is_scalar:
            operator = random.choice(("topk", "bottomk"))
            return f"{operator}({random.randrange(8)}, {expr.text})", True
        return expr.text, False

    # Scalars.

    def _number(self) -> str:
        return self._random.choice(
            ("0", "1", "2", "-1", "0.5", "10", "100", "1e3", "-7.25", "3", "0x10", "-0", "1e9")
        )

    def _scalar(self, depth: int) -> Expr:
        random = self._random
        choice = random.random()
        if depth <= 0 or choice < 0.5:
            odd = random.random() < 0.05
            text = random.choice(("NaN", "Inf", "-Inf", "+Inf")) if odd else self._number()
            return Expr(text, is_wild=odd)
        if choice < 0.6:
            return Expr(random.choice(("time()", "pi()")))
        if choice < 0.8:
            inner = self._vector(depth - 1)
            return replace(inner, text=f"scalar({inner.text})", is_wild=True)
        left, right = self._scalar(depth - 1), self._scalar(depth - 1)
        if random.random() < 0.3 and left.is_exact and right.is_exact:
            operator = f"{random.choice(_COMPARISONS)} bool"
        else:
            operator = self._operator(left, right)
        return self._join(left, right, operator, "")

    # Vectors.

    def _vector(self, depth: int) -> Expr:
        random = self._random
        if depth <= 0:
            return self._selector()
        makers: tuple[tuple[int, Callable[[int], Expr]], ...] = (
            (3, lambda _: self._selector()),
            (10, self._range_function),
            (4, self._elementwise),
            (9, self._aggregation),
            (8, self._arithmetic),
            (5, self._comparison),
            (4, self._set_operation),
            (2, self._with_scalar),
            (3, self._label_function),
            (2, self._absence),
            (3, self._quantile_of_histogram),
            (2, self._calendar),
            (2, self._clamp),
            (1, lambda depth: self._vector_of(depth)),
            (1, lambda depth: self._negation(depth)),
        )
        chosen = random.choices(makers, [weight for weight, _ in makers])[0][1]
        return chosen(depth)

    def _selector(self) -> Expr:
        text, metric = self._bare_selector()
        return Expr(
            text + self._modifiers(),
            is_wild=metric == "wild",
            is_distinct=metric in ("memory_bytes", "requests_total"),
        )

    def _bare_selector(self, metrics: tuple[str, ...] = ()) -> tuple[str, str]:
        random = self._random
        metric = random.choice(metrics or (*_METRICS, *_OFTEN, *_OFTEN))
        if not metrics and random.random() < 0.06:
            names = ("requests_total|errors_total", "temp.*", "(up|build_info)", "lonely|odd|up")
            return f'{{__name__=~"{random.choice(names)}"{self._matchers("up", ", ")}}}', "up"
        inner = self._matchers(metric, "")
        return f"{metric}{{{inner}}}" if inner else metric, metric

    def _matchers(self, metric: str, lead: str) -> str:
        random = self._random
        matchers: list[str] = []
        labels = [*_METRICS[metric], *(("missing",) if random.random() < 0.1 else ())]
        for label in labels:
            if label in _LABELS and random.random() < 0.3:
                operator = random.choice(("=", "=", "!=", "=~", "=~", "!~"))
                matchers.append(f'{label}{operator}"{random.choice(_LABELS[label])}"')
        return lead + ", ".join(matchers) if matchers else ""

    def _modifiers(self) -> str:
        random = self._random
        parts: list[str] = []
        if random.random() < 0.12:
            parts.append(f"offset {random.choice(('1m', '7s', '-1m', '10m', '-5m', '1h'))}")
        if random.random() < 0.1:
            moment = f"{BEGIN_MS // 1000 + random.randrange(0, MINUTES * 60)}"
            parts.append(f"@ {random.choice((moment, 'start()', 'end()'))}")
        random.shuffle(parts)
        return "".join(f" {part}" for part in parts)

    def _range(self, depth: int, metrics: tuple[str, ...] = ()) -> Expr:
        random = self._random
        if depth > 1 and random.random() < 0.3:
            inner = self._vector(depth - 1)
            step = random.choice(("", "1m", "15s", "7s", "2m30s"))
            # Half a second more, so that no inner step is at the very beginning.
            length = random.choice(("1m500ms", "5m500ms", "10m500ms", "30m500ms", "7m1s500ms"))
            text = f"({inner.text})[{length}:{step}]{self._modifiers()}"
            return replace(inner, text=text)
        text, metric = self._bare_selector(metrics)
        length = random.choice(("30s", "1m", "2m", "5m", "10m", "1h", "1m1s", "45s"))
        return Expr(
            f"{text}[{length}]{self._modifiers()}",
            is_wild=metric == "wild",
            slack=_SLACKS.get(metric, 0.0),
        )

    def _range_function(self, depth: int) -> Expr:
        random = self._random
        choice = random.random()
        if choice < 0.3:
            ranges = self._range(depth)
            if ranges.is_exact:
                name = random.choice(_RANGE_EXACT)
            else:
                name = random.choice(
                    ("min_over_time", "max_over_time", "last_over_time", "count_over_time")
                )
            exact = ranges.is_exact or name == "count_over_time"
            slack = 0.0 if exact else ranges.slack
            text = f"{name}({ranges.text})"
            if name in ("min_over_time", "max_over_time"):
                # Which of two zeros they return is left to chance.
                text = f"(0 + {text})"
            return Expr(text, is_exact=exact, slack=slack, is_wild=ranges.is_wild)
        if choice < 0.6:
            counters = (
                "requests_total",
                "errors_total",
                "latency_bucket",
                "fresh_total",
                "limits",
            )
            ranges = self._range(0, counters)
            return Expr(f"{random.choice(_RANGE_STEADY)}({ranges.text})", is_exact=False)
        ranges = self._range(depth)
        if ranges.is_wild:
            return replace(ranges, text=f"count_over_time({ranges.text})", is_wild=False)
        slack = max(ranges.slack, 1e-6)
        if choice < 0.75:
            name = random.choice(("quantile_over_time", "predict_linear", "holt_winters"))
            is_wild = False
            if name == "quantile_over_time":
                quantile = random.choice(("0.5", "0.9", "0", "1", "-1", "2", "0.333", *_MOVING))
                text = f"quantile_over_time({quantile}, {ranges.text})"
                is_wild = quantile not in ("0.5", "0.9", "0", "1", "0.333")
            elif name == "predict_linear":
                seconds = random.choice(("0", "60", "-3600", "time() % 7"))
                text = f"predict_linear({ranges.text}, {seconds})"
                slack = max(slack, 1e-3)
            else:
                text = f"holt_winters({ranges.text}, 0.5, {random.choice(('0.1', '0.9'))})"
            return Expr(text, is_exact=False, slack=slack, is_wild=is_wild)
        name = random.choice(_RANGE_CANCELLING)
        if name.startswith("std"):
            # Squares, and their roots.
            slack = max(slack, 1e-3)
        return Expr(f"{name}({ranges.text})", is_exact=False, slack=slack)

    def _elementwise(self, depth: int) -> Expr:
        random = self._random
        inner = self._vector(depth - 1)
        if inner.is_exact and random.random() < 0.6:
            name = random.choice(_ELEMENTWISE_EXACT)
            if name == "round" and random.random() < 0.5:
                to = random.choice(("0.1", "5", "1000", "0.25"))
                return Expr(f"round({inner.text}, {to})", is_exact=False, is_wild=inner.is_wild)
            return replace(inner, text=f"{name}({inner.text})", is_distinct=False)
        if not inner.is_exact:
            return replace(inner, text=f"abs({inner.text})")
        return replace(
            inner,
            text=f"{random.choice(_ELEMENTWISE)}({inner.text})",
            is_exact=False,
            is_wild=True,
            is_distinct=False,
        )

    def _aggregation(self, depth: int) -> Expr:
        random = self._random
        inner = self._vector(depth - 1)
        grouping = self._grouping()
        if inner.is_distinct and random.random() < 0.5:
            name = random.choice(("topk", "bottomk"))
        elif inner.is_exact and random.random() < 0.5:
            name = random.choice(("min", "max", "count", "group", "count_values"))
        elif inner.is_wild:
            name = random.choice(("min", "max", "count", "group"))
        else:
            name = random.choice(("sum", "sum", "avg", "stddev", "stdvar", "quantile", "max"))
            if name.startswith("std") and "special" in inner.text:
                name = "avg"
        if name in ("topk", "bottomk"):
            k = random.choice(("1", "2", "3", "0", "-1", "100", "scalar(lonely)", "time() % 4"))
            return replace(inner, text=self._grouped(name, grouping, f"{k}, {inner.text}"))
        if name == "count_values":
            # Under by, 2.42 mixes labels up unless the new one comes last.
            label = "zz" if grouping.startswith("by") else random.choice(("value", "job", "code"))
            text = self._grouped(name, grouping, f'"{label}", {inner.text}')
            return Expr(text)
        if name == "quantile":
            quantile = random.choice(("0.5", "0.9", "0", "1", "-1", "2", *_MOVING))
            text = self._grouped(name, grouping, f"{quantile}, {inner.text}")
            slack, is_wild = max(inner.slack, 1e-6), quantile not in ("0.5", "0.9", "0", "1")
            return Expr(text, is_exact=False, slack=slack, is_wild=is_wild)
        if name in ("min", "max"):
            # Which of two zeros they return is left to chance.
            text = self._grouped(name, grouping, f"0 + {inner.text}")
            return replace(inner, text=text, is_distinct=False)
        text = self._grouped(name, grouping, inner.text)
        if name in ("count", "group"):
            return Expr(text)
        slack = max(inner.slack, 1e-2 if name.startswith("std") else 1e-5)
        return Expr(text, is_exact=False, slack=slack)

    def _grouping(self) -> str:
        random = self._random
        if random.random() < 0.25:
            return ""
        names = random.sample(sorted(_LABELS), random.randrange(3))
        if random.random() < 0.5:
            names = random.sample(("job", "instance", "method", "__name__"), random.randrange(4))
        return f"{random.choice(('by', 'without'))} ({', '.join(names)})"

    def _grouped(self, name: str, grouping: str, inner: str) -> str:
        if self._random.random() < 0.5:
            return f"{name} {grouping} ({inner})"
        return f"{name}({inner}) {grouping}".strip()

    def _operator(self, left: Expr, right: Expr) -> str:
        random = self._random
        if left.slack or right.slack:
            return random.choice(("+", "-"))
        if left.is_exact and right.is_exact:
            return random.choice(("+", "-", "*", "/", "%", "^", "atan2"))
        return random.choice(("+", "-", "*", "/"))

    def _join(self, left: Expr, right: Expr, operator: str, matching: str) -> Expr:
        is_wild = left.is_wild or right.is_wild or operator in ("/", "%", "^", "*")
        is_exact = left.is_exact and right.is_exact and operator not in ("^", "atan2")
        slack = max(left.slack, right.slack)
        if not is_exact and operator in ("+", "-"):
            slack = max(slack, 1e-6)
        text = f"({left.text}) {operator} {matching} ({right.text})"
        return Expr(text, is_exact=is_exact, slack=slack, is_wild=is_wild)

    def _pair(self, depth: int) -> tuple[Expr, Expr, str]:
        """Return two vectors and a matching that has a chance to make sense."""
        random = self._random
        if random.random() < 0.4:
            left = self._vector(depth - 1)
            right = self._vector(depth - 1) if random.random() < 0.5 else left
            matching = ""
            if random.random() < 0.4:
                names = random.sample(_MATCHED, random.randrange(4))
                matching = f"{random.choice(('on', 'ignoring'))} ({', '.join(names)})"
                matching += random.choice(("", "", " group_left ()", " group_right (code)"))
            return left, right, matching
        many, _ = self._bare_selector(("requests_total", "errors_total", "temperature"))
        one, on = random.choice(
            (
                ("up", "on (job, instance)"),
                ("limits", "on (job)"),
                ("build_info", "on (instance, job)"),
                ("errors_total", "ignoring (code)"),
                ("sum by (job) (up)", "on (job)"),
            )
        )
        include = random.choice(("()", "()", "()", "(version)", "(method)", "(version, sensor)"))
        left, right = Expr(many), Expr(one)
        if one.startswith("sum"):
            right = Expr(one, is_exact=True)
        if random.random() < 0.5:
            return left, right, f"{on} group_left {include}"
        return right, left, f"{on} group_right {include}"

    def _arithmetic(self, depth: int) -> Expr:
        left, right, matching = self._pair(depth)
        return self._join(left, right, self._operator(left, right), matching)

    def _comparison(self, depth: int) -> Expr:
        random = self._random
        left, right, matching = self._pair(depth)
        if random.random() < 0.4:
            right, matching = self._scalar(0), ""
            if random.random() < 0.3:
                left, right = right, left
        if not (left.is_exact and right.is_exact):
            return self._join(left, right, self._operator(left, right), matching)
        bool_ = "bool" if random.random() < 0.4 else ""
        text = f"({left.text}) {random.choice(_COMPARISONS)} {bool_} {matching} ({right.text})"
        return Expr(text, is_wild=left.is_wild or right.is_wild)

    def _set_operation(self, depth: int) -> Expr:
        random = self._random
        left, right = self._vector(depth - 1), self._vector(depth - 1)
        matching = ""
        if random.random() < 0.6:
            names = random.sample(_MATCHED, random.randrange(4))
            matching = f"{random.choice(('on', 'ignoring'))} ({', '.join(names)})"
        operator = random.choice(("and", "or", "unless"))
        text = f"({left.text}) {operator} {matching} ({right.text})"
        return Expr(
            text,
            is_exact=left.is_exact and right.is_exact,
            slack=max(left.slack, right.slack),
            is_wild=left.is_wild or right.is_wild,
        )

    def _with_scalar(self, depth: int) -> Expr:
        left, right = self._vector(depth - 1), self._scalar(depth - 1)
        if self._random.random() < 0.3:
            left, right = right, left
        return self._join(left, right, self._operator(left, right), "")

    def _label_function(self, depth: int) -> Expr:
        random = self._random
        inner = self._vector(depth - 1)
        target = random.choice(("job", "new", "instance", "__name__", "method"))
        if random.random() < 0.4:
            sources = ", ".join(
                f'"{name}"' for name in random.sample(sorted(_LABELS), random.randrange(4))
            )
            separator = random.choice(("-", "", ", "))
            comma = ", " if sources else ""
            text = f'label_join({inner.text}, "{target}", "{separator}"{comma}{sources})'
            return replace(inner, text=text)
        source = random.choice(("job", "instance", "method", "code", "missing", "__name__"))
        pattern = random.choice(("(.*)", "(a).*", "([a-z]+):(.+)", "", "a|web", "(?P<x>.).*"))
        replacement = random.choice(("$1", "${1}_x", "$2-$1", "", "const", "$x", "$$1", "$9"))
        text = f'label_replace({inner.text}, "{target}", "{replacement}", "{source}", "{pattern}")'
        return replace(inner, text=text)

    def _absence(self, depth: int) -> Expr:
        if self._random.random() < 0.5:
            return Expr(f"absent({self._vector(depth - 1).text})")
        return Expr(f"absent_over_time({self._range(depth).text})")

    def _quantile_of_histogram(self, depth: int) -> Expr:
        random = self._random
        quantile = random.choice(("0.5", "0.9", "0.99", "0", "1", "-1", "1.5", "NaN", *_MOVING))
        selector, _ = self._bare_selector(("latency_bucket",))
        inner = random.choice(
            (
                selector,
                f"rate({selector}[{random.choice(('1m', '5m', '20m'))}])",
                f"sum by (le) (rate({selector}[5m]))",
                f"sum by (le, job) (increase({selector}[10m]))",
                f"{selector} * NaN",
                f"{selector} / 0",
                f"{selector} - {selector}",
                f"{selector} % 7",
                f"{selector} > 100000",
                f"-{selector}",
                f'label_replace({selector}, "le", "0.10", "le", "0[.]1")',
                f'label_replace({selector}, "le", "$1", "le", "(0[.]).*")',
                f'label_replace({selector} and {selector} % 3 > 1, "le", "-$1", "le", "(.*)")',
                f'{selector} or label_replace(vector(NaN), "le", "0.07", "", "")',
                self._vector(depth - 1).text if random.random() < 0.3 else selector,
            )
        )
        return Expr(
            f"histogram_quantile({quantile}, {inner})", is_exact=False, is_wild=True, slack=1e-7
        )

    def _calendar(self, depth: int) -> Expr:
        name = self._random.choice(_CALENDAR)
        if self._random.random() < 0.3:
            return Expr(f"{name}()")
        inner = self._vector(depth - 1)
        if not inner.is_exact:
            return Expr(f"{name}(timestamp({inner.text}))")
        return replace(inner, text=f"{name}({inner.text})", is_distinct=False)

    def _clamp(self, depth: int) -> Expr:
        inner = self._vector(depth - 1)
        name = self._random.choice(("clamp", "clamp_min", "clamp_max"))
        limits = ", ".join(self._limit() for _ in range(2 if name == "clamp" else 1))
        # Limits that change may be NaN.
        is_wild = inner.is_wild or "(" in limits
        text = f"{name}({inner.text}, {limits})"
        return replace(inner, text=text, is_distinct=False, is_wild=is_wild)

    def _limit(self) -> str:
        return self._number() if self._random.random() < 0.7 else self._random.choice(_MOVING)

    def _vector_of(self, depth: int) -> Expr:
        inner = self._scalar(depth - 1)
        return replace(inner, text=f"vector({inner.text})")

    def _negation(self, depth: int) -> Expr:
        inner = self._vector(depth - 1)
        sign = self._random.choice(("-", "-", "+", "--", "-+"))
        return replace(inner, text=f"{sign}({inner.text})")
