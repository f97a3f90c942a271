"""Where a picture's nodes lie, over the API, as far as no graph is asked: the rest is in tests/integration/test_console.py."""

import polars as pl
import pytest

from graph.lake import current_night
from jobs.desk.positions import read_positions

pytestmark = pytest.mark.anyio

URL = "/api/v1/rings/c-farm/positions"
DEVICE = "i:device:" + "ab" * 32


def version_of(served, ring: str = "c-farm") -> str:
    return str(current_night(served.lake).scan("rings").filter(pl.col("ring_id") == ring).collect()["ring_version"][0])


def body(served, **more) -> dict:
    return {
        "ring_version": version_of(served),
        "positions": {"a:farm00": [1.04, 2], DEVICE: [3, 4], "c:0": [5, 6]},
    } | more


async def test_another_version_or_ring_is_refused(served):
    moved = await served.ask("POST", URL, json=body(served, ring_version="old"))
    assert (moved.status_code, moved.json()["type"]) == (409, "urn:ringlight:problem:moved")
    assert (await served.ask("POST", "/api/v1/rings/c-none/positions", json=body(served))).status_code == 404
    assert read_positions(served.lake, "c-farm") is None


async def test_without_a_graph_no_node_is_known_and_none_is_kept(served):
    assert (await served.ask("POST", URL, json=body(served))).status_code == 503
    assert read_positions(served.lake, "c-farm") is None


@pytest.mark.parametrize("bad", ['{"a:x": [NaN, 1]}', '{"a:x": [1e9, 1]}', '{"x": [1, 1]}', '{"a:x": [1]}', "{}"])
async def test_what_is_no_position_is_refused(served, bad):
    text = f'{{"ring_version": "{version_of(served)}", "positions": {bad}}}'
    answer = await served.ask("POST", URL, content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 422


async def test_a_large_picture_fits_and_only_there(served):
    nodes = {f"i:device:{number:064x}": [number / 7, -number / 7] for number in range(3_000)}
    answer = await served.ask("POST", URL, json=body(served, positions=nodes))
    assert answer.status_code == 503  # it is read whole, and then there is no graph here
    long = {"text": "x" * 100_000}
    assert (await served.ask("POST", "/api/v1/rings/c-farm/notes", json=long)).status_code == 413
    too_long = body(served, positions={"a:" + "x" * 1_000 + str(n): [0, 0] for n in range(600)})
    assert (await served.ask("POST", URL, json=too_long)).status_code == 413


async def test_a_viewer_looks_and_keeps_nothing(served):
    assert (await served.ask("POST", URL, "viewer", json=body(served))).status_code == 403
