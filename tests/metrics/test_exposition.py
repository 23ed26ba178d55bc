"""The exposition parser, against cases by hand and prometheus_client's own parsers."""

import contextlib
import math
import struct
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as open_metrics_parser

from resumatch_monitor.metrics.exposition import (
    NO_TIMESTAMP,
    Exposition,
    ExpositionError,
    ExpositionParser,
    choose_format,
)
from resumatch_monitor.metrics.exposition_lines import Format, ParsedExemplar
from resumatch_monitor.metrics.labels import Labels, escape_label_value, render_labels


def parse(text: str, form: Format = Format.TEXT) -> Exposition:
    return ExpositionParser().parse(text.encode(), form=form)


def samples_of(exposition: Exposition) -> list[tuple[str, float]]:
    return [
        (render_labels(labels), float(value))
        for labels, value in zip(exposition.labels, exposition.values, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up 1", [("up", 1.0)]),
        ("up 1\n", [("up", 1.0)]),
        ("\n  up\t 1  \n\n", [("up", 1.0)]),
        ("a{} 1", [("a", 1.0)]),
        ("a { b = \"c\" , } 1", [('a{b="c"}', 1.0)]),
        ('a{b="c",d=""} 1', [('a{b="c"}', 1.0)]),
        ('a{b="\\\\ \\n \\" } # x"} 1', [('a{b="\\\\ \\n \\" } # x"}', 1.0)]),
        ("a +Inf\nb -Inf\nc Inf\nd 1e3\ne .5\nf -0", [
            ("a", math.inf), ("b", -math.inf), ("c", math.inf),
            ("d", 1000.0), ("e", 0.5), ("f", -0.0),
        ]),
        ('{"my.metric","label.name"="x",b="y"} 2', [('my.metric{b="y",label.name="x"}', 2.0)]),
        ('{"m"} 2', [("m", 2.0)]),
        ("# a comment\n#\n# HELP\nx 1", [("x", 1.0)]),
        ("", []),
    ],
)  # fmt: skip
def test_reads_the_text_format(text: str, expected: list[tuple[str, float]]) -> None:
    assert samples_of(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("up 1\nup", "line 2: expected a value after up"),
        ("up 1\nup ", "line 2: the value is missing"),
        ("up one", "line 1: 'one' is not a value"),
        ("up 0x1p-2", "line 1: '0x1p-2' is not a value"),
        ("up 1_000", "line 1: '1_000' is not a value"),
        ("up 1 2 3", "line 1: expected the end of the line, found '3'"),
        ("up 1 soon", "line 1: 'soon' is not a timestamp"),
        ("up 1 99999999999999999999999", "is not a timestamp"),
        ('a{b="c} 1', "line 1: expected a label"),
        ("a{b=c} 1", "line 1: expected a label"),
        ('a{b="c" d="e"} 1', "line 1: expected a label"),
        ('a{b="1",b="2"} 1', "line 1: label b is given twice"),
        ('a{"b"} 1', "line 1: the name is given twice"),
        ('{b="1"} 1', "line 1: the series has no name"),
        ("<!DOCTYPE html>", "line 1: expected a metric's name, found '<!DOCTYPE html>'"),
        ("0abc 1", "line 1: expected a metric's name"),
        ("a-b 1", "line 1: expected a value after a, found '-b 1'"),
    ],
)
def test_names_the_line_and_the_reason(text: str, message: str) -> None:
    with pytest.raises(ExpositionError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_bytes_that_are_not_utf8_are_an_error() -> None:
    with pytest.raises(ExpositionError, match=r"line 1: .* is not UTF-8"):
        ExpositionParser().parse(b'a{b="\xff"} 1')


@pytest.mark.parametrize("body", [b"a 1\nb 2\nc 3\n", b"\n" * 20_000])
def test_a_text_that_is_too_long_is_refused(body: bytes) -> None:
    with pytest.raises(ExpositionError, match="more than the 2 samples that it may"):
        ExpositionParser().parse(body, max_samples=2)


def test_a_nan_is_a_nan() -> None:
    assert np.isnan(parse("a NaN\nb nan").values).all()


def test_reads_timestamps_in_each_formats_unit() -> None:
    text = parse("a 1 1700000000123\nb 2")
    open_metrics = parse("a 1 1700000000.123\nb 2\n# EOF\n", Format.OPEN_METRICS)

    for exposition in (text, open_metrics):
        assert exposition.timestamps is not None
        assert exposition.timestamps.tolist() == [1700000000123, NO_TIMESTAMP]


def test_open_metrics_demands_its_end() -> None:
    assert samples_of(parse("a 3\n# EOF\n", Format.OPEN_METRICS)) == [("a", 3)]
    assert samples_of(parse("# EOF", Format.OPEN_METRICS)) == []
    for text, message in (
        ("a 3\n", "line 1: the text does not end with '# EOF'"),
        ("", "line 1: the text does not end with '# EOF'"),
        ("a 3\n# EOF\nb 4\n", "line 3: the text does not end with '# EOF'"),
        ("a 3\n# EOF\nb 4\n# EOF\n", "line 3: the text goes on after '# EOF'"),
    ):
        with pytest.raises(ExpositionError, match=message):
            parse(text, Format.OPEN_METRICS)


def test_reads_exemplars_of_lines_that_changed() -> None:
    parser = ExpositionParser()

    def scrape(*lines: str) -> Exposition:
        text = "\n".join((*lines, "# EOF", ""))
        return parser.parse(text.encode(), form=Format.OPEN_METRICS)

    first = scrape(
        'a_bucket{le="1"} 3 # {trace_id="x } # y"} 0.5 1700000000.5',
        'a_bucket{le="+Inf"} 4 1700000001 # {} 7',
        'b{c=" # "} 5',
    )
    assert first.exemplars == {
        0: ParsedExemplar(Labels.of(trace_id="x } # y"), 0.5, 1_700_000_000_500),
        1: ParsedExemplar(Labels.of(), 7.0, None),
    }
    assert first.values.tolist() == [3, 4, 5]

    lines = ('a_bucket{le="1"} 3', 'a_bucket{le="+Inf"} 4', "b 5")
    plain = scrape(*lines)
    changed = scrape('a_bucket{le="1"} 4 # {trace_id="z"} 0.25', *lines[1:])
    same = scrape('a_bucket{le="1"} 4 # {trace_id="z"} 0.25', *lines[1:])
    assert plain.exemplars == {}
    assert changed.exemplars == {0: ParsedExemplar(Labels.of(trace_id="z"), 0.25, None)}
    assert changed.values.tolist() == [4, 4, 5]
    assert changed.labels is plain.labels, "an exemplar is read without reading the series again"
    assert same.exemplars == {}


@pytest.mark.parametrize(
    ("exemplar", "message"),
    [
        ("x 1", "line 2: expected an exemplar's labels, found 'x 1'"),
        ('{a="b"', "line 2: expected a label, found"),
        ('{a="b"}', "line 2: the value is missing"),
        ('{a="b"} one', "line 2: 'one' is not a value"),
        ('{a="b"} 1 2 3', "line 2: expected the end of the line"),
    ],
)
def test_an_exemplar_that_is_none_fails_the_scrape(exemplar: str, message: str) -> None:
    parser = ExpositionParser()
    for text in ("a 1\nb 2\n# EOF", f"a 1\nb 3 # {exemplar}\n# EOF"):
        caught: str = ""
        try:
            parser.parse(text.encode(), form=Format.OPEN_METRICS)
        except ExpositionError as error:
            caught = str(error)
    assert message in caught


def test_the_text_format_has_no_exemplars() -> None:
    with pytest.raises(ExpositionError, match="expected the end of the line"):
        parse('a 1 # {b="c"} 2\n')


def test_a_label_without_a_value_is_kept_on_request() -> None:
    parser = ExpositionParser(keep_empty_labels=True)
    found = parser.parse(b'a{b="",c="d"} 1\n')

    assert dict(found.labels[0]) == {"__name__": "a", "b": "", "c": "d"}
    with pytest.raises(ExpositionError, match="the series has no name"):
        parser.parse(b'{__name__="",c="d"} 1\n')


def test_a_fallback_reads_what_names_no_format() -> None:
    assert choose_format("text/html", "PrometheusText0.0.4") is Format.TEXT
    assert choose_format("", "OpenMetricsText1.0.0") is Format.OPEN_METRICS
    assert choose_format("text/plain", "OpenMetricsText1.0.0") is Format.TEXT


def test_keeps_what_is_said_of_a_metric() -> None:
    parser = ExpositionParser()
    parser.parse(
        b"# HELP a_seconds One \\\\ two\\nthree\n# TYPE a_seconds counter\n"
        b"# UNIT a_seconds seconds\n"
        b"# TYPE b untyped\n# TYPE c strange\na_seconds_total 1\n# EOF",
        form=Format.OPEN_METRICS,
    )

    said = parser.metadata["a_seconds"]
    assert (said.type, said.help, said.unit) == ("counter", "One \\ two\nthree", "seconds")
    assert parser.metadata["b"].type == "unknown"
    assert parser.metadata["c"].type == "unknown"


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        ("text/plain; version=0.0.4; charset=utf-8", Format.TEXT),
        ("", Format.TEXT),
        ("application/openmetrics-text; version=1.0.0", Format.OPEN_METRICS),
    ],
)
def test_the_content_type_chooses_the_parser(content_type: str, form: Format) -> None:
    assert choose_format(content_type) is form


