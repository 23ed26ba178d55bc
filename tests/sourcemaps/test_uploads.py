"""Uploads over HTTP: what is taken, what is refused, and that what was taken is there."""

import gzip
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.sourcemaps.conftest import CONFIG
from tests.support.bundles import make_bundle, make_files, make_zip, sha1
from tests.support.monitor import TOKEN, RunningMonitor, run_monitor
from tests.support.sentry_cli import SentryCli

ORGANIZATION = "/api/0/organizations/acme"


def send(client: httpx.Client, *parts: bytes, name: str = "file", url: str = "") -> httpx.Response:
    packed = [gzip.compress(part) if name == "file_gzip" else part for part in parts]
    files = [(name, (sha1(part), data)) for part, data in zip(parts, packed, strict=True)]
    return client.post(url or f"{ORGANIZATION}/chunk-upload/", files=files)


def assemble(client: httpx.Client, bundle: bytes, *chunks: bytes, **over: object) -> httpx.Response:
    body = {
        "checksum": sha1(bundle),
        "chunks": [sha1(chunk) for chunk in chunks or (bundle,)],
        "projects": ["web"],
        **over,
    }
    return client.post(f"{ORGANIZATION}/artifactbundle/assemble/", json=body)


def make_own_bundle(name: str) -> bytes:
    """Return a bundle that no other test has uploaded."""
    own = {name: ({"type": "source", "url": f"~/{name}"}, name.encode())}
    return make_bundle({**own, **make_files()})


@pytest.mark.parametrize("name", ["file", "file_gzip"])
def test_what_is_missing_is_sent_and_put_together(admin: httpx.Client, name: str) -> None:
    bundle = make_own_bundle(name)
    halves = bundle[:200], bundle[200:]
    before = assemble(admin, bundle, *halves).json()
    sent = [send(admin, half, name=name).status_code for half in halves]
    after = assemble(admin, bundle, *halves).json()

    assert (before["state"], sorted(before["missingChunks"])) == (
        "not_found",
        sorted(map(sha1, halves)),
    )
    assert sent == [200, 200]
    assert (after["state"], after["missingChunks"]) == ("ok", [])
    # Who comes with the same bundle has nothing to send.
    assert assemble(admin, bundle, *halves, version="web@9").json()["state"] == "ok"


def test_the_options_lead_to_where_the_client_came_from(
    admin: httpx.Client, monitor: RunningMonitor
) -> None:
    options = admin.get(f"{ORGANIZATION}/chunk-upload/").json()

    assert options["url"] == f"{monitor.url}{ORGANIZATION}/chunk-upload/"
    assert options["hashAlgorithm"] == "sha1"


def refused(answer: httpx.Response, status: int, problem: str) -> None:
    assert answer.status_code == status, answer.text
    assert problem in answer.json()["detail"]


def test_parts_that_are_wrong_are_refused_with_the_reason(admin: httpx.Client) -> None:
    url = f"{ORGANIZATION}/chunk-upload/"
    wrong = [("file", ("0" * 40, b"something else"))]
    refused(admin.post(url, files=wrong), 400, "has the checksum")
    refused(admin.post(url, files=[("file", ("../../x", b"1"))]), 400, "SHA-1")
    refused(admin.post(url, files=[("other", ("0" * 40, b"1"))]), 400, "'other'")
    refused(
        admin.post(url, files=[("file_gzip", ("0" * 40, b"no zip"))]), 400, "cannot be unpacked"
    )
    cut = gzip.compress(b"1" * 1000)[:-9]
    refused(admin.post(url, files=[("file_gzip", ("0" * 40, cut))]), 400, "cut off")
    refused(admin.post(url, content=b"nothing"), 400, "multipart/form-data")
    headers = {"Content-Type": "multipart/form-data"}
    refused(admin.post(url, content=b"nothing", headers=headers), 400, "multipart/form-data")
    refused(admin.post(url, data={"file": "1"}), 400, "multipart/form-data")


def test_a_bomb_of_a_part_is_refused(admin: httpx.Client) -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    answer = admin.post(f"{ORGANIZATION}/chunk-upload/", files=[("file_gzip", ("0" * 40, bomb))])

    refused(answer, 413, "more than 8388608 bytes")


def test_a_request_that_is_too_large_is_refused(admin: httpx.Client) -> None:
    answer = admin.post(
        f"{ORGANIZATION}/chunk-upload/", files=[("file", ("0" * 40, bytes(20 * 1024 * 1024)))]
    )

    assert answer.status_code == 413


def test_a_bundle_that_is_none_fails_with_the_reason(admin: httpx.Client) -> None:
    bundle = make_zip({"a.js": b"1"}, None)
    assert send(admin, bundle).status_code == 200
    answer = assemble(admin, bundle).json()

    assert (answer["state"], answer["detail"]) == (
        "error",
        "There is no manifest.json in the bundle.",
    )


