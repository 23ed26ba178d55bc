"""Releases, commits and deploys, as builds announce them."""

from datetime import UTC, datetime, timedelta

import pytest

from resumatch_monitor.releases.model import Commit, Deploy, ReleaseChange
from resumatch_monitor.releases.store import MOST_DEPLOYS
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.releases_book import SqlReleaseBook
from resumatch_monitor.storage.sql.tables.symbols import RELEASES

pytestmark = pytest.mark.anyio

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def book(database: Database) -> SqlReleaseBook:
    return SqlReleaseBook(database)


def make_deploy(environment: str, project_id: int = 1, version: str = "web@1") -> Deploy:
    return Deploy(
        id=0,
        project_id=project_id,
        version=version,
        environment=environment,
        finished_at=AT,
        created_at=AT,
    )


async def test_a_release_that_is_announced_again_is_changed(book: SqlReleaseBook) -> None:
    await book.announce([1, 2], "web@1", ReleaseChange(url="https://ci.example.org/1"), AT)
    changed = await book.announce([1], "web@1", ReleaseChange(released_at=AT + HOUR), AT + HOUR)

    assert [(each.created_at, each.released_at) for each in changed] == [(AT, AT + HOUR)]
    assert changed[0].url == "https://ci.example.org/1"
    assert [each.project_id for each in await book.find([1, 2, 3], "web@1")] == [1, 2]
    assert (await book.find([2], "web@1"))[0].released_at is None


async def test_releases_are_paged_the_newest_first(book: SqlReleaseBook) -> None:
    for number in range(5):
        await book.announce([1, 2], f"größe/{number}", ReleaseChange(), AT + number // 2 * HOUR)
    seen: list[str] = []
    cursor = None
    while True:
        page = await book.page([1], cursor=cursor, limit=2)
        seen.extend(each.version for each in page.items)
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == ["größe/4", "größe/3", "größe/2", "größe/1", "größe/0"]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "W10=",
        "WzEsMl0=",
        "WyJhIiwxLCJ4Il0=",
        "WzFlNTAsMSwieCJd",
        "WzEsIjk5OTk5OTk5OTk5OTk5OTk5OTk5IiwieCJd",
    ],
)
async def test_a_cursor_of_elsewhere_is_refused(book: SqlReleaseBook, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await book.page([1], cursor=cursor, limit=2)


async def test_a_release_goes_with_everything_that_it_has(book: SqlReleaseBook) -> None:
    for version in ("web@1", "web@2"):
        await book.announce([1], version, ReleaseChange(), AT)
        await book.set_commits([1], version, [Commit("abc", message="Mend it")])
        await book.add_deploys([make_deploy("production", version=version)])

    assert await book.delete([1], "web@1") == 1
    assert await book.delete([1], "web@1") == 0
    assert await book.commits(1, "web@1", limit=5) == []
    assert await book.deploys([1], "web@1", limit=5) == []
    assert [each.message for each in await book.commits(1, "web@2", limit=5)] == ["Mend it"]
    assert len(await book.deploys([1], "web@2", limit=5)) == 1


async def test_commits_are_replaced_and_keep_their_order(book: SqlReleaseBook) -> None:
    await book.set_commits([1], "web@1", [Commit("old")])
    await book.set_commits([1], "web@1", [Commit("second", committed_at=AT), Commit("first")])

    assert [each.sha for each in await book.commits(1, "web@1", limit=5)] == ["second", "first"]


async def test_a_release_has_a_bounded_number_of_deploys(book: SqlReleaseBook) -> None:
    await book.add_deploys([make_deploy(f"{number}") for number in range(MOST_DEPLOYS + 3)])
    deploys = await book.deploys([1], "web@1", limit=1_000)

    assert len(deploys) == MOST_DEPLOYS
    assert deploys[0].environment == f"{MOST_DEPLOYS + 2}"


async def test_the_oldest_releases_of_a_project_go(
    book: SqlReleaseBook, database: Database
) -> None:
    rows = [
        {"project_id": 1, "version": f"{number}", "created_at": AT + timedelta(seconds=number)}
        for number in range(5_000)
    ]
    await database.write(lambda connection: connection.execute(RELEASES.insert(), rows))
    await book.announce([1], "newest", ReleaseChange(), AT + timedelta(days=1))

    assert await book.find([1], "0") == []
    assert len(await book.find([1], "1")) == len(await book.find([1], "newest")) == 1
