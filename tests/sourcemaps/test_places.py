"""Names of files as browsers, uploads and maps write them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.sourcemaps.frames import (
    has_minified_frames,
    list_stacks,
    read_debug_ids,
    read_minified,
)
from resumatch_monitor.sourcemaps.places import (
    clean_source,
    is_application_source,
    is_file_of_build,
    join_reference,
    list_candidates,
)


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        (
            "https://shop.example.org/static/x.js?v=1#top",
            [
                "~/static/x.js",
                "https://shop.example.org/static/x.js",
                "https://shop.example.org/static/x.js?v=1",
            ],
        ),
        ("app:///_next/x.js", ["~/_next/x.js", "app:///_next/x.js"]),
        ("/srv/app/x.js", ["~/srv/app/x.js", "/srv/app/x.js"]),
        ("x.js", ["~/x.js", "x.js"]),
        ("~/x.js", ["~/x.js"]),
    ],
)
def test_an_upload_may_have_called_a_file_so(name: str, candidates: list[str]) -> None:
    assert list_candidates(name) == candidates


@pytest.mark.parametrize(
    ("url", "reference", "first"),
    [
        ("~/static/x.js", "x.js.map", "~/static/x.js.map"),
        ("~/static/x.js", "../maps/x.js.map", "~/maps/x.js.map"),
        ("~/static/x.js", "/x.js.map", "~/x.js.map"),
        ("https://h.example.org/a/x.js", "x.js.map", "https://h.example.org/a/x.js.map"),
        ("app:///a/x.js", "x.js.map", "app:///a/x.js.map"),
        ("~/a/x.js", "https://cdn.example.org/x.js.map", "~/x.js.map"),
        ("x.js", "x.js.map", "/x.js.map"),
    ],
)
def test_a_reference_leads_to_its_map(url: str, reference: str, first: str) -> None:
    assert join_reference(url, reference)[0] == first


@pytest.mark.parametrize(
    ("source", "path", "is_own"),
    [
        ("../../../../app/cart.js", "app/cart.js", True),
        ("webpack://_N_E/./app/page.jsx?a1b2", "app/page.jsx", True),
        ("webpack:///./src/index.ts", "src/index.ts", True),
        ("webpack://my-app/./src/index.ts", "src/index.ts", True),
        ("turbopack:///[project]/app/page.tsx", "app/page.tsx", True),
        ("turbopack:///[turbopack]/shared/runtime.ts", "[turbopack]/shared/runtime.ts", False),
        ("webpack://_N_E/./node_modules/react/index.js", "node_modules/react/index.js", False),
        ("webpack://_N_E/webpack/bootstrap", "_N_E/webpack/bootstrap", False),
        ("../node_modules/%40sentry/core/x.ts", "node_modules/@sentry/core/x.ts", False),
        ("../../src/next/dist/x.js", "src/next/dist/x.js", False),
        ("C:\\work\\src\\x.ts", "C:/work/src/x.ts", True),
        ("src/x.ts", "src/x.ts", True),
    ],
)
def test_a_source_has_the_path_that_people_know(source: str, path: str, is_own: bool) -> None:
    assert (clean_source(source), is_application_source(source)) == (path, is_own)


@pytest.mark.parametrize("name", ["", "<anonymous>", "native", "node:internal/x", "eval at f"])
def test_some_frames_are_of_no_file(name: str) -> None:
    assert not is_file_of_build(name)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_is_too_strange(url: str, reference: str) -> None:
    list_candidates(url)
    join_reference(url, reference)
    clean_source(url)
    is_application_source(url)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["exception", "values", "stacktrace", "frames", "filename", "lineno", "colno"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
_KEYS = ("exception", "threads", "stacktrace", "debug_meta", "platform", "release", "dist")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_KEYS, _ANY)))
def test_no_event_is_too_strange(raw: dict[str, Any]) -> None:
    has_minified_frames(raw)
    debug_ids = read_debug_ids(raw)
    for stack in list_stacks({**raw, "platform": "javascript"}):
        read_minified(stack, raw, project_id=1, debug_ids=debug_ids)
