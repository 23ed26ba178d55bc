"""Grok patterns."""

import pytest

from resumatch_monitor.logs.pipeline.grok import PATTERNS, GrokError, compile_grok


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_compiles(name: str) -> None:
    compile_grok(f"%{{{name}}}")


@pytest.mark.parametrize(
    ("name", "fits", "others"),
    [
        ("WORD", ["abc", "a_1"], ["a b", ""]),
        ("NUMBER", ["1", "-1.5", ".5", "1e9"], ["a", "1.2.3"]),
        (
            "IP",
            ["192.0.2.1", "::1", "2001:db8::8a2e:370:7334", "::ffff:192.0.2.1"],
            ["192.0.2", "x"],
        ),
        ("HOSTNAME", ["localhost", "a-b.example.com"], ["-a", "a b"]),
        ("UUID", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]),
        ("EMAILADDRESS", ["a.b+c@example.com"], ["a@", "@b"]),
        ("URI", ["https://u:p@example.com:8080/a/b?x=1", "ftp://h"], ["example.com"]),
        (
            "TIMESTAMP_ISO8601",
            ["2026-01-05T12:00:00.123Z", "2026-01-05 12:00:00,5+01:00"],
            ["12:00"],
        ),
        ("HTTPDATE", ["05/Jan/2026:11:59:58 +0000"], ["05/Jan/2026"]),
        ("SYSLOGTIMESTAMP", ["Jan  5 12:00:00", "January 25 12:00:00"], ["5 Jan"]),
        ("LOGLEVEL", ["error", "WARN", "Information"], ["loud"]),
        ("QS", ['"a \\" b"', "'c'"], ['"open', "x"]),
        ("JAVACLASS", ["com.acme.Main$Inner"], ["1a"]),
        ("PATH", ["/var/log/x.log", r"C:\a\b"], ["relative"]),
        ("MAC", ["00:1a:2B:3c:4d:5e"], ["00:1a"]),
    ],
)
def test_a_pattern_fits_what_it_is_called(name: str, fits: list[str], others: list[str]) -> None:
    regex = compile_grok(f"^%{{{name}}}$").regex
    assert [text for text in fits if regex.search(text) is None] == []
    assert [text for text in others if regex.search(text) is not None] == []


def test_names_are_taken_apart_from_what_surrounds_them() -> None:
    grok = compile_grok(
        r"%{SYSLOGTIMESTAMP:at} %{SYSLOGHOST:host} %{SYSLOGPROG}: %{GREEDYDATA:msg}"
    )
    match = grok.regex.search("Jan  5 12:00:00 web-1 sshd[812]: Accepted key: a")
    assert match is not None
    assert {field: match[group] for group, field, _ in grok.captures} == {
        "at": "Jan  5 12:00:00",
        "host": "web-1",
        "process.name": "sshd",
        "process.pid": "812",
        "msg": "Accepted key: a",
    }


@pytest.mark.parametrize(
    ("pattern", "own", "message"),
    [
        ("%{NOPE:x}", {}, "there is no pattern NOPE"),
        ("%{A}", {"A": "%{B}", "B": "%{A}"}, "without end"),
        ("(", {}, "not a regular expression"),
        (
            "%{A}",
            {"A": "%{B}" * 40, "B": "%{C}" * 40, "C": "x" * 100},
            "more than 20000 characters",
        ),
        ("".join(f"%{{INT:f{n}}}" for n in range(101)), {}, "more than 100 fields"),
    ],
)
def test_a_pattern_that_cannot_be_used_says_why(
    pattern: str, own: dict[str, str], message: str
) -> None:
    with pytest.raises(GrokError, match=message):
        compile_grok(pattern, own)
