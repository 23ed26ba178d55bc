import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.rules.template import (
    QueryNeededError,
    TemplateData,
    TemplateError,
    TemplateSample,
    expand_template,
    parse_template,
)

DATA = TemplateData(
    labels={"job": "api", "instance": "web-1.example.org:8000", "empty": ""},
    value=1234567.0,
    external_labels={"region": "eu"},
    external_url="https://monitor.example.org/m",
    now_seconds=1767614400.5,
    query_results={
        "up": [
            TemplateSample({"job": "worker", "__value__": "x"}, 0.0),
            TemplateSample({"job": "api"}, 1.0),
        ],
        "none": [],
    },
)


# What Go's text/template and Prometheus' functions make of the same texts.
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("no action at all }}", "no action at all }}"),
        ("{{ $value }}", "1.234567e+06"),
        ("{{$value}}|{{ .Value }}|{{ $.Value }}", "1.234567e+06|1.234567e+06|1.234567e+06"),
        ("{{ $labels.job }} {{ .Labels.job }}", "api api"),
        ("[{{ $labels.missing }}]", "[]"),
        ("{{ $externalLabels.region }} {{ .ExternalLabels.region }}", "eu eu"),
        (
            "{{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
            f"{DATA.external_url} " * 2 + "/m",
        ),
        ("{{ 1.0 }} {{ 3 }} {{ true }} {{ `raw\\` }}", "1 3 true raw\\"),
        ("a {{- ` b ` -}} c", "a b c"),
        ("a {{/* a comment }} */}} b {{- /* trimmed */ -}} c", "a  bc"),
        ("{{ $value | humanize }}", "1.235M"),
        ("{{ 0.0456 | humanizePercentage }}", "4.56%"),
        ("{{ humanize 0.00012 }} {{ humanize 0.0 }} {{ humanize 12.0 }}", "120u 0 12"),
        ("{{ humanize1024 1048576.0 }} {{ humanize1024 1.0 }}", "1Mi 1"),
        ("{{ humanizeDuration 0.0123 }} {{ humanizeDuration 61 }}", "12.3ms 1m 1s"),
        ("{{ humanizeDuration 90061 }} {{ humanizeDuration 3.25 }}", "1d 1h 1m 1s 3.25s"),
        ("{{ humanizeDuration -7200 }} {{ humanizeDuration 0.0 }}", "-2h 0m 0s 0s"),
        ("{{ humanizeTimestamp 1767614400.5 }}", "2026-01-05 12:00:00.5 +0000 UTC"),
        (
            '{{ printf "%.2f|%5.1f|%-6d|%s|%q|%%" 2.345 1.0 3 "x" "y" }}',
            '2.35|  1.0|3     |x|"y"|%',
        ),
        ('{{ printf "%d" 3.0 }} {{ printf "%s" }}', "%!d(float64=3) %!s(MISSING)"),
        ('{{ printf "%v" $value | toLower }}', "1.234567e+06"),
        ('{{ "job down" | title }} {{ toUpper $labels.job }}', "Job Down API"),
        ('{{ reReplaceAll "(.*):\\\\d+" "$1" $labels.instance }}', "web-1.example.org"),
        ("{{ stripPort $labels.instance }}", "web-1.example.org"),
        ("{{ stripDomain $labels.instance }}", "web-1:8000"),
        ('{{ match "^a" $labels.job }}', "true"),
        ("{{ if gt $value 1000.0 }}big{{ else }}small{{ end }}", "big"),
        ("{{ if $labels.empty }}a{{ else if eq $labels.job `api` }}b{{ else }}c{{ end }}", "b"),
        ("{{ with $labels.job }}<{{ . }}>{{ end }}{{ with $labels.no }}x{{ end }}", "<api>"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        (
            "{{ range $i, $s := query `up` }}{{ $i }}:{{ $s.Labels.job }}={{ .Value }} {{ end }}",
            "0:worker=0 1:api=1 ",
        ),
        ("{{ range query `none` }}x{{ else }}nothing{{ end }}", "nothing"),
        ("{{ query `up` | sortByLabel `job` | first | label `job` }}", "api"),
        ("{{ query `up` | first | value }} {{ (query `up` | first).Value }}", "0 0"),
        ("{{ index $labels `job` }} {{ len $labels.job }}", "api 3"),
        ("{{ and 1 0 }} {{ or `` `z` }} {{ not true }}", "0 z false"),
        ('{{ print 1 2 "a" 3.5 }}', "1 2a3.5"),
        ("{{ parseDuration `1h30m` }}", "5400"),
        (
            "{{ graphLink `up == 0` }}",
            f"{DATA.external_url}/explore?expr=up%20%3D%3D%200&view=chart",
        ),
        ("{{ tableLink `up` }}", f"{DATA.external_url}/explore?expr=up&view=table"),
        ('{{define "x"}}{{.arg0}} {{.arg1}}{{end}}{{template "x" (args 1 "2")}}', "1 2"),
        (
            '{{ define "a" }}x{{ . }}{{ end }}{{ $name := "a" }}{{ tmpl $name $value }}',
            "x1.234567e+06",
        ),
        ("{{ block `b` $labels }}<{{ .job }}>{{ end }}", "<api>"),
        (
            "{{ define `d` }}{{ if . }}{{ template `e` . }}{{ end }}{{ end }}"
            "{{ define `e` }}{{ $.job }}{{ end }}{{ template `d` $labels }}{{ template `d` }}",
            "api",
        ),
        (
            "{{ range query `up` }}{{ if eq .Labels.job `api` }}{{ break }}"
            "{{ end }}{{ .Labels.job }}{{ end }}",
            "worker",
        ),
        (
            "{{ range query `up` }}{{ if eq .Labels.job `worker` }}"
            "{{ continue }}{{ end }}{{ .Labels.job }}{{ end }}",
            "api",
        ),
        (
            "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
            "empty=;instance=web-1.example.org:8000;job=api;",
        ),
        ('{{ (1435065584.128 | toTime).Format "2006" }}', "2015"),
        (
            '{{ ("1435065584.128" | toTime).Format "Mon Jan _2 15:04:05.000 MST 2006" }}',
            "Tue Jun 23 13:19:44.128 UTC 2015",
        ),
        ("{{ 1435065584.128 | toTime }}", "2015-06-23 13:19:44.128 +0000 UTC"),
        (
            "{{ (toTime now).Format `2006-01-02T15:04:05Z07:00` }} {{ now }}",
            "2026-01-05T12:00:00Z 1.7676144005e+09",
        ),
        (
            "{{ $t := toTime 0 }}{{ $t.Unix }} {{ $t.Year }} "
            "{{ $t.Weekday }} {{ $t.Month }} {{ $t.Hour }}",
            "0 1970 Thursday January 0",
        ),
        (
            "{{ ((toTime 60).Sub (toTime 0)) }} "
            "{{ (toTime 0).Before (toTime 1) }} {{ (toTime 0).Add (toDuration 90) }}",
            "1m0s true 1970-01-01 00:01:30 +0000 UTC",
        ),
        (
            "{{ toDuration 3723.5 }} {{ toDuration 0.25 }} {{ toDuration 0 }} "
            "{{ toDuration -61 | humanizeDuration }}",
            "1h2m3.5s 250ms 0s -1m 1s",
        ),
        (
            "{{ 899.99 | humanizeDuration }} "
            "{{ 60.1 | humanizeDuration }} {{ humanizeDuration `12.345` }}",
            "14m 59s 1m 0s 12.35s",
        ),
        ('{{ "one two" | urlQueryEscape }} {{ urlquery "a b&c" }}', "one+two a+b%26c"),
        ('{{ html `<a b="c">&\'` }}', "&lt;a b=&#34;c&#34;&gt;&amp;&#39;"),
        ("{{ js `it's <b>` }}", "it\\'s \\u003Cb\\u003E"),
        ("{{ slice `abcdef` 1 3 }} {{ slice `abc` 2 }}", "bc c"),
        ("{{ safeHtml `<b>` }} {{ query `up` | first | strvalue }}", "<b> x"),
        (
            "{{ stripPort `[2001:0DB8::1]:12345` }} {{ stripPort `192.0.2.1` }}",
            "2001:0DB8::1 192.0.2.1",
        ),
        (
            "{{ stripDomain `192.0.2.1:12345` }} {{ stripDomain `foo.example.com` }}",
            "192.0.2.1:12345 foo",
        ),
    ],
)
def test_expands_as_prometheus_does(template: str, expected: str) -> None:
    assert expand_template(template, DATA) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ $value", "not closed"),
        ("{{ }}", "empty"),
        ("{{ nosuch 1 }}", "there is no function 'nosuch'"),
        ("{{ $nosuch }}", r"there is no variable \$nosuch"),
        ("{{ if true }}", "has no {{end}}"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ if true }}{{ else }}{{ else }}{{ end }}", "{{end}} is expected"),
        ('{{ template "x" }}', "there is no template 'x'"),
        ("{{ template x }}", "need a name in quotes"),
        ("{{ define `x` }}", "has no {{end}}"),
        ("{{ if true }}{{ define `x` }}{{ end }}{{ end }}", "outside of other actions"),
        ("{{ define `x` }}{{ $labels.job }}{{ end }}", r"there is no variable \$labels"),
        ("{{ break }}", "inside a range"),
        ("{{ range $labels }}{{ define `x` }}{{ break }}{{ end }}{{ end }}", "outside"),
        ("{{ (1 }}", "parenthesis is not closed"),
        ("{{ 1 | 2 }}", "only into functions"),
        ("{{ ? }}", "unexpected '\\?'"),
        ("{{ | }}", "command is missing"),
    ],
)
def test_refuses_a_template_that_is_not_well_formed(template: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        parse_template(template)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ humanize $labels.job }}", "humanize: 'api' is not a number"),
        ("{{ humanize }}", "does not take 0 arguments"),
        ("{{ $value.field }}", "there is no field field"),
        ("{{ first (query `none`) }}", "no result"),
        ("{{ reReplaceAll `(` `` `x` }}", "not a regular expression"),
        ("{{ eq 1 `1` }}", "cannot be compared"),
        ("{{ humanizeTimestamp 1e30 }}", "no moment"),
        ("{{ $x := printf `%200d` 1 }}" + "{{ $x }}" * 200, "longer than"),
        ("{{ define `x` }}{{ template `x` . }}{{ end }}{{ template `x` . }}", "nested too deeply"),
        ("{{ define `x` }}{{ tmpl `x` . }}{{ end }}{{ template `x` . }}", "nested too deeply"),
        ("{{ tmpl `nosuch` . }}", "there is no template 'nosuch'"),
        ("{{ $x := `ab` }}" + "{{ $x = print $x $x }}" * 60, "larger than"),
        ("{{ $x := args 1 }}" + "{{ $x = args $x $x }}" * 60 + "{{ $x }}", "larger than"),
        ("{{ reReplaceAll `` (printf `%200d` 1) (printf `%200d%200d` 1 2) }}", "longer than"),
        ("{{ (toTime 0).Nosuch }}", "no method Nosuch"),
        ("{{ (toTime 0).Format 1 }}", "no method Format"),
        ("{{ $labels.job 1 }}", "no method"),
        ("{{ slice `abc` 2 1 }}", "no bounds"),
        ("{{ toDuration `NaN` }}", "no length of time"),
    ],
)
def test_says_what_failed(template: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        expand_template(template, DATA)


def test_asks_for_a_query_whose_result_it_was_not_given() -> None:
    with pytest.raises(QueryNeededError) as raised:
        expand_template("{{ query `down` }}", DATA)

    assert raised.value.query == "down"


@given(st.text(alphabet='{}|$.()"`-:=, \nabv1"', max_size=60))
def test_no_text_makes_it_crash(text: str) -> None:
    try:
        expanded = expand_template("{{" + text, DATA)
    except (TemplateError, QueryNeededError):
        return
    assert isinstance(expanded, str)


def test_a_template_that_loops_ends_soon() -> None:
    looped = "{{ range $labels }}" * 12 + "x" + "{{ end }}" * 12

    with pytest.raises(TemplateError, match="more than 20000 steps"):
        expand_template(looped, DATA)


_PIECES = (
    *("{{ ", " }}", " | ", " (", ") ", " . ", " $x ", " := ", " = ", " 1 ", ' "x" ', " $labels "),
    *("if", "else", "end", "range", "with", "break", "continue", "define", "template", "block"),
    *(" tmpl ", " toTime ", " now ", " args ", " slice ", " print ", ".Format", ".Unix", "$value"),
)


@given(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join))
def test_no_order_of_its_words_makes_it_crash(text: str) -> None:
    try:
        expanded = expand_template(text, DATA)
    except (TemplateError, QueryNeededError):
        return
    assert isinstance(expanded, str)