def test_html_is_called_html() -> None:
    with pytest.raises(ExpositionError, match="answered text/html, which is not a metrics format"):
        choose_format("text/html; charset=utf-8")


def test_the_same_series_are_the_same_object() -> None:
    parser = ExpositionParser()
    first = parser.parse(b'# HELP a x\na{b="1"} 1\nc 2\n')
    same = parser.parse(b'# HELP a x\na{b="1"} 1\nc 3e1\n')
    described_anew = parser.parse(b'# HELP a y\na{b="1"} 5\nc 3e1\n')
    other = parser.parse(b'# HELP a y\na{b="2"} 5\nc 3e1\n')

    assert same.labels is first.labels
    assert described_anew.labels is first.labels
    assert first.values.tolist() == [1.0, 2.0]
    assert same.values.tolist() == [1.0, 30.0]
    assert described_anew.values.tolist() == [5.0, 30.0]
    assert other.labels[0]["b"] == "2"


@pytest.mark.parametrize(
    "second",
    [
        "a 1\nbc 2\n", "a 1\nb2 2\n", "a 1\nb{} 2\n", "a 1\nb 2 1700000000000\n",
        "a NaN\nb +Inf\n", "a 1e999\nb 123456789012345678901234567890\n", "a 1\n# b 2\n",
        "b 1\na 2\n", "a 01\nb 1.\n", "a  1\nb\t2\n", "a 1\nb{c=\"d\"} 2\n", "a 1,2\nb 3\n",
        "a -0\nb -0\n", "a 7\nb true\n", "a 7\nb 1_0\n", "a 7\nb \n", "a 7\ninf\n", "a 7\nb null\n",
    ],
)  # fmt: skip
def test_a_changed_text_is_read_as_if_it_were_the_first(second: str) -> None:
    parser = ExpositionParser()
    parser.parse(b"a 1\nb 2\n")
    try:
        expected: object = repr(samples_of(parse(second)))
    except ExpositionError as error:
        expected = str(error)

    try:
        found: object = repr(samples_of(parser.parse(second.encode())))
    except ExpositionError as error:
        found = str(error)

    assert found == expected


