from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.dispatch.handling.links import (
    LIFETIME,
    LONGEST_TOKEN,
    ExpiredLinkError,
    InvalidLinkError,
    Link,
    LinkAction,
    SignedLinks,
    read_link,
    write_link,
)
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.notify.context import ActionUrls
from resumatch_monitor.notify.wording import Links
from tests.dispatch.builders import START, make_alert
from tests.support.clock import FakeClock

KEY = b"a secret"
LINK = Link(
    LinkAction.ACKNOWLEDGE,
    OccurrenceId("0123456789abcdef", START + timedelta(milliseconds=7)),
    "ada@example.org",
    START + timedelta(days=7),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=254)


@given(st.sampled_from(LinkAction), TEXT)
def test_a_link_says_what_was_written(action: LinkAction, recipient: str) -> None:
    link = Link(action, LINK.occurrence_id, recipient, LINK.expires_at)
    token = write_link(link, KEY)

    if len(token) <= LONGEST_TOKEN:
        assert read_link(token, KEY, START) == link
    assert token.isascii()


@given(st.data())
def test_no_changed_link_is_read(data: st.DataObject) -> None:
    token = write_link(LINK, KEY)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("abcdefghijABCDEFGHIJ0123456789-_.|=% é"))
    changed = token[:place] + other + token[place + 1 :]

    if changed == token:
        return
    try:
        # The last character of base64 holds bits that mean nothing.
        assert read_link(changed, KEY, START) == LINK
        assert changed[place + 1 :] == "" or changed[place + 1] == "."
    except InvalidLinkError:
        pass


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda data: data.hex())))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidLinkError):
        read_link(text, KEY, START)


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_link_that_was_cut_or_signed_with_another_key_is_refused(cut: int) -> None:
    token = write_link(LINK, KEY)

    for text, key in ((token[:-cut], KEY), (token, b"another"), (token.replace(".", ""), KEY)):
        with pytest.raises(InvalidLinkError):
            read_link(text, key, START)


def test_a_link_is_good_for_a_week(clock: FakeClock) -> None:
    links = SignedLinks(links=Links("https://monitor.example"), clock=clock, find_key=lambda: KEY)
    token = links.urls(make_alert(), "slack").snooze.rpartition("/")[2]

    clock.jump(LIFETIME - timedelta(seconds=1))
    assert links.read(token).action is LinkAction.SNOOZE
    clock.jump(timedelta(seconds=1))
    with pytest.raises(ExpiredLinkError):
        links.read(token)


def test_there_are_no_links_without_a_key_or_an_address(clock: FakeClock) -> None:
    keyless = SignedLinks(links=Links("https://a.example"), clock=clock, find_key=lambda: None)
    homeless = SignedLinks(links=Links(""), clock=clock, find_key=lambda: KEY)

    assert keyless.urls(make_alert(), "x") == homeless.urls(make_alert(), "x") == ActionUrls()
    with pytest.raises(InvalidLinkError):
        keyless.read(write_link(LINK, KEY))
