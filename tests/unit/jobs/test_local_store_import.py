"""What an offline import leaves behind, and how far it says it is; without Neo4j."""

import stat
from pathlib import Path

import pytest

from graph.errors import StoreError
from jobs import local_store_import
from jobs.local_store_import import discard_unfinished, import_database, make_import_folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A stopped server's folder with a database and files for an import."""
    for name in ("run", "logs", "data/databases/neo4j", "data/transactions/neo4j", "data/databases/system"):
        (tmp_path / name).mkdir(parents=True)
    (make_import_folder(tmp_path) / "links.csv").write_text("a,b\n")
    return tmp_path


def test_the_files_are_their_owners_alone(home: Path) -> None:
    folder = make_import_folder(home)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.iterdir()) == [], "what a former import left is gone"


def test_a_database_that_no_import_touched_stays(home: Path) -> None:
    assert discard_unfinished(home) is False
    assert (home / "data/databases/neo4j").is_dir()
    assert not (home / "import/night").exists()


def test_an_import_that_fails_is_known_by_the_next_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object, **named: object) -> None:
        raise StoreError("it failed")

    monkeypatch.setattr(local_store_import, "run_admin", fail)
    with pytest.raises(StoreError, match="it failed"):
        import_database(home, [], ["database"], 10)
    assert discard_unfinished(home) is True
    assert not (home / "data/databases/neo4j").exists()
    assert not (home / "data/transactions/neo4j").exists()
    assert (home / "data/databases/system").is_dir(), "users and passwords stay"
    assert discard_unfinished(home) is False


def test_how_far_an_import_is_follows_what_it_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [
        "",
        "Neo4j version",
        "(1/4) Node import\n.......... 5% ∆1s",
        "(1/4) ... 100%\n(2/4) Relationship import\n... 50%",
    ]

    def speak(*given: object, **named: object) -> None:
        for text in said:
            named["watch"](text)  # type: ignore[operator]

    monkeypatch.setattr(local_store_import, "run_admin", speak)
    told: list[int] = []
    import_database(home, [], ["database"], 800, lambda text, done, total: told.append(done))
    assert told == [0, 0, 10, 300]
    assert discard_unfinished(home) is False, "what is whole stays"