def test_parts_that_make_another_bundle_fail(admin: httpx.Client) -> None:
    bundle = make_own_bundle("another")
    send(admin, bundle[:100], bundle[100:])
    answer = assemble(admin, bundle, bundle[100:], bundle[:100]).json()

    assert answer["state"] == "error"
    assert "The parts make" in answer["detail"]


def test_a_bundle_that_nobody_could_find_again_fails(admin: httpx.Client) -> None:
    bundle = make_bundle(make_files(None))
    send(admin, bundle)

    assert "--release" in assemble(admin, bundle).json()["detail"]
    assert assemble(admin, bundle, version="web@9").json()["state"] == "ok"


@pytest.mark.parametrize(
    ("over", "problem"),
    [
        ({"projects": ["shop"]}, "There is no project 'shop'; there are: web, api."),
        ({"projects": []}, "Name the projects"),
        ({"checksum": "x"}, "checksum"),
        ({"chunks": []}, "chunks"),
        ({"chunks": ["../x"]}, "chunks.0"),
        ({"version": "a/b"}, "A release's version"),
    ],
)
def test_requests_that_are_wrong_are_refused_with_the_place(
    admin: httpx.Client, over: dict[str, object], problem: str
) -> None:
    refused(assemble(admin, b"1", **over), 400, problem)


def test_symbols_of_native_code_are_refused_politely(admin: httpx.Client) -> None:
    url = "/api/0/projects/acme/web/files/difs/assemble/"
    body = {"0" * 40: {"name": "libc.so", "chunks": ["0" * 40]}}
    answer = admin.post(url, json=body).json()

    assert answer["0" * 40]["state"] == "error"
    assert "source maps only" in answer["0" * 40]["detail"]


def test_what_is_not_here_is_said_in_sentrys_form(admin: httpx.Client) -> None:
    refused(admin.post("/api/0/projects/acme/web/files/dsyms/"), 400, "source maps only")
    refused(admin.get("/api/0/organizations/acme/monitors/"), 404, "no /api/0/organizations/acme")
    refused(httpx.get(str(admin.base_url) + "/api/0/x/", trust_env=False), 401, "token")


def write_build(folder: Path, note: str = "") -> None:
    """Write a script and its map as a build leaves them."""
    (folder / "dist").mkdir()
    for path, (_, data) in make_files(None).items():
        (folder / "dist" / path.rpartition("/")[2]).write_bytes(data)
    script = folder / "dist" / "x.js"
    script.write_bytes(script.read_bytes() + f"//{note}\n//# sourceMappingURL=x.js.map\n".encode())


def test_sentry_cli_uploads_a_build(cli: SentryCli, admin: httpx.Client) -> None:
    write_build(cli.folder, "a build")
    cli.succeed("sourcemaps", "inject", "dist")
    told = cli.succeed("sourcemaps", "upload", "--release", "web@9", "--wait", "dist")
    again = cli.succeed("sourcemaps", "upload", "--release", "web@9", "dist")

    assert "~/x.js (sourcemap at x.js.map, debug id" in told
    assert "Nothing to upload" in again


def test_two_builds_that_upload_the_same_at_once_both_succeed(cli: SentryCli) -> None:
    write_build(cli.folder, "two at once")
    cli.succeed("sourcemaps", "inject", "dist")
    command = ["sourcemaps", "upload", "--release", "web@two", "dist"]
    running = [cli.start(command) for _ in range(4)]
    told = [process.communicate(timeout=60)[0] for process in running]

    assert [process.returncode for process in running] == [0] * 4, told


def test_what_was_acknowledged_survives_the_death_of_the_monitor(tmp_path: Path) -> None:
    folder = tmp_path / "monitor"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    acknowledged: list[bytes] = []
    assembled: list[bytes] = []
    enough = threading.Event()

    def upload(client: httpx.Client, worker: int) -> None:
        for number in range(500):
            bundle = make_own_bundle(f"{worker}.{number}")
            try:
                if send(client, bundle).status_code == 200:
                    acknowledged.append(bundle)
                if number % 3 == 0 and assemble(client, bundle).json().get("state") == "ok":
                    assembled.append(bundle)
            except httpx.TransportError:
                return
            if len(assembled) >= 10:
                enough.set()

    with (
        run_monitor(folder, config=CONFIG) as monitor,
        httpx.Client(base_url=monitor.url, headers=headers, trust_env=False) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        uploads = [pool.submit(upload, client, worker) for worker in range(4)]
        assert enough.wait(60)
        os.kill(monitor.pid, signal.SIGKILL)
        for each in uploads:
            each.result()

    with (
        run_monitor(folder, config=CONFIG) as monitor,
        httpx.Client(base_url=monitor.url, headers=headers, trust_env=False) as client,
    ):
        for bundle in assembled:
            # Without its parts, which nobody has: it must be there as a whole.
            assert assemble(client, bundle, b"nobody has this").json()["state"] == "ok"
        for bundle in acknowledged:
            assert assemble(client, bundle).json() == {
                "state": "ok",
                "missingChunks": [],
                "detail": None,
            }
    assert len(acknowledged) > len(assembled) >= 10
    assert not list((folder / "data" / "sourcemaps").rglob("*.new"))
