"""The reader of embeddings over several nights: one version, or one sentence that says what to do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from graph.embeddings import Backfill, backfill_path, read_backfill, read_embeddings, write_backfill
from graph.errors import InputError
from graph.lake import EMBEDDING_DIM, Night

D1, D2, D3 = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
MakeNight = Callable[..., Night]


def _backfilled(lake: Path, day: date, model_as_of: datetime = datetime(2026, 3, 1, tzinfo=UTC)) -> Backfill:
    facts = Backfill.of(day, "e2", "m2", model_as_of)
    rows = {"account_id": ["b", "a"], "embedding": [[1.0] * EMBEDDING_DIM, [2.0] * EMBEDDING_DIM]}
    write_backfill(lake, facts, pl.DataFrame(rows))
    return facts


def test_nights_of_one_version_are_read_as_one_table(made_night: MakeNight, tmp_path: Path) -> None:
    nights = [made_night(tmp_path, day, embedding_version="e1") for day in (D1, D2)]
    found = read_embeddings(tmp_path, [D2, D1])
    assert found.columns == ["night", "account_id", "embedding", "embedding_version"]
    for night in nights:
        own = found.filter(pl.col("night") == night.date).drop("night")
        assert own.equals(night.read("embeddings").sort("account_id"))
    assert found["embedding_version"].unique().to_list() == ["e1"]


def test_mixed_versions_are_refused_and_a_backfill_makes_them_one(made_night: MakeNight, tmp_path: Path) -> None:
    made_night(tmp_path, D1, embedding_version="e1")
    later = made_night(tmp_path, D2, embedding_version="e2")
    with pytest.raises(InputError, match=r"2026-03-01 has e1, 2026-03-02 has e2.*backfill.*version e2"):
        read_embeddings(tmp_path, [D1, D2])
    with pytest.raises(InputError, match="with a model of version e1"):
        read_embeddings(tmp_path, [D1, D2], "e1")
    before = (later.folder / "embeddings.parquet").read_bytes()
    _backfilled(tmp_path, D1)
    found = read_embeddings(tmp_path, [D1, D2])
    assert found["embedding_version"].unique().to_list() == ["e2"]
    assert found.filter(pl.col("night") == D1)["account_id"].to_list() == ["a", "b"]
    assert (later.folder / "embeddings.parquet").read_bytes() == before


def test_vectors_with_hindsight_are_read_on_request_alone(made_night: MakeNight, tmp_path: Path) -> None:
    made_night(tmp_path, D2, embedding_version="e2")
    facts = _backfilled(tmp_path, D1, datetime(2026, 3, 2, tzinfo=UTC))
    assert facts.has_hindsight
    with pytest.raises(InputError, match=r"2026-03-01, before what it learnt from \(2026-03-02\)"):
        read_embeddings(tmp_path, [D1, D2])
    assert read_embeddings(tmp_path, [D1, D2], with_hindsight=True)["night"].unique().sort().to_list() == [D1, D2]


@pytest.mark.parametrize(
    ("day_before", "day_after", "is_replaced"), [(1, 3, False), (3, 1, True), (3, 4, False), (4, 3, True), (1, 1, True)]
)
def test_a_backfill_of_less_hindsight_is_left(
    tmp_path: Path, day_before: int, day_after: int, is_replaced: bool
) -> None:
    """Of two models that share a version; the night is the first of March."""
    before, after = (datetime(2026, 3, day, tzinfo=UTC) for day in (day_before, day_after))
    first = _backfilled(tmp_path, D1, before)
    other = replace(first, model_version="m3", model_as_of=after.isoformat(), has_hindsight=day_after > 1)
    rows = pl.DataFrame({"account_id": ["c"], "embedding": [[3.0] * EMBEDDING_DIM]})
    path = write_backfill(tmp_path, other, rows)
    assert read_backfill(tmp_path, "e2", D1) == (other if is_replaced else first)
    assert pl.read_parquet(path)["account_id"].to_list() == (["c"] if is_replaced else ["a", "b"])


def test_a_night_without_embeddings_is_told(made_night: MakeNight, tmp_path: Path) -> None:
    made_night(tmp_path, D1, with_model=False)
    made_night(tmp_path, D2, embedding_version="e2")
    with pytest.raises(InputError, match="The night 2026-03-01 must have embeddings"):
        read_embeddings(tmp_path, [D1])
    with pytest.raises(InputError, match=r"The night 2026-03-01 must have embeddings.*backfill"):
        read_embeddings(tmp_path, [D1, D2])
    with pytest.raises(InputError, match="at least one night"):
        read_embeddings(tmp_path, [])
    with pytest.raises(InputError, match="The night 2026-03-03 must have embeddings"):
        read_embeddings(tmp_path, [D2, D3], "e2")


def test_a_backfill_tells_what_made_it_and_a_torn_one_is_none(tmp_path: Path) -> None:
    assert read_backfill(tmp_path, "e2", D1) is None
    facts = _backfilled(tmp_path, D1)
    assert read_backfill(tmp_path, "e2", D1) == facts
    assert not facts.has_hindsight
    path = backfill_path(tmp_path, "e2", D1)
    path.write_bytes(path.read_bytes()[:-8])
    assert read_backfill(tmp_path, "e2", D1) is None