NAMES = st.from_regex(r"[a-z_:][a-z0-9_:]{0,5}", fullmatch=True)
LABEL_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
LABEL_VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8)
VALUES = st.one_of(st.floats(), st.integers(-(10**20), 10**20).map(float))


@st.composite
def scrapes(draw: st.DrawFn) -> list[tuple[Labels, float]]:
    series = draw(
        st.lists(
            st.tuples(NAMES, st.dictionaries(LABEL_NAMES, LABEL_VALUES, max_size=3)), max_size=6
        )
    )
    return [(Labels.of(labels, __name__=name), draw(VALUES)) for name, labels in series]


def render(scrape: list[tuple[Labels, float]]) -> str:
    return "".join(f"{render_labels(labels)} {value!r}\n" for labels, value in scrape)


def bits(value: float) -> bytes:
    return b"NaN" if math.isnan(value) else struct.pack("<d", value)


@settings(max_examples=40, deadline=None)
@given(st.lists(scrapes(), min_size=1, max_size=4))
def test_agrees_with_prometheus_client_scrape_after_scrape(
    rounds: list[list[tuple[Labels, float]]],
) -> None:
    parser = ExpositionParser()
    for scrape in rounds:
        text = render(scrape)
        oracle = [
            (Labels.of(sample.labels, __name__=sample.name), bits(sample.value))
            for family in text_parser.text_string_to_metric_families(text)
            for sample in family.samples
        ]

        found = parser.parse(text.encode())

        pairs = zip(found.labels, found.values.tolist(), strict=True)
        key = operator_key
        assert sorted(((labels, bits(v)) for labels, v in pairs), key=key) == sorted(
            oracle, key=key
        )


