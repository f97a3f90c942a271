from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import networkx as nx
import polars as pl
import pytest

from graph.errors import InputError
from graph.lake import Night, write_table
from graph.network import (
    account_node,
    build_network,
    pseudonyms,
    read_cluster_network,
    read_cluster_networks,
    write_graphml,
)


@pytest.fixture(scope="module")
def night(made_night: Callable[..., Night], tmp_path_factory: pytest.TempPathFactory) -> Night:
    return made_night(tmp_path_factory.mktemp("lake"))


def test_a_cluster_holds_its_accounts_their_identifiers_and_nobody_else(night: Night) -> None:
    network = read_cluster_network(night, "c-farm")
    kinds = nx.get_node_attributes(network, "kind")
    assert sum(kind == "account" for kind in kinds.values()) == 8
    # an own email and device each, one shared device, two cards, one address
    assert sum(kind == "identifier" for kind in kinds.values()) == 8 * 2 + 1 + 2 + 1
    assert nx.is_connected(network)
    first = network.nodes[account_node("farm00")]
    assert first["outcome"] == "confirmed_synthetic"
    assert first["ring_id"] == "c-farm"
    assert (first["n_identifiers"], first["n_events"]) == (5, 15)
    assert "outcome" not in network.nodes[account_node("farm05")]
    shared = [n for n, holders in nx.get_node_attributes(network, "n_accounts").items() if holders == 8]
    assert len(shared) == 2
    pair = network.edges[account_node("farm00"), account_node("farm01")]
    assert pair["kind"] == "pair"
    assert pair["weight_bits"] == 18.0


def test_a_night_without_scores_still_gives_the_cluster(made_night: Callable[..., Night], tmp_path: Path) -> None:
    network = read_cluster_network(made_night(tmp_path, with_model=False), "c-home")
    assert "score" not in network.nodes[account_node("home00")]
    assert network.number_of_nodes() == 4 + 4 * 2 + 1


def test_an_unknown_cluster_is_one_clear_sentence(night: Night) -> None:
    with pytest.raises(InputError, match=r"must be a cluster of the night 2026-03-31; got `c-none`"):
        read_cluster_network(night, "c-none")


def test_the_order_of_rows_changes_nothing(night: Night) -> None:
    network = read_cluster_network(night, "c-farm")
    nodes = [dict(row) for _, row in network.nodes(data=True)]
    links = []
    for source, target, row in network.edges(data=True):
        if row["kind"] == "link":
            ends = sorted((network.nodes[source], network.nodes[target]), key=lambda end: str(end["kind"]))
            links.append({**ends[0], **ends[1], **row})
    forward = build_network(nodes, links)
    backward = build_network(nodes[::-1], links[::-1])
    assert list(forward.nodes) == list(backward.nodes)
    assert list(forward.edges) == list(backward.edges)


def test_an_edge_to_an_unread_account_is_refused() -> None:
    with pytest.raises(InputError, match="`edges` must end at nodes"):
        build_network([{"kind": "account", "account_id": "a"}], [{"kind": "pair", "account_a": "a", "account_b": "b"}])


def test_graphml_reads_back_with_times_as_text_and_nothing_lost(night: Night, tmp_path: Path) -> None:
    network = read_cluster_network(night, "c-farm")
    back = nx.read_graphml(write_graphml(network, tmp_path / "farm.graphml"))
    assert set(back.nodes) == set(network.nodes)
    assert {frozenset(edge) for edge in back.edges} == {frozenset(edge) for edge in network.edges}
    node = account_node("farm00")
    assert back.nodes[node]["score"] == pytest.approx(network.nodes[node]["score"])
    source, target, row = next(edge for edge in network.edges(data=True) if edge[2]["kind"] == "link")
    assert datetime.fromisoformat(back.edges[source, target]["first_seen"]) == row["first_seen"]
    assert back.graph["as_of"] == "2026-03-31T00:00:00+00:00"


def test_graphml_to_a_folder_that_is_not_there_says_so(night: Night, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a file that can be written"):
        write_graphml(read_cluster_network(night, "c-home"), tmp_path / "none" / "home.graphml")


def test_pseudonyms_grow_only_where_they_would_clash() -> None:
    names = pseudonyms([("device", "a3f01"), ("device", "a3f02"), ("device", "b0000"), ("national_id", "a3f01")])
    assert names["device", "a3f01"] == "device a3f01"
    assert names["device", "b0000"] == "device b00"
    assert names["national_id", "a3f01"] == "national id a3f"


def test_several_clusters_at_once_are_the_same_as_each_alone(night: Night) -> None:
    together = read_cluster_networks(night, ["c-home", "c-farm", "c-home"])
    assert list(together) == ["c-home", "c-farm"]
    for cluster, network in together.items():
        alone = read_cluster_network(night, cluster)
        assert dict(network.nodes(data=True)) == dict(alone.nodes(data=True))
        assert list(network.edges(data=True)) == list(alone.edges(data=True))


def test_a_ring_over_two_clusters_is_whole_in_the_one_that_names_it(
    made_night: Callable[..., Night], tmp_path: Path
) -> None:
    night = made_night(tmp_path)
    joins = pl.col("account_id").is_in(["home00", "home01"])
    scores = night.read("scores").with_columns(ring_id=pl.when(joins).then(pl.lit("c-farm")).otherwise("ring_id"))
    write_table(scores, night.folder, "scores")
    ring, home = (read_cluster_network(night, name) for name in ("c-farm", "c-home"))
    assert {account_node("home00"), account_node("home01"), account_node("farm00")} <= set(ring.nodes)
    assert account_node("home02") not in ring
    assert ring.nodes[account_node("home00")]["ring_id"] == "c-farm"
    assert {account_node(f"home0{place}") for place in range(4)} <= set(home.nodes)  # the cluster is as it was
