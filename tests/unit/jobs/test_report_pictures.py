import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import pytest

from graph.lake import Night
from graph.network import build_network, read_cluster_network
from jobs.report.charts import ring_picture
from jobs.report.pictures import HEIGHT, MAX_NODES, WIDTH, build_picture


@pytest.fixture(scope="module")
def night(made_night: Callable[..., Night], tmp_path_factory: pytest.TempPathFactory) -> Night:
    return made_night(tmp_path_factory.mktemp("lake"))


def _star(n_accounts: int, n_things: int) -> nx.Graph:
    """Accounts that all have the same things."""
    accounts = [{"kind": "account", "account_id": f"a{i}"} for i in range(n_accounts)]
    things = [{"kind": "identifier", "identifier_type": "device", "identifier": f"{i:064x}"} for i in range(n_things)]
    links = [{**account, **thing, "kind": "link"} for account in accounts for thing in things]
    return build_network(accounts + things, links)


def test_a_small_ring_is_drawn_whole_but_for_what_one_account_alone_has(night: Night) -> None:
    picture = build_picture(read_cluster_network(night, "c-farm"), seed=0)
    kinds = [node["kind"] for node in picture["nodes"]]
    assert kinds.count("account") == picture["n_accounts"] == 8
    assert kinds.count("identifier") == 4
    assert picture["n_not_drawn"] == 16
    assert picture["folding"] == "none"
    assert {edge["kind"] for edge in picture["edges"]} == {"link"}  # a pair is shown by what it shares
    assert all(0 < node["x"] < WIDTH and 0 < node["y"] < HEIGHT for node in picture["nodes"])


def test_a_pair_that_shares_nothing_drawn_is_drawn_itself() -> None:
    accounts = [{"kind": "account", "account_id": name} for name in "ab"]
    pair = {"kind": "pair", "account_a": "a", "account_b": "b", "weight_bits": 9.0}
    picture = build_picture(build_network(accounts, [pair]), seed=0)
    assert [edge["kind"] for edge in picture["edges"]] == ["pair"]


def test_a_hub_is_counted_and_not_drawn() -> None:
    accounts = [{"kind": "account", "account_id": name} for name in "abc"]
    things = [{"kind": "identifier", "identifier_type": kind, "identifier": "f00"} for kind in ("ip", "device")]
    links = [
        {**account, **thing, "kind": "link", "weight": 0.0 if thing["identifier_type"] == "ip" else 3.0}
        for account in accounts
        for thing in things
    ]
    picture = build_picture(build_network(accounts + things, links), seed=0)
    assert [node["label"] for node in picture["nodes"] if node["kind"] == "identifier"] == ["device f00"]
    assert (picture["n_hubs"], picture["n_not_drawn"]) == (1, 0)


def test_accounts_that_share_the_same_are_folded_into_one(night: Night) -> None:
    picture = build_picture(_star(100, 3), seed=0)
    assert picture["folding"] == "alike"
    assert sorted((node["kind"], node["n"], node["label"]) for node in picture["nodes"]) == [
        ("account", 100, "100 accounts"),
        ("identifier", 3, "3 x device"),
    ]


def test_a_long_chain_becomes_communities_and_no_account_is_lost(night: Night) -> None:
    picture = build_picture(read_cluster_network(night, "c-chain"), seed=0)
    assert picture["folding"] == "communities"
    assert 2 < len(picture["nodes"]) <= MAX_NODES
    assert sum(node["n"] for node in picture["nodes"] if node["kind"] != "identifier") == 70


def test_more_communities_than_can_be_drawn_are_cut_to_the_largest() -> None:
    accounts = [{"kind": "account", "account_id": f"a{i:03d}"} for i in range(300)]
    pairs = [{"kind": "pair", "account_a": f"a{i:03d}", "account_b": f"a{i + 1:03d}"} for i in range(0, 300, 2)]
    assert len(build_picture(build_network(accounts, pairs), seed=0)["nodes"]) == MAX_NODES


def test_the_svg_escapes_names_and_has_a_mark_for_every_node(night: Night) -> None:
    picture = build_picture(read_cluster_network(night, "c-farm"), seed=0)
    picture["nodes"][0]["title"] = "<b>&"
    svg = str(ring_picture(picture, 'a "ring"'))
    assert "<b>" not in svg
    assert "&lt;b&gt;&amp;" in svg
    assert svg.count("<circle") == 8
    assert svg.count("<path") == 4


def test_the_picture_does_not_depend_on_the_hash_seed_of_the_process(night: Night) -> None:
    code = (
        "import json,sys;from datetime import date;from pathlib import Path;from graph.lake import Night;"
        "from graph.network import read_cluster_network as r;from jobs.report.pictures import build_picture as b;"
        "n=Night(Path(sys.argv[1]),date(2026,3,31));"
        "print(json.dumps([b(r(n,c),0) for c in ('c-farm','c-chain')]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(night.folder)],
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    here = [build_picture(read_cluster_network(night, cluster), 0) for cluster in ("c-farm", "c-chain")]
    assert json.loads(run.stdout) == json.loads(json.dumps(here))
