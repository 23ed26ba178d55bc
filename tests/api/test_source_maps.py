"""The page about uploads: what is listed, found, shown and deleted."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from resumatch_monitor.api import source_maps
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sourcemaps.assembly import Assembler, AssemblyRequest
from resumatch_monitor.sourcemaps.config import SourceMapsConfig
from resumatch_monitor.sourcemaps.metrics import SourceMapMetrics
from resumatch_monitor.sourcemaps.model import BundleUse
from resumatch_monitor.storage.artifacts.bundles import BundleFolder
from resumatch_monitor.storage.artifacts.chunks import ChunkFolder
from resumatch_monitor.storage.sql.artifacts import SqlArtifactIndex
from resumatch_monitor.storage.sql.artifacts_read import SqlArtifactReader
from resumatch_monitor.storage.sql.database import Database
from tests.support.bundles import DEBUG_ID, make_bundle, make_files, sha1
from tests.support.clock import FakeClock
from tests.support.errors import PROJECT
from tests.support.ids import SequentialIds
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

URL = "/api/monitor/source-maps"


@pytest.fixture
async def client(
    tmp_path: Path, database: Database, clock: FakeClock
) -> AsyncGenerator[httpx.AsyncClient]:
    ids = SequentialIds()
    chunks = ChunkFolder(
        tmp_path / "chunks", max_bytes=10**9, min_free_bytes=0, clock=clock, ids=ids
    )
    bundles = BundleFolder(tmp_path / "bundles", min_free_bytes=0, ids=ids)
    chunks.open()
    bundles.open()
    index = SqlArtifactIndex(database)
    assembler = Assembler(
        chunks=chunks,
        bundles=bundles,
        index=index,
        config=SourceMapsConfig(),
        metrics=SourceMapMetrics(Telemetry()),
        clock=clock,
        on_change=lambda: None,
    )
    for number, use in enumerate(
        (BundleUse(1, "web@1"), BundleUse(1, "web@2", "ios"), BundleUse(2, "api@1"))
    ):
        own = {f"{number}": ({"type": "source", "url": f"~/src/{number}.ts"}, b"1")}
        bundle = make_bundle({**own, **make_files(None if number else DEBUG_ID)})
        chunks.add({sha1(bundle): bundle})
        await assembler.assemble(AssemblyRequest(sha1(bundle), [sha1(bundle)], [use]))
    router = source_maps.build_router(
        reader=SqlArtifactReader(database),
        index=index,
        assembler=assembler,
        projects=Projects([PROJECT]),
        max_bytes=10**9,
        guard=make_guard(),
    )
    async with serve(router, token=CHARLIE) as client:
        yield client


async def found(client: httpx.AsyncClient, **params: str) -> list[str]:
    answer = (await client.get(URL, params=params)).raise_for_status().json()
    return [each["uses"][0]["release"] for each in answer["items"]]


async def test_uploads_are_listed_the_newest_first_and_found(client: httpx.AsyncClient) -> None:
    assert await found(client) == ["api@1", "web@2", "web@1"]
    assert await found(client, project="1") == ["web@2", "web@1"]
    assert await found(client, query="WEB@2") == ["web@2"]
    assert await found(client, query="src/0.ts") == ["web@1"]
    assert await found(client, query=DEBUG_ID.upper()) == ["web@1"]
    assert await found(client, query="100%") == []


async def test_uploads_are_paged(client: httpx.AsyncClient) -> None:
    first = (await client.get(URL, params={"limit": "2"})).json()

    assert first["usage"]["count"] == 3
    assert await found(client, cursor=first["next_cursor"]) == ["web@1"]
    assert (await client.get(URL, params={"cursor": "x"})).status_code == 400


async def test_an_upload_has_files_with_their_debug_ids(client: httpx.AsyncClient) -> None:
    upload = (await client.get(f"{URL}/1")).json()
    files = (await client.get(f"{URL}/1/files", params={"limit": "2"})).json()
    rest = (await client.get(f"{URL}/1/files", params={"cursor": files["next_cursor"]})).json()

    assert (upload["file_count"], upload["debug_id_count"], upload["resolved_at"]) == (3, 1, None)
    assert upload["uses"] == [
        {"project": {"id": 1, "slug": PROJECT.slug}, "release": "web@1", "dist": None}
    ]
    assert [(each["url"], each["kind"], each["debug_id"]) for each in files["items"]] == [
        ("~/src/0.ts", "source", None),
        ("~/x.js", "minified_source", DEBUG_ID),
    ]
    assert [each["url"] for each in rest["items"]] == ["~/x.js.map"]


async def test_an_editor_deletes_an_upload(client: httpx.AsyncClient, tmp_path: Path) -> None:
    editor = {"Authorization": f"Bearer {BOB}"}
    refused = await client.delete(f"{URL}/1")
    deleted = await client.delete(f"{URL}/1", headers=editor)

    assert (refused.status_code, deleted.status_code) == (403, 204)
    assert await found(client) == ["api@1", "web@2"]
    assert len(list((tmp_path / "bundles").iterdir())) == 2
    for path in (f"{URL}/1", f"{URL}/1/files"):
        assert (await client.get(path)).status_code == 404
    assert (await client.delete(f"{URL}/1", headers=editor)).status_code == 404
