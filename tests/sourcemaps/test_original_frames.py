"""From an upload and an event to original places on the event's page, or to why there are none."""

import re
from typing import Any

import httpx
import pytest

from tests.sourcemaps.conftest import KEY
from tests.sourcemaps.events import make_event, make_frame, read, send
from tests.sourcemaps.test_uploads import assemble
from tests.sourcemaps.test_uploads import send as send_parts
from tests.support.bundles import SCRIPT, SOURCE, column_of, make_bundle, make_files, make_map, sha1

LINES = SOURCE.splitlines()


def upload(client: httpx.Client, bundle: bytes, **over: object) -> None:
    send_parts(client, bundle).raise_for_status()
    answer = assemble(client, bundle, **over).json()
    assert answer["state"] == "ok", answer


def frames_of(event: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (frame["function"], frame["filename"], frame["line"], frame["in_app"])
        for frame in event["exceptions"][0]["frames"]
    ]


def problem_of(event: dict[str, Any]) -> dict[str, Any]:
    problems = event["source_maps"]["problems"]
    assert len(problems) == 1, problems
    return problems[0]


ORIGINAL = [
    ("fail", "src/x.js", 2, True),
    ("start", "src/x.js", 6, True),
    ("<anonymous>", "src/x.js", 9, True),
]


def test_frames_are_resolved_by_debug_id_before_they_are_grouped(admin: httpx.Client) -> None:
    upload(admin, make_bundle())
    send(admin, KEY, make_event(1))
    event, issue = read(admin, f"{1:032x}")

    top = event["exceptions"][0]["frames"][0]
    assert [each[:3] for each in frames_of(event)][:2] == [each[:3] for each in ORIGINAL][:2]
    assert top["context_line"] == LINES[1]
    assert top["source_map"]["minified"] == {
        "function": "f",
        "filename": "https://shop.example.org/x.js",
        "abs_path": "",
        "line": 1,
        "column": column_of(b"throw"),
    }
    assert event["source_maps"]["is_grouped_by_source"] is True
    assert event["source_maps"]["problems"] == []
    assert issue["culprit"] == "src/x.js in fail"


def test_another_build_of_the_same_code_is_the_same_issue(admin: httpx.Client) -> None:
    other_id = "11111111-2222-3333-4444-555555555555"
    script = b"/*2*/\n" + make_files()["files/_/_/x.js"][1]
    mappings = ";" + str(__import__("json").loads(make_map())["mappings"])
    upload(
        admin,
        make_bundle(make_files(other_id, script=script, source_map=make_map(mappings=mappings))),
    )
    upload(admin, make_bundle())
    second = make_event(3, debug_id=other_id)
    for frame in second["exception"]["values"][0]["stacktrace"]["frames"]:
        frame.update(lineno=2, function="zz", filename="https://shop.example.org/y.js")
    second["debug_meta"]["images"][0]["code_file"] = "https://shop.example.org/y.js"
    send(admin, KEY, make_event(2))
    send(admin, KEY, second)

    assert read(admin, f"{2:032x}")[1]["id"] == read(admin, f"{3:032x}")[1]["id"]


def test_a_map_that_comes_after_the_event_is_used_when_it_is_read(admin: httpx.Client) -> None:
    debug_id = "aaaaaaaa-2222-3333-4444-555555555555"
    send(admin, KEY, make_event(4, debug_id=debug_id, release="late@1"))
    before, _ = read(admin, f"{4:032x}")
    upload(admin, make_bundle(make_files(debug_id)))
    after, _ = read(admin, f"{4:032x}")

    assert frames_of(before)[0][:2] == ("f", "https://shop.example.org/x.js")
    problem = problem_of(before)
    assert (problem["kind"], problem["frame_count"]) == ("debug_id_unknown", 3)
    assert debug_id in problem["message"]
    assert "sourcemaps inject" in problem["command"]
    assert "--project web --release late@1" in problem["command"]
    assert frames_of(after)[0][:3] == ("fail", "src/x.js", 2)
    assert after["source_maps"]["is_grouped_by_source"] is False


def test_without_debug_ids_the_release_and_the_url_lead_to_the_map(admin: httpx.Client) -> None:
    upload(admin, make_bundle(make_files(None)), version="old@1")
    send(admin, KEY, make_event(5, debug_id=None, release="old@1"))
    event, _ = read(admin, f"{5:032x}")

    assert frames_of(event)[0][:3] == ("fail", "src/x.js", 2)


