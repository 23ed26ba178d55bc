"""Senders connect, are known by a token, are slowed down, and lose nothing at the end."""

import asyncio
import shutil
import socket
import ssl
from pathlib import Path

import pytest

from tests.logs.syslog.certificates import make_certificate
from tests.logs.syslog.conftest import PROJECT_ID, Listen
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-a-sender-of-syslog"


async def test_messages_of_several_senders_come_whatever_their_framing(listen: Listen) -> None:
    async with listen() as listening:
        for data in (b"<11>one\n", b"7 <11>two", b"<11>three\0", "<11>caf\u00e9 \n".encode(),
                     b"<11>\xff\n"):  # fmt: skip
            _, writer = await listening.connect()
            writer.write(data)
            await writer.drain()
            writer.close()
        records = await listening.wait_for(5)

    assert sorted(each.body for each in records) == ["caf\u00e9 ", "one", "three", "two", "\ufffd"]
    assert {each.source for each in records} == {"syslog"}


async def test_a_long_message_is_cut_and_says_so(listen: Listen) -> None:
    async with listen(max_message_bytes=1024) as listening:
        _, writer = await listening.connect()
        writer.write(b"<11>" + b"x" * 2_000_000 + b"\n<11>next\n")
        writer.close()
        long, following = await listening.wait_for(2)

    assert long.body == "x" * 1020 + "… [cut: 2000004 bytes]"
    assert following.body == "next"


async def test_a_token_anywhere_tells_whose_a_connection_is_and_is_not_kept(
    listen: Listen,
) -> None:
    tokens = [{"token": TOKEN, "project": "shop", "environment": "production"}]
    async with listen(tokens=tokens) as listening:
        _, writer = await listening.connect()
        writer.write(f'<11>1 - h a - - [{TOKEN}@1 x="1"] one\n<11>two {TOKEN}\n'.encode())
        writer.close()
        records = await listening.wait_for(2)

    assert [each.body for each in records] == ["one", "two ***"]
    assert {(each.service, each.environment) for each in records} == {("shop", "production")}
    assert TOKEN not in repr(records)


async def test_another_ones_token_is_not_kept_either(listen: Listen) -> None:
    longer = f"{TOKEN}-and-more"
    tokens = [{"token": TOKEN, "service": "a"}, {"token": longer, "service": "b"}]
    async with listen(tokens=tokens) as listening:
        _, writer = await listening.connect()
        writer.write(f"<11>one {TOKEN}\n<11>two {longer}\n".encode())
        writer.close()
        records = await listening.wait_for(2)

    assert [(each.body, each.service) for each in records] == [("one ***", "a"), ("two ***", "a")]


async def test_the_project_of_a_token_is_noted(listen: Listen) -> None:
    async with listen(tokens=[{"token": TOKEN, "project": "shop"}]) as listening:
        _, writer = await listening.connect()
        writer.write(f"<11>{TOKEN}\n".encode())
        writer.close()
        await listening.spool.wait_for_records()
        batch = await listening.spool.read_batch(1, 1_000_000)

    assert f'"project":{PROJECT_ID}'.encode() in batch.records[0]


async def test_who_has_no_token_is_closed_where_one_is_needed(listen: Listen) -> None:
    async with listen(tokens=[{"token": TOKEN}]) as listening:
        reader, writer = await listening.connect()
        writer.write(f"<11>nothing\n<11>{TOKEN}\n".encode())
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        assert listening.refused("no_token") == 1
        await listening.drain()

    assert listening.records == []


async def test_a_token_may_come_later_where_none_is_needed(listen: Listen) -> None:
    async with listen(tokens=[{"token": TOKEN, "service": "s"}], require_token=False) as listening:
        _, writer = await listening.connect()
        writer.write(b"<11>one\n")
        await listening.wait_for(1)
        writer.write(f"<11>{TOKEN}\n".encode())
        writer.close()
        records = await listening.wait_for(2)

    assert [(each.body, each.service) for each in records] == [("one", ""), ("***", "s")]


async def test_who_says_nothing_is_closed(listen: Listen) -> None:
    async with listen(idle_timeout="1s") as listening:
        reader, writer = await listening.connect()
        writer.write(b"<11>unfinished")
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        (record,) = await listening.wait_for(1)

    assert record.body == "unfinished"


