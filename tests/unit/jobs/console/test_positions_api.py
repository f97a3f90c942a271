"""Where a picture's nodes lie, over the API: kept under the ring's version, its own nodes alone, within a bound of its own."""

import json

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


async def test_positions_are_kept_and_written_down(served):
    answer = await served.ask("POST", URL, json=body(served))
    assert answer.json() == {
        "ring_id": "c-farm", "ring_version": version_of(served), "is_kept": True, "n_nodes": 3,
    }  # fmt: skip
    kept = read_positions(served.lake, "c-farm")
    assert kept is not None
    assert kept.nodes == {"a:farm00": (1.0, 2.0), DEVICE: (3.0, 4.0), "c:0": (5.0, 6.0)}
    row = json.loads(served.audit.splitlines()[-1])
    assert (row["action"], row["target"], row["result"]) == ("positions.write", "c-farm", "allowed")


async def test_the_first_of_a_version_stand_unless_replaced(served):
    await served.ask("POST", URL, json=body(served))
    second = await served.ask("POST", URL, json=body(served, positions={"a:farm01": [1, 1]}))
    assert (second.json()["is_kept"], second.json()["n_nodes"]) == (False, 3)
    third = await served.ask("POST", URL, json=body(served, positions={"a:farm01": [1, 1]}, replaces=True))
    assert (third.json()["is_kept"], third.json()["n_nodes"]) == (True, 1)


async def test_another_version_or_ring_is_refused(served):
    moved = await served.ask("POST", URL, json=body(served, ring_version="old"))
    assert (moved.status_code, moved.json()["type"]) == (409, "urn:ringlight:problem:moved")
    assert (await served.ask("POST", "/api/v1/rings/c-none/positions", json=body(served))).status_code == 404
    assert read_positions(served.lake, "c-farm") is None


async def test_nodes_that_are_none_of_the_ring_are_not_kept(served, raw):
    strange = {"a:home00": [0, 0], f"a:{raw['phone']}": [0, 0], "i:device:zz": [0, 0], f"i:colour:{'ab' * 32}": [0, 0]}
    answer = await served.ask("POST", URL, json=body(served, positions={"a:farm00": [0, 0]} | strange))
    assert answer.json()["n_nodes"] == 1
    assert all(raw["phone"].encode() not in path.read_bytes() for path in (served.lake / "desk").rglob("*.json*"))


@pytest.mark.parametrize("bad", ['{"a:x": [NaN, 1]}', '{"a:x": [1e9, 1]}', '{"x": [1, 1]}', '{"a:x": [1]}', "{}"])
async def test_what_is_no_position_is_refused(served, bad):
    text = f'{{"ring_version": "{version_of(served)}", "positions": {bad}}}'
    answer = await served.ask("POST", URL, content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 422


async def test_a_large_picture_fits_and_only_there(served):
    nodes = {f"i:device:{number:064x}": [number / 7, -number / 7] for number in range(3_000)}
    answer = await served.ask("POST", URL, json=body(served, positions=nodes))
    assert answer.json()["n_nodes"] == 3_000
    long = {"text": "x" * 100_000}
    assert (await served.ask("POST", "/api/v1/rings/c-farm/notes", json=long)).status_code == 413
    too_long = body(served, positions={"a:" + "x" * 1_000 + str(n): [0, 0] for n in range(600)})
    assert (await served.ask("POST", URL, json=too_long)).status_code == 413


async def test_a_viewer_looks_and_keeps_nothing(served):
    assert (await served.ask("POST", URL, "viewer", json=body(served))).status_code == 403