def test_a_distribution_has_maps_of_its_own(admin: httpx.Client) -> None:
    upload(admin, make_bundle(make_files(None), note=1), version="dist@1", dist="ios")
    send(admin, KEY, make_event(6, debug_id=None, release="dist@1", dist="ios"))
    send(admin, KEY, make_event(7, debug_id=None, release="dist@1", dist="android"))

    assert frames_of(read(admin, f"{6:032x}")[0])[0][0] == "fail"
    problem = problem_of(read(admin, f"{7:032x}")[0])
    assert problem["kind"] == "release_unknown"
    assert "dist@1 (dist android)" in problem["message"]


def test_a_release_without_uploads_is_named(admin: httpx.Client) -> None:
    send(admin, KEY, make_event(8, debug_id=None, release="none@1"))
    problem = problem_of(read(admin, f"{8:032x}")[0])

    assert problem["kind"] == "release_unknown"
    assert "none@1" in problem["message"]
    assert problem["searched"][0] == "~/x.js"


def test_a_file_at_another_url_is_told_from_one_that_is_missing(admin: httpx.Client) -> None:
    upload(admin, make_bundle(make_files(None), note=2), version="url@1")
    moved = make_event(9, debug_id=None, release="url@1")
    for frame in moved["exception"]["values"][0]["stacktrace"]["frames"]:
        frame["filename"] = "https://shop.example.org/static/x.js?v=1"
    send(admin, KEY, moved)
    problem = problem_of(read(admin, f"{9:032x}")[0])

    assert problem["kind"] == "url_unknown"
    assert "one uploaded script, none at ~/static/x.js: ~/x.js." in problem["message"]
    assert "--url-prefix '~/static'" in problem["command"]


def test_files_of_another_build_are_told(admin: httpx.Client) -> None:
    upload(admin, make_bundle(note=3), version="other@1")
    debug_id = "bbbbbbbb-2222-3333-4444-555555555555"
    send(admin, KEY, make_event(10, debug_id=debug_id, release="other@1"))
    problem = problem_of(read(admin, f"{10:032x}")[0])

    assert problem["kind"] == "other_build"
    assert "from another build" in problem["message"]


def test_an_event_that_names_nothing_is_told(admin: httpx.Client) -> None:
    send(admin, KEY, make_event(11, debug_id=None, release=""))

    assert problem_of(read(admin, f"{11:032x}")[0])["kind"] == "nothing_to_go_by"


def test_a_script_without_its_map_is_told(admin: httpx.Client) -> None:
    files = make_files("cccccccc-2222-3333-4444-555555555555")
    del files["files/_/_/x.js.map"]
    upload(admin, make_bundle(files))
    send(admin, KEY, make_event(12, debug_id="cccccccc-2222-3333-4444-555555555555"))
    problem = problem_of(read(admin, f"{12:032x}")[0])

    assert problem["kind"] == "no_map"
    assert "~/x.js was uploaded without its source map" in problem["message"]


def test_a_map_without_sources_gives_places_and_says_what_is_missing(admin: httpx.Client) -> None:
    debug_id = "dddddddd-2222-3333-4444-555555555555"
    bare = make_map(sourcesContent=[])
    upload(admin, make_bundle(make_files(debug_id, source_map=bare)))
    send(admin, KEY, make_event(13, debug_id=debug_id))
    event, _ = read(admin, f"{13:032x}")

    assert frames_of(event)[0][:3] == ("fail", "src/x.js", 2)
    assert event["exceptions"][0]["frames"][0]["context_line"] is None
    assert problem_of(event)["kind"] == "no_content"


@pytest.mark.parametrize(
    ("number", "script", "source_map", "words"),
    [(14, None, b"{nonsense", "cannot be read"), (15, b"(" * 50_000, None, "died of it")],
)
def test_a_map_that_cannot_be_read_stops_no_event(
    admin: httpx.Client, number: int, script: bytes | None, source_map: bytes | None, words: str
) -> None:
    debug_id = f"eeeeeeee-2222-3333-4444-5555555555{number}"
    over: dict[str, bytes] = {} if script is None else {"script": script}
    upload(admin, make_bundle(make_files(debug_id, source_map=source_map, **over)))
    send(admin, KEY, make_event(number, debug_id=debug_id))
    event, _ = read(admin, f"{number:032x}")

    assert frames_of(event)[0][0] == "f"
    assert words in problem_of(event)["message"]


