"""Which model a night may use: never one that knew more than the night does."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from gnn.cutoffs import INPUT_NAMES
from gnn.train_config import MODEL_FORMAT
from graph.errors import InputError
from jobs.models import list_models, model_facts, named_model, newest_model, read_reference, write_reference


def at(day):
    return datetime(2026, 6, day, tzinfo=UTC)


@pytest.fixture
def models(tmp_path):
    for version, day in (("bb", 10), ("aa", 20), ("cc", 10)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "model.json").write_text(json.dumps({"as_of": at(day).isoformat(), "features": []}))
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "model.json").write_text("{")
    (tmp_path / ".draft").mkdir()
    (tmp_path / ".draft" / "model.json").write_text(json.dumps({"as_of": at(25).isoformat(), "features": []}))
    return tmp_path


def test_models_are_ordered_by_cutoff_then_version_and_torn_ones_left_out(models):
    assert [model.version for model in list_models(models)] == ["bb", "cc", "aa"]


@pytest.mark.parametrize(
    ("day", "or_equal", "version"),
    [(9, True, None), (10, False, None), (10, True, "cc"), (15, False, "cc"), (20, False, "cc"), (20, True, "aa")],
)
def test_the_newest_model_is_of_an_earlier_cutoff(models, day, or_equal, version):
    found = newest_model(models, at(day), or_equal=or_equal)
    assert (found.version if found else None) == version


def test_a_named_model_that_knows_more_than_the_night_is_refused(models):
    assert named_model(models, "aa", at(20)).version == "aa"
    with pytest.raises(InputError, match="2026-06-20"):
        named_model(models, "aa", at(19))


def test_an_unknown_model_is_refused_with_those_that_there_are(models):
    with pytest.raises(InputError, match="bb, cc, aa"):
        named_model(models, "dd", at(30))


def test_a_lake_without_models_has_none(tmp_path):
    assert list_models(tmp_path / "models") == []


@pytest.mark.parametrize(("n_rows", "n_kept"), [(0, 0), (1, 1), (20_000, 20_000), (20_001, 10_001), (70_000, 17_500)])
def test_the_reference_is_thinned_evenly_and_holds_no_account(tmp_path, n_rows, n_kept):
    write_reference(tmp_path, pl.DataFrame({"account": range(n_rows), "score": [0.5] * n_rows}))
    kept = read_reference(tmp_path)
    assert kept.columns == ["score"]
    assert kept.height == n_kept


def test_a_model_without_a_reference_has_none(tmp_path):
    assert read_reference(tmp_path) is None


def test_a_model_of_other_features_does_not_fit(models):
    assert not any(model.fits for model in list_models(models))
    described = {"as_of": at(22).isoformat(), "features": list(INPUT_NAMES), "format": MODEL_FORMAT}
    (models / "dd").mkdir()
    (models / "dd" / "model.json").write_text(json.dumps(described))
    assert [model.version for model in list_models(models) if model.fits] == ["dd"]


def test_a_model_of_a_program_without_aligned_embeddings_has_its_own_version(models):
    described = {"default": "blend", "as_of": at(22).isoformat(), "cutoffs": [], "seed": 0, "validation": "none"}
    (models / "old").mkdir()
    (models / "old" / "model.json").write_text(json.dumps(described))
    (models / "old" / "metrics.json").write_text(json.dumps({"metrics": {}}))
    found = model_facts(models, "old")
    assert found["embedding"] == {"version": "old", "agreement": None}
    assert (found["version"], found["gate"]) == ("old", None)
