from datetime import timedelta

import pytest

from resumatch_monitor.accounts.model import Role
from resumatch_monitor.accounts.passwords import PasswordError
from resumatch_monitor.accounts.service import (
    Accounts,
    LastAdminError,
    NameTakenError,
    ProvisionedToken,
    SignInRefusedError,
    TooManyAttemptsError,
)
from resumatch_monitor.storage.sql.accounts import SqlAccountStore
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"


@pytest.fixture
def accounts(database: Database, clock: FakeClock, ids: SequentialIds) -> Accounts:
    return Accounts(
        store=SqlAccountStore(database),
        clock=clock,
        ids=ids,
        session_lifetime=timedelta(days=14),
        provisioned=[ProvisionedToken("ci", "provisioned-token-of-ci", Role.VIEWER)],
    )


async def sign_in(accounts: Accounts, password: str = PASSWORD, address: str = "127.0.0.1") -> str:
    return await accounts.sign_in(
        "Alice@Example.org ", password, address=address, user_agent="a browser"
    )


async def add_alice(accounts: Accounts) -> None:
    await accounts.add_user(
        email="alice@example.org", name="Alice", role=Role.ADMIN, password=PASSWORD
    )


async def test_the_first_start_makes_one_admin_and_tells_its_password_once(
    accounts: Accounts,
) -> None:
    password = await accounts.ensure_admin("admin@localhost", None)

    assert password is not None
    assert await accounts.ensure_admin("admin@localhost", None) is None
    token = await accounts.sign_in("admin@localhost", password, address="", user_agent="")
    principal = await accounts.authenticate_session(token)
    assert principal is not None
    assert principal.role is Role.ADMIN


async def test_a_session_lasts_while_it_is_used_and_ends_when_it_is_not(
    accounts: Accounts, clock: FakeClock
) -> None:
    await add_alice(accounts)
    token = await sign_in(accounts)

    clock.jump(timedelta(days=13))
    assert await accounts.authenticate_session(token) is not None
    clock.jump(timedelta(days=13))
    assert await accounts.authenticate_session(token) is not None
    clock.jump(timedelta(days=15))
    assert await accounts.authenticate_session(token) is None


async def test_signing_out_ends_the_session(accounts: Accounts) -> None:
    await add_alice(accounts)
    token = await sign_in(accounts)

    await accounts.sign_out(token)

    assert await accounts.authenticate_session(token) is None


async def test_a_wrong_password_and_an_unknown_user_are_refused_alike(accounts: Accounts) -> None:
    await add_alice(accounts)

    with pytest.raises(SignInRefusedError) as wrong:
        await sign_in(accounts, "a wrong password")
    with pytest.raises(SignInRefusedError) as unknown:
        await accounts.sign_in("bob@example.org", PASSWORD, address="", user_agent="")

    assert str(wrong.value) == str(unknown.value)


async def test_the_sixth_failure_in_five_minutes_has_to_wait(
    accounts: Accounts, clock: FakeClock
) -> None:
    await add_alice(accounts)
    for number in range(5):
        with pytest.raises(SignInRefusedError):
            await sign_in(accounts, "a wrong password", address=f"127.0.0.{number}")

    with pytest.raises(TooManyAttemptsError) as caught:
        await sign_in(accounts)
    assert 0 < caught.value.wait_seconds <= 300

    await clock.advance(301)
    assert await sign_in(accounts)


async def test_neither_an_ipv6_network_nor_a_mapped_address_is_many_parties(
    accounts: Accounts,
) -> None:
    async def fail(number: int, address: str) -> None:
        with pytest.raises(SignInRefusedError):
            await accounts.sign_in(
                f"{number}@example.org", "x" * 12, address=address, user_agent=""
            )

    for number in range(20):
        await fail(number, f"2001:db8:0:1::{number:x}")

    with pytest.raises(TooManyAttemptsError):
        await accounts.sign_in(
            "x@example.org", "x" * 12, address="2001:db8:0:1:ffff::", user_agent=""
        )
    await fail(20, "2001:db8:0:2::1")
    await fail(21, "::ffff:192.0.2.1")


async def test_a_password_that_is_no_text_is_refused(accounts: Accounts) -> None:
    with pytest.raises(PasswordError):
        await accounts.add_user(
            email="a@example.org", name="A", role=Role.VIEWER, password="\ud800" * 12
        )
    with pytest.raises(SignInRefusedError):
        await sign_in(accounts, "\ud800" * 12)


async def test_a_disabled_user_is_out_at_once(accounts: Accounts) -> None:
    await add_alice(accounts)
    bob = await accounts.add_user(
        email="bob@example.org", name="Bob", role=Role.VIEWER, password=PASSWORD
    )
    token = await accounts.sign_in("bob@example.org", PASSWORD, address="", user_agent="")

    await accounts.change_user(bob, disabled=True)

    assert await accounts.authenticate_session(token) is None
    with pytest.raises(SignInRefusedError):
        await accounts.sign_in("bob@example.org", PASSWORD, address="", user_agent="")


async def test_the_last_admin_stays(accounts: Accounts) -> None:
    await add_alice(accounts)
    [alice] = await accounts.store.list_users()

    with pytest.raises(LastAdminError):
        await accounts.change_user(alice, role=Role.EDITOR)
    with pytest.raises(LastAdminError):
        await accounts.change_user(alice, disabled=True)


async def test_an_email_address_has_one_account(accounts: Accounts) -> None:
    await add_alice(accounts)

    with pytest.raises(NameTakenError):
        await add_alice(accounts)


async def test_a_short_password_is_refused(accounts: Accounts) -> None:
    with pytest.raises(PasswordError, match="at least 10"):
        await accounts.add_user(email="a@b", name="A", role=Role.VIEWER, password="short")


async def test_tokens_from_the_configuration_and_from_the_store_are_known(
    accounts: Accounts,
) -> None:
    token, secret = await accounts.add_token(
        name="deploys", role=Role.EDITOR, created_by="alice@example.org"
    )

    provisioned = await accounts.authenticate_bearer("provisioned-token-of-ci")
    stored = await accounts.authenticate_bearer(secret)

    assert provisioned is not None
    assert (provisioned.name, provisioned.role) == ("token:ci", Role.VIEWER)
    assert stored is not None
    assert (stored.name, stored.role) == ("token:deploys", Role.EDITOR)
    assert await accounts.store.delete_token(token.id)
    assert await accounts.authenticate_bearer(secret) is None
    assert await accounts.authenticate_bearer("") is None