def test_secrets_in_the_code_are_taken_out(admin: httpx.Client) -> None:
    debug_id = "ffffffff-2222-3333-4444-555555555555"
    token = "ghp_" + "a1B2" * 9
    leaky = make_map(sourcesContent=[SOURCE.replace('"boom "', f'"{token}"')])
    files = make_files(debug_id, source_map=leaky)
    send(admin, KEY, make_event(16, debug_id=debug_id))
    read(admin, f"{16:032x}")
    upload(admin, make_bundle(files))
    send(admin, KEY, make_event(17, debug_id=debug_id))

    for number in (16, 17):
        event, _ = read(admin, f"{number:032x}")
        assert frames_of(event)[0][0] == "fail"
        assert token not in str(event)


def test_a_program_for_node_that_was_never_built_is_no_problem(admin: httpx.Client) -> None:
    event = make_event(18, debug_id=None, platform="node", release="node@1")
    for frame in event["exception"]["values"][0]["stacktrace"]["frames"]:
        frame.update(filename="/srv/app/server.js", context_line="  throw new Error()")
    send(admin, KEY, event)

    assert read(admin, f"{18:032x}")[0]["source_maps"] is None


def test_frames_of_libraries_are_told_by_their_original_path(admin: httpx.Client) -> None:
    debug_id = "99999999-2222-3333-4444-555555555555"
    library = make_map(sources=["webpack://_N_E/./node_modules/lodash/lodash.js"])
    upload(admin, make_bundle(make_files(debug_id, source_map=library)))
    event = make_event(19, debug_id=debug_id)
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    frames.insert(0, make_frame("h", b"g();", url="<anonymous>"))
    send(admin, KEY, event)
    found = frames_of(read(admin, f"{19:032x}")[0])

    assert found[0] == ("fail", "node_modules/lodash/lodash.js", 2, False)
    assert found[-1][1] == "<anonymous>"


def test_places_of_native_code_are_no_business_of_source_maps(admin: httpx.Client) -> None:
    event = make_event(20, debug_id=None, platform="csharp", release="native@1")
    event["debug_meta"] = {"images": [{"type": "elf", "code_file": "/lib/x.so", "debug_id": "a"}]}
    send(admin, KEY, event)

    assert read(admin, f"{20:032x}")[0]["source_maps"] is None


def test_files_that_are_uploaded_one_by_one_are_used(admin: httpx.Client) -> None:
    url = "/api/0/organizations/acme/releases/single@1/files/"
    admin.post(
        "/api/0/organizations/acme/releases/", json={"version": "single@1", "projects": ["web"]}
    ).raise_for_status()
    for name, header, content in (
        ("~/x.js", "Sourcemap: x.js.map", SCRIPT),
        ("~/x.js.map", "Content-Type: application/json", make_map()),
    ):
        form = {"name": name, "header": header}
        answer = admin.post(url, data=form, files={"file": (name, content)})
        assert (answer.status_code, answer.json()["name"]) == (201, name), answer.text
    send(admin, KEY, make_event(21, debug_id=None, release="single@1"))

    assert frames_of(read(admin, f"{21:032x}")[0])[0][:3] == ("fail", "src/x.js", 2)
    listed = admin.get(url).json()
    assert [(each["name"], each["sha1"]) for each in listed] == [
        ("~/x.js", sha1(SCRIPT)),
        ("~/x.js.map", sha1(make_map())),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"data": {"name": "~/x.js"}}, "multipart/form-data"),
        ({"files": {"other": ("x", b"1")}, "data": {"name": "~/x.js"}}, "no part named 'file'"),
        ({"files": {"file": ("", b"1")}}, "multipart/form-data|no part named 'file'|a name"),
        ({"content": b"1"}, "multipart/form-data"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_reason(
    admin: httpx.Client, content: dict[str, Any], problem: str
) -> None:
    answer = admin.post("/api/0/projects/acme/web/releases/single@2/files/", **content)

    assert answer.status_code == 400
    assert re.search(problem, answer.json()["detail"])


def test_a_place_that_no_file_has_spoils_the_map_for_nobody(admin: httpx.Client) -> None:
    debug_id = "88888888-2222-3333-4444-555555555555"
    upload(admin, make_bundle(make_files(debug_id), note=8))
    wrong = make_event(22, debug_id=debug_id)
    for number, frame in enumerate(wrong["exception"]["values"][0]["stacktrace"]["frames"]):
        frame.update(lineno=2 ** (31 + number), colno=2 ** (62 - number))
    send(admin, KEY, wrong)
    read(admin, f"{22:032x}")
    send(admin, KEY, make_event(23, debug_id=debug_id))

    assert frames_of(read(admin, f"{23:032x}")[0])[0][:3] == ("fail", "src/x.js", 2)
