"""The rules of a project's own: expressions, names, addresses; and what else is recognised."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.custom_patterns import CustomPatterns
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.sentry.scrubbers import Scrubbers
from resumatch_monitor.sentry.settings import ScrubPattern, ScrubSettings
from resumatch_monitor.sentry.values import as_dict


def make_patterns(*expressions: str) -> list[ScrubPattern]:
    return [ScrubPattern(name="own", pattern=each) for each in expressions]


@pytest.mark.parametrize(
    ("expression", "text", "cleaned"),
    [
        (r"CUST-\d{6}", "order of CUST-123456 failed", "order of [Filtered:own] failed"),
        (r"CUST-\d{6}", "order of cust-123456 failed", "order of cust-123456 failed"),
        (r"(?i)cust-\d{6}", "order of Cust-123456", "order of [Filtered:own]"),
        (r"^secretly .*$", "secretly said", "[Filtered:own]"),
        (r"^secretly .*$", "not secretly said", "not secretly said"),
        (r'name="[a-z]+"', 'with name="ada" in it', "with [Filtered:own] in it"),
        (r"one\stwo", "one\ntwo", "[Filtered:own]"),
        (r"\\server\\[a-z]+", "at \\server\\ada", "at [Filtered:own]"),
        (r"[^a-z]{3}", "abc1234", "abc[Filtered:own]4"),
        ("straße", "in der straße", "in der [Filtered:own]"),
    ],
)
def test_an_expression_is_taken_out_of_every_text(expression: str, text: str, cleaned: str) -> None:
    scrubber = Scrubber(patterns=make_patterns(expression))
    frame = {"function": "f", "vars": {"v": text}, "context_line": text}
    event: dict[str, Any] = {
        "message": text,
        "extra": {"a": {"b": [text]}},
        "exception": {"values": [{"value": text, "stacktrace": {"frames": [frame]}}]},
    }

    found = scrubber.clean(event).event

    kept = found["exception"]["values"][0]["stacktrace"]["frames"][0]
    assert found["message"] == found["extra"]["a"]["b"][0] == cleaned
    assert found["exception"]["values"][0]["value"] == kept["vars"]["v"] == cleaned
    assert kept["context_line"] == cleaned


@pytest.mark.parametrize("expression", ["", "(", "a*", "x|", "(?P<n>", r"\1", "a" * 600])
def test_an_expression_that_is_none_or_matches_everything_is_refused(expression: str) -> None:
    with pytest.raises(ValidationError):
        ScrubPattern(pattern=expression)


def test_an_expression_takes_linear_time() -> None:
    scrubber = Scrubber(patterns=make_patterns("(a+)+b", "(x|xx)+y"))

    scrubber.clean({"extra": {str(n): "a" * 5_000 + "x" * 3_000 for n in range(50)}})


_EXPRESSIONS = (
    *(
        "a.c",
        "^a",
        "c$",
        "[^a]b",
        r"\bq",
        '"',
        r"\n",
        "A",
        "é",
        r"\Aa",
        r"a\z",
        "(^|b)a",
        "[]^$a]q",
    ),
    *(r"\\", r"\x01", "[[:space:]^]a", r"\Qa^\E", r"\$", "b(?:c|^a)", "a{2}$", "(?m)^b", r"[^\]]b"),
)


@given(
    st.sampled_from(_EXPRESSIONS),
    st.text(alphabet='abcq"\\\nAé $^]\x01\t', max_size=8),
)
def test_no_text_with_a_match_is_passed_over(expression: str, text: str) -> None:
    quick = Scrubber(patterns=make_patterns(expression))
    thorough = Scrubber(patterns=make_patterns(expression), is_thorough=True)
    event = {"extra": {"x": {"y": text}}, "message": text}

    assert quick.clean(event).event == thorough.clean(event).event


def test_without_expressions_nothing_is_looked_for() -> None:
    assert CustomPatterns([]).find(b'{"a":"\\n"}') == []


def test_safe_names_are_left_alone_but_their_values_are_not() -> None:
    scrubber = Scrubber(["color"], safe_keys=["session-token", "Color"])
    event = {"extra": {"session_token": "kept", "token": "gone", "color": "gone"}}

    assert scrubber.clean(event).event["extra"] == {
        "session_token": "kept",
        "token": "[Filtered]",
        "color": "[Filtered]",
    }
    with_card = {"extra": {"session_token": "4111 1111 1111 1111"}}
    assert scrubber.clean(with_card).event["extra"] == {"session_token": "[card number]"}


@pytest.mark.parametrize(
    ("use", "user", "header"),
    [
        ("keep", "203.0.113.77", "203.0.113.77, 10.1.2.3"),
        ("anonymise", "203.0.113.0", "203.0.113.0, 10.1.2.0"),
        ("drop", None, "[Filtered]"),
    ],
)
def test_addresses_are_used_as_the_project_says(use: Any, user: str | None, header: str) -> None:
    event: dict[str, Any] = {
        "user": {"id": "7", "ip_address": "203.0.113.77", "geo": {"city": "Bern"}},
        "request": {"headers": {"X-Forwarded-For": "203.0.113.77, 10.1.2.3"}},
    }

    cleaned = Scrubber(addresses=use).clean(event)

    assert cleaned.event["user"].get("ip_address") == user
    assert cleaned.event["request"]["headers"] == [["X-Forwarded-For", header]]
    assert ("geo" in cleaned.event["user"]) == (use == "keep")
    assert ("user.ip_address" in cleaned.scrubbed) == (use != "keep")


@pytest.mark.parametrize(
    ("event", "address"),
    [
        ({"user": {"ip_address": "{{auto}}"}}, "203.0.113.0"),
        ({"user": {"id": "7", "ip_address": "{{auto}}"}}, "203.0.113.0"),
        ({"sdk": {"settings": {"infer_ip": "auto"}}}, "203.0.113.0"),
        ({"sdk": {"settings": {"infer_ip": "auto"}}, "user": {"id": "7"}}, "203.0.113.0"),
        ({"sdk": {"settings": {"infer_ip": "never"}}, "user": {"id": "7"}}, None),
        ({"user": {"id": "7"}}, None),
        ({"user": {"ip_address": "198.51.100.9"}}, "198.51.100.0"),
        ({"user": {"ip_address": "nonsense"}}, None),
    ],
)
def test_the_server_fills_in_where_an_event_came_from(
    event: dict[str, Any], address: str | None
) -> None:
    cleaned = Scrubber().clean(event, "203.0.113.77").event

    assert as_dict(cleaned.get("user")).get("ip_address") == address
    unknown = Scrubber().clean(event).event
    assert "{{auto}}" not in str(unknown.get("user"))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("to DE89 3704 0044 0532 0130 00 today", "to [bank account] today"),
        ("to GB82WEST12345698765432.", "to [bank account]."),
        ("to DE89 3704 0044 0532 0130 01 today", "to DE89 3704 0044 0532 0130 01 today"),
        ("trace de89370400440532013000ffffffffff", "trace de89370400440532013000ffffffffff"),
        ("ssn 078-05-1120 ok", "ssn [social security number] ok"),
        ("ssn 000-05-1120 at 2026-11-26", "ssn 000-05-1120 at 2026-11-26"),
        ("phone 1-800-078-05-1120", "phone 1-800-078-05-1120"),
    ],
)
def test_accounts_and_numbers_of_persons_are_recognised(text: str, cleaned: str) -> None:
    assert Scrubber().clean({"message": text}).event["message"] == cleaned


def test_a_change_of_settings_is_felt_at_once() -> None:
    config = ProjectConfig(id=1, slug="shop", key="a" * 32)
    projects = Projects([])
    scrubbers = Scrubbers(projects, ["everywhere"])
    event = {"extra": {"everywhere": "x", "here": "x"}}
    (made,) = Projects([config]).all()

    projects.replace_made([made])
    before = scrubbers.of(1).clean(event).event["extra"]
    stricter = made.settings.model_copy(update={"scrubbing": ScrubSettings(keys=["here"])})
    projects.replace_made([Projects([config]).all()[0]])
    assert scrubbers.of(1).clean(event).event["extra"] == before
    (made,) = Projects([config.model_copy(update={"scrubbing": stricter.scrubbing})]).all()
    projects.replace_made([made])
    after = scrubbers.of(1).clean(event).event["extra"]

    assert before == {"everywhere": "[Filtered]", "here": "x"}
    assert after == {"everywhere": "[Filtered]", "here": "[Filtered]"}
    assert scrubbers.of(1) is scrubbers.of(1)
    assert scrubbers.of(99).clean(event).event["extra"] == before


# In linear time it takes hundredths of a second, in quadratic time minutes.
@pytest.mark.timeout(20)
@pytest.mark.parametrize("part", ["DETAIL: =(", "[parameters: ", "[parameters: ]", "eyJ"])
def test_what_begins_without_end_takes_linear_time(part: str) -> None:
    text = f"{part * (640_000 // len(part))}x"

    assert Scrubber().clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (
            "DETAIL:  Key (email)=(a) exists. DETAIL: (b)=(c)",
            "DETAIL:  Key (email)=([Filtered]) exists. DETAIL: (b)=([Filtered])",
        ),
        ("DETAIL: a=(b DETAIL:\n c=(d)", "DETAIL: a=(b DETAIL:\n c=([Filtered])"),
        (
            "x [parameters: (1, ']')]\n[parameters: 2] (Background",
            "x [parameters: [Filtered]]\n[parameters: [Filtered]] (Background",
        ),
        ("[parameters: 1] and", "[parameters: 1] and"),
        ("aeyJabcde.fghij.k eyJabcde.x eyJabcde.fghij.", "a[Filtered] eyJabcde.x [Filtered]"),
    ],
)
def test_what_ends_is_taken_out(text: str, cleaned: str) -> None:
    assert Scrubber().clean_text(text) == cleaned
