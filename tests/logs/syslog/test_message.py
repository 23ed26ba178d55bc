"""Heads of syslog messages, as they are sent in the field."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.logs.syslog.message import SyslogMessage, parse_message

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            '<165>1 2026-11-23T12:00:00.003Z web-1 app 100 ID47 [ex@32473 a="1"] \ufeffhello',
            SyslogMessage("hello", 165, at("2026-11-23T12:00:00.003Z"), "web-1", "app", "100",
                          "ID47", {"ex@32473": {"a": "1"}}),
        ),
        (
            '<13>1 - - - - - [a b="x \\"y\\" \\] \\\\"][c] text',
            SyslogMessage("text", 13, structured={"a": {"b": 'x "y" ] \\'}, "c": {}}),
        ),
        ("<13>1 - h a - - -", SyslogMessage("", 13, None, "h", "a")),
        ("<13>1 - h a - - - - x", SyslogMessage("- x", 13, None, "h", "a")),
        ('<13>1 - h a - - [broken b="x text',
         SyslogMessage('[broken b="x text', 13, None, "h", "a")),
        (
            "<0>1 2021-03-31T16:00:00-08:00 test-service cron-12345 74440 cron-12345 - hello",
            SyslogMessage("hello", 0, at("2021-04-01T00:00:00Z"), "test-service", "cron-12345",
                          "74440", "cron-12345"),
        ),
        (
            "<13>Nov 23 13:07:38 vm app[7]: hello",
            SyslogMessage("hello", 13, at("2026-11-23T13:07:38Z"), "vm", "app", "7"),
        ),
        ("<13>Nov  3 13:07:38 vm app: hello",
         SyslogMessage("hello", 13, at("2026-11-03T13:07:38Z"), "vm", "app")),
        ("<13>2026-11-23T13:07:38.5+01:00 vm app: hello",
         SyslogMessage("hello", 13, at("2026-11-23T12:07:38.5Z"), "vm", "app")),
        ("<13>Nov 23 13:07:38 vm words without a tag",
         SyslogMessage("words without a tag", 13, at("2026-11-23T13:07:38Z"), "vm")),
        ("<12>py tcp", SyslogMessage("py tcp", 12)),
        ("<12>app[9]: x", SyslogMessage("x", 12, app_name="app", process_id="9")),
        ("<999>x", SyslogMessage("<999>x")),
        ("<13>", SyslogMessage("", 13)),
        ("no priority", SyslogMessage("no priority")),
        ("<13>Foo 99 99:99:99 vm x", SyslogMessage("Foo 99 99:99:99 vm x", 13)),
    ],
)  # fmt: skip
def test_heads_are_read(frame: str, message: SyslogMessage) -> None:
    assert parse_message(frame, received_at=NOW) == message


def test_the_year_is_the_nearest_and_the_zone_the_configured_one() -> None:
    new_year = datetime(2027, 1, 1, 0, 5, tzinfo=UTC)

    message = parse_message(
        "<13>Jan  1 00:59:00 h a: x", received_at=new_year, zone=ZoneInfo("Europe/Berlin")
    )

    assert message.stated_at == at("2026-12-31T23:59:00Z")


@pytest.mark.parametrize(
    ("priority", "facility", "severity"),
    [(0, "kern", "emerg"), (13, "user", "notice"), (165, "local4", "notice"),
     (191, "local7", "debug")],
)  # fmt: skip
def test_priorities_have_names(priority: int, facility: str, severity: str) -> None:
    message = parse_message(f"<{priority}>x", received_at=NOW)

    assert (message.facility, message.severity) == (facility, severity)


@given(
    st.lists(
        st.sampled_from(
            ["<13>", "1 ", "- ", "[a", ' b="', '"]', "\\", "]", "Nov 23 13:07:38 ", "Feb 29 ",
             "0001-01-01T00:00:00Z ", "9999-12-31T23:59:59-23:59 ", "h ", "a[1]: ", "\n", "\0"]
        ),
        max_size=20,
    ).map("".join)
)  # fmt: skip
def test_any_text_is_some_message(frame: str) -> None:
    parse_message(frame, received_at=NOW)