def operator_key(pair: tuple[Labels, bytes]) -> tuple[object, bytes]:
    return pair[0].pairs, pair[1]


@given(st.lists(VALUES, min_size=3, max_size=3), st.lists(VALUES, min_size=3, max_size=3))
def test_values_that_change_are_read_exactly(first: list[float], second: list[float]) -> None:
    parser = ExpositionParser()
    names = [Labels.of(__name__=name) for name in ("a", "b", "c")]
    parser.parse(render(list(zip(names, first, strict=True))).encode())

    found = parser.parse(render(list(zip(names, second, strict=True))).encode())

    assert [bits(value) for value in found.values.tolist()] == [bits(value) for value in second]


@given(LABEL_VALUES, st.floats(allow_nan=False), st.integers(0, 2_000_000_000))
def test_agrees_with_prometheus_client_on_open_metrics(
    value: str, number: float, seconds: int
) -> None:
    text = f'# TYPE a gauge\na{{b="{escape_label_value(value)}"}} {number!r} {seconds}.25\n# EOF\n'
    (family,) = cast("Any", open_metrics_parser).text_string_to_metric_families(text)
    (sample,) = family.samples

    found = parse(text, Format.OPEN_METRICS)

    assert found.labels == (Labels.of(sample.labels, __name__=sample.name),)
    assert bits(float(found.values[0])) == bits(sample.value)
    assert found.timestamps is not None
    assert int(found.timestamps[0]) == seconds * 1000 + 250


# The oracle stumbles over quotes and braces there; cases by hand have them.
EXEMPLAR_VALUES = st.text(st.characters(codec="utf-8", exclude_characters='\r\n"\\{}'), max_size=8)
EXEMPLARS = st.tuples(
    st.dictionaries(LABEL_NAMES, EXEMPLAR_VALUES, min_size=1, max_size=2),
    st.floats(allow_nan=False, allow_infinity=False),
    st.one_of(st.none(), st.integers(0, 2_000_000_000)),
)


@given(st.lists(EXEMPLARS, min_size=1, max_size=3))
def test_agrees_with_prometheus_client_on_exemplars(
    exemplars: list[tuple[dict[str, str], float, int | None]],
) -> None:
    lines = ["# TYPE a histogram"]
    for number, (labels, value, seconds) in enumerate(exemplars):
        bound = "+Inf" if number == len(exemplars) - 1 else f"{number}.0"
        time = "" if seconds is None else f" {seconds}.5"
        lines.append(f'a_bucket{{le="{bound}"}} {number} # {render_labels(labels)} {value!r}{time}')
    text = "\n".join((*lines, "# EOF", ""))
    (family,) = cast("Any", open_metrics_parser).text_string_to_metric_families(text)
    oracle = {
        number: ParsedExemplar(
            Labels.of(sample.exemplar.labels),
            sample.exemplar.value,
            None
            if sample.exemplar.timestamp is None
            else round(float(sample.exemplar.timestamp) * 1000),
        )
        for number, sample in enumerate(family.samples)
    }

    assert dict(parse(text, Format.OPEN_METRICS).exemplars) == oracle


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    parser = ExpositionParser()
    for form in Format:
        with contextlib.suppress(ExpositionError):
            parser.parse(body, form=form)


def test_the_series_of_a_text_share_the_labels_that_they_have_in_common() -> None:
    first, second = ExpositionParser().parse(b'a{x="1",y="2"} 1\na{x="1",y="3"} 1\n').labels

    assert second.pairs[:2] == (("__name__", "a"), ("x", "1"))
    assert second.pairs[1] is first.pairs[1]