async def test_more_connections_than_allowed_are_closed(listen: Listen) -> None:
    async with listen(max_connections=1) as listening:
        _, first = await listening.connect()
        first.write(b"<11>one\n")
        await listening.wait_for(1)
        reader, second = await listening.connect()
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        first.write(b"<11>two\n")
        await listening.wait_for(2)
        first.close()
        second.close()
        assert listening.refused("connections") == 1


async def test_who_owes_a_token_makes_room_for_others(listen: Listen) -> None:
    async with listen(max_connections=2, tokens=[{"token": TOKEN}]) as listening:
        _, known = await listening.connect()
        known.write(f"<11>one {TOKEN}\n".encode())
        await listening.wait_for(1)
        reader, silent = await listening.connect()
        silent.write(b"<11>unfinished")
        _, newcomer = await listening.connect()
        newcomer.write(f"<11>two {TOKEN}\n".encode())
        await listening.wait_for(2)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        known.write(b"<11>three\n")
        records = await listening.wait_for(3)
        for each in (known, silent, newcomer):
            each.close()

    assert [each.body for each in records] == ["one ***", "two ***", "three"]


async def test_a_full_spool_slows_senders_down_and_loses_nothing(listen: Listen) -> None:
    clock = FakeClock()
    async with listen(max_bytes=256 * 1024, clock=clock) as listening:
        _, writer = await listening.connect()
        sender: socket.socket = writer.get_extra_info("socket")
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        writer.transport.set_write_buffer_limits(high=16 * 1024)

        async def send() -> None:
            for number in range(9_000):
                writer.write(b"<11>%05d %s\n" % (number, b"x" * 1000))
                await writer.drain()
            writer.close()

        sending = asyncio.create_task(send())
        async with asyncio.timeout(20):
            await listening.wait_until_refused("spool_full")
        assert not sending.done()
        async with asyncio.timeout(40):
            while len(listening.records) < 9_000:
                await listening.drain()
                await clock.advance(2)
        await sending

    assert [int(each.body[:5]) for each in listening.records] == list(range(9_000))


async def test_what_was_sent_before_the_end_is_kept(listen: Listen) -> None:
    async with listen() as listening:
        reader, writer = await listening.connect()
        writer.write(b"".join(b"<11>%d\n" % number for number in range(5_000)))
        await listening.wait_for(1)

        async def notice() -> None:
            assert await reader.read() == b""
            writer.close()

        noticing = asyncio.create_task(notice())
    await noticing

    assert [int(each.body) for each in listening.records] == list(range(5_000))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
async def test_tls_is_spoken_and_a_new_certificate_is_taken_up(
    listen: Listen, tmp_path: Path
) -> None:
    clock = FakeClock()
    async with listen(tls=make_certificate(tmp_path), clock=clock) as listening:
        for name, body in (("localhost", b"one"), ("renewed", b"two")):
            if name != "localhost":
                make_certificate(tmp_path, name)
                await clock.advance(60)
            context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
            _, writer = await listening.connect(ssl=context, server_hostname=name)
            writer.write(b"<11>%s\n" % body)
            await writer.drain()
            writer.close()
        records = await listening.wait_for(2)

    assert [each.body for each in records] == ["one", "two"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
async def test_a_certificate_whose_key_has_not_come_yet_is_not_taken_up(
    listen: Listen, tmp_path: Path
) -> None:
    clock = FakeClock()
    tls = make_certificate(tmp_path)
    context = ssl.create_default_context(cafile=tls["cert_file"])
    (tmp_path / "next").mkdir()
    following = make_certificate(tmp_path / "next", "renewed")
    async with listen(tls=tls, clock=clock) as listening:
        _, first = await listening.connect(ssl=context, server_hostname="localhost")
        shutil.copy(following["cert_file"], tls["cert_file"])
        await clock.advance(60)
        _, second = await listening.connect(ssl=context, server_hostname="localhost")
        second.write(b"<11>still\n")
        (record,) = await listening.wait_for(1)
        first.close()
        second.close()

    assert record.body == "still"


async def test_a_port_that_is_taken_is_tried_again(listen: Listen) -> None:
    clock = FakeClock()
    async with listen(clock=clock) as first:
        listener = first.listener
        second = asyncio.create_task(listener.run())
        await clock.advance(1)
        assert not second.done()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
