"""Messages are told from each other whatever the framing, and however the bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.logs.syslog.framing import Frame, FrameSplitter


def split(data: bytes, *cuts: int, max_bytes: int = 1000) -> list[Frame]:
    splitter = FrameSplitter(max_bytes)
    frames: list[Frame] = []
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        frames += splitter.feed(data[start:end])
    return frames + splitter.finish()


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (b"<13>one\n<14>two\n", [b"<13>one", b"<14>two"]),
        (b"<13>one\r\n", [b"<13>one"]),
        (b"<12>one\0<12>two\nlines\0", [b"<12>one", b"<12>two\nlines"]),
        (b"7 <13>one8 <14>two\n", [b"<13>one", b"<14>two"]),
        (b"10 <13>o\nne\n\n5 <13>x", [b"<13>o\nne", b"<13>x"]),
        (b"7 <13>one<14>two\n7 <15>thr", [b"<13>one", b"<14>two", b"<15>thr"]),
        (b"404 not found\n2026 <b>\n", [b"404 not found", b"<b>"]),
        (b"no priority\n", [b"no priority"]),
        (b"\n\n\0\n", []),
        (b"0 <13>one\n", [b"<13>one"]),
        (b"<13>without an end", [b"<13>without an end"]),
        (b"12", [b"12"]),
        (b"1234567890 <13>no count\n", [b"1234567890 <13>no count"]),
        (b"", []),
    ],
)
def test_each_message_tells_how_it_ends(data: bytes, messages: list[bytes]) -> None:
    assert [each.data for each in split(data)] == messages


def test_a_long_message_is_cut_and_what_follows_is_read() -> None:
    lines = split(b"<13>" + b"x" * 5000 + b"\n<14>two\n", 3, 1500, max_bytes=100)
    counted = split(b"5004 <13>" + b"x" * 5000 + b"7 <14>two", 3, 1500, max_bytes=100)

    for frames in (lines, counted):
        assert [(len(each.data), each.size, each.is_cut) for each in frames] == [
            (100, 5004, True),
            (7, 7, False),
        ]


def test_a_counted_message_that_breaks_off_is_kept_as_it_is() -> None:
    assert split(b"100 <13>one") == [Frame(b"<13>one", 100, is_cut=True)]


@given(
    st.lists(
        st.sampled_from(
            [b"<13>a", b"\n", b"\0", b"7 <13>one", b"10 <13>o\nne\n\n", b"404 ", b"9", b" ", b"<",
             b"\r", b"\xff", b"x" * 30, b"40 <14>"]
        ),
        max_size=30,
    ).map(b"".join),
    st.lists(st.integers(0, 200), max_size=8),
)  # fmt: skip
def test_any_split_gives_the_same(data: bytes, cuts: list[int]) -> None:
    inside = sorted(min(each, len(data)) for each in cuts)

    assert split(data, *inside, max_bytes=20) == split(data, max_bytes=20)
