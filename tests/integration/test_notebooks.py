"""The notebooks run from the first cell to the last, store no output, and define nothing."""

import ast
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import nbformat
import pytest
from nbclient import NotebookClient

from graph.errors import InputError
from graph.lake import Night
from graph.network import read_cluster_network, read_ring_network, write_graphml
from graph.store import Store, StoreAddress
from graph.store_load import load_night
from jobs.desk.dispositions import ring_dispositions
from jobs.desk.roles import Role, Scope
from jobs.desk.tokens import make_token
from jobs.key import make_private_folder

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def run_notebook(name: str, folder: Path) -> str:
    """Runs a notebook in `folder`; gives all the text that it put out, what a kernel sent in pieces as one."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    NotebookClient(
        notebook, timeout=180, iopub_timeout=60, raise_on_iopub_timeout=True, coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    ).execute()  # fmt: skip
    said = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error"
            said.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(said)


@pytest.mark.parametrize("with_model", [True, False])
def test_a_night_is_read(
    made_night: Callable[..., Night], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_model: bool
) -> None:
    made_night(tmp_path / "lake", with_model=with_model)
    monkeypatch.setenv("RINGLIGHT_LAKE", str(tmp_path / "lake"))
    said = run_notebook("read_a_night", tmp_path)
    assert "the current one: 2026-03-31" in said
    assert ("c-farm: 8 accounts" if with_model else "c-chain: 70 accounts") in said


def test_a_ring_is_investigated_in_neo4j(
    made_night: Callable[..., Night],
    store: Store,
    neo4j_address: StoreAddress,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_night(store, made_night(tmp_path / "lake"))
    monkeypatch.setenv("NEO4J_URI", neo4j_address.uri)
    monkeypatch.setenv("NEO4J_USERNAME", neo4j_address.username)
    monkeypatch.setenv("NEO4J_PASSWORD", neo4j_address.password)
    said = run_notebook("investigate", tmp_path)
    assert "shows the night 2026-03-31" in said
    assert "c-farm" in said
    assert " - device - " in said or " - address - " in said  # the path of two members
    assert neo4j_address.password not in said


def test_the_api_is_used(
    made_night: Callable[..., Night],
    store: Store,
    neo4j_address: StoreAddress,
    free_port: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake, port = tmp_path / "lake", free_port()
    load_night(store, made_night(lake))
    make_private_folder(lake / "restricted")
    now = datetime.now(UTC)
    token, _ = make_token(
        lake, "notebook", Role.investigator, now + timedelta(hours=1), secrets.token_hex, created_by="test", now=now,
        scopes=(Scope.read, Scope.write, Scope.export),
    )  # fmt: skip
    environment = os.environ | {
        "RINGLIGHT_KEY": "5a" * 32, "NEO4J_URI": neo4j_address.uri, "NEO4J_USERNAME": neo4j_address.username,
        "NEO4J_PASSWORD": neo4j_address.password,
    }  # fmt: skip
    command = [sys.executable, "-m", "jobs", "console", "--lake", str(lake), "--port", str(port)]
    monkeypatch.setenv("RINGLIGHT_CONSOLE", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("RINGLIGHT_TOKEN", token)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            assert "listens" in served.stdout.readline()
            with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
                assert client.get(f"http://127.0.0.1:{port}/healthz").json()["graph"]
            monkeypatch.delenv("RINGLIGHT_WRITE", raising=False)
            assert "not written" in run_notebook("use_the_api", tmp_path)
            assert ring_dispositions(lake, "c-farm") == ()
            monkeypatch.setenv("RINGLIGHT_WRITE", "yes")
            said = run_notebook("use_the_api", tmp_path)
        finally:
            served.terminate()
    assert "token:notebook may: signed_in, read, write, export" in said
    assert "c-farm at version" in said
    assert re.search(r"farm0\d stands in c-farm", said)
    assert " - device " in said or " - address " in said  # the path of two members
    assert "404; application/problem+json" in said
    assert token not in said
    assert "409 The ring has another version by now" in said
    assert [each.actor for each in ring_dispositions(lake, "c-farm")] == ["token:notebook"]


def test_a_ring_is_the_same_network_from_the_store_as_from_the_lake(
    made_night: Callable[..., Night], store: Store, tmp_path: Path
) -> None:
    night = made_night(tmp_path / "lake")
    load_night(store, night)
    stored, lake = read_ring_network(store, "c-farm"), read_cluster_network(night, "c-farm")
    assert set(stored.nodes) == set(lake.nodes)
    assert {frozenset(edge) for edge in stored.edges} == {frozenset(edge) for edge in lake.edges}
    for node, row in lake.nodes(data=True):
        assert {name: stored.nodes[node].get(name) for name in row} == row
    for source, target, row in lake.edges(data=True):
        assert stored.edges[source, target] == row
    assert write_graphml(stored, tmp_path / "ring.graphml").stat().st_size > 0
    with pytest.raises(InputError, match="must be a ring of the night that is shown"):
        read_ring_network(store, "c-none")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebooks_hold_no_output_and_define_nothing(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            defined = [
                node
                for node in ast.walk(ast.parse(cell.source))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)
            ]
            assert defined == []
