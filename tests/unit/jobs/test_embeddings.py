"""`ringlight embeddings backfill`: past dates from what was known then, resumed, hindsight told."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gnn.alignment import continue_space
from gnn.calibration import Calibration
from gnn.cutoffs import CutOff, Labelled
from gnn.features import build_features
from gnn.first_look import FirstLook
from gnn.metrics import Metrics
from gnn.model import TrainedModel
from gnn.model_files import save_model
from gnn.near import NEAR_NAMES
from gnn.registry import MODELS
from gnn.sage_model import Sage
from gnn.score import score_accounts
from gnn.train_config import TrainConfig, silent
from graph.build import build_snapshot
from graph.cleaning import read_events
from graph.embeddings import Backfill, backfill_path, read_backfill, write_backfill
from graph.errors import InputError, LakeHeldError
from graph.lake import EMBEDDING_DIM, as_of_of
from jobs.cli import main
from jobs.embeddings import backfill
from jobs.key import fingerprint_key
from jobs.lock import hold_lake
from jobs.night import SilentProgress
from jobs.simulate import simulate

KEY = "5a" * 32
EARLY, TRAINED, LATE = date(2026, 6, 10), date(2026, 6, 20), date(2026, 6, 25)


def _cutoff(events: Path, day: date) -> CutOff:
    known = read_events(events, as_of_of(day))
    snapshot = build_snapshot(known, as_of_of(day), KEY, 0)
    return CutOff(snapshot, build_features(known, snapshot))


def _model(cutoff: CutOff) -> TrainedModel:
    """A network of one epoch, without trees: enough to embed."""
    n = cutoff.features.height
    looked = replace(cutoff, near=np.zeros((n, len(NEAR_NAMES)), np.float32))
    none = np.zeros(n, dtype=bool)
    part = Labelled(looked, np.arange(n), (np.arange(n) % 9 == 0).astype(np.int8), none, none, none)
    config = TrainConfig(n_seeds=1)
    network = Sage.fit([part], (), 1, config, 1, 1, silent).model
    assert isinstance(network, Sage)
    return TrainedModel(
        members={"sage": (network,)},
        first=FirstLook(()),
        calibrations={"sage": Calibration(1.0, 0.0)},
        blend_weight=0.0,
        embedding=continue_space([network.infer(looked, 1)[1]], network.to_files(), None, 0),
        default="sage",
        rounds={"sage": 1},
        config=config,
        seed=1,
        as_of=as_of_of(TRAINED),
        cutoffs=(as_of_of(EARLY),),
        validation="none",
        metrics={name: Metrics(9, 1, 0.1, 0.5, 0.5, 1, 0.0, 0.0, 0.0) for name in MODELS},
        controls=(),
        found_share=0.4,
        silence=-0.5,
    )


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    simulate(out, n_accounts=200, n_days=60, seed=5, until=date(2026, 6, 30))
    return out / "events"


@pytest.fixture(scope="module")
def model(events: Path) -> TrainedModel:
    return _model(_cutoff(events, TRAINED))


@pytest.fixture
def lake(model: TrainedModel, tmp_path: Path) -> Path:
    (tmp_path / "lake" / "models").mkdir(parents=True)
    save_model(model, tmp_path / "lake" / "models")
    return tmp_path / "lake"


@pytest.fixture
def write(lake: Path, model: TrainedModel) -> Callable[..., list[Path]]:
    def call(events: Path, days: list[date], *, with_hindsight: bool = False) -> list[Path]:
        return backfill(
            events,
            lake,
            model.version,
            days,
            seed=0,
            n_threads=1,
            environment={"RINGLIGHT_KEY": KEY},
            progress=SilentProgress(),
            with_hindsight=with_hindsight,
        )

    return call


def _known_before(events: Path, day: date, folder: Path) -> Path:
    for table in events.iterdir():
        (folder / table.name).mkdir(parents=True)
        rows = pl.read_parquet(table / "*.parquet")
        rows.filter(pl.col("known_time") < as_of_of(day)).write_parquet(folder / table.name / "part.parquet")
    return folder


def test_a_past_date_is_made_of_what_was_known_then(
    events: Path, model: TrainedModel, write: Callable[..., list[Path]], tmp_path: Path
) -> None:
    (path,) = write(events, [LATE])
    whole = path.read_bytes()
    path.unlink()
    assert [other.read_bytes() for other in write(_known_before(events, LATE, tmp_path / "then"), [LATE])] == [whole]
    cutoff = _cutoff(events, LATE)
    expected = score_accounts(model, cutoff.features, cutoff.snapshot).embedding
    found = cutoff.snapshot.accounts.select("account_id").join(
        pl.read_parquet(path), on="account_id", how="left", maintain_order="left"
    )
    np.testing.assert_array_equal(np.array(found["embedding"].to_list(), dtype=np.float32), expected)


def test_a_stopped_run_goes_on(events: Path, model: TrainedModel, lake: Path, write: Callable[..., list[Path]]) -> None:
    days = [TRAINED, LATE]
    first = write(events, days[:1])
    before = first[0].stat().st_mtime_ns
    assert write(events, days) == [backfill_path(lake, model.embedding.version, LATE)]
    assert first[0].stat().st_mtime_ns == before
    assert write(events, days) == []


def test_dates_before_the_model_need_a_word_and_tell_it(
    events: Path, model: TrainedModel, lake: Path, write: Callable[..., list[Path]]
) -> None:
    with pytest.raises(InputError, match=r"`--from` must be 2026-06-20 or later.*got 2026-06-10"):
        write(events, [EARLY])
    write(events, [EARLY], with_hindsight=True)
    facts = read_backfill(lake, model.embedding.version, EARLY)
    assert facts is not None
    assert facts.has_hindsight
    assert datetime.fromisoformat(facts.model_as_of) == datetime(2026, 6, 20, tzinfo=UTC)


def test_no_key_is_made_and_that_of_the_nights_is_asked_for(
    events: Path, lake: Path, model: TrainedModel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lake.parent)
    monkeypatch.delenv("RINGLIGHT_KEY", raising=False)
    night = lake / "nights" / "2026-06-20"
    night.mkdir(parents=True)
    (night / "manifest.json").write_text(json.dumps({"inputs": {"key": fingerprint_key("a" * 64)}}))
    where = ["embeddings", "backfill", "--events", str(events), "--lake", str(lake), "--model", model.version]
    dates = ["--from", str(LATE), "--to", str(LATE)]
    assert main([*where, *dates]) == 2
    assert "`RINGLIGHT_KEY` must be the key that the lake's nights were made with; got none" in capsys.readouterr().err
    monkeypatch.setenv("RINGLIGHT_KEY", KEY)
    assert main([*where, *dates]) == 2
    assert "the night 2026-06-20 was made with" in capsys.readouterr().err
    assert not (lake / "restricted").exists()
    assert not (lake / "embeddings").exists()


def test_a_held_lake_is_not_written_into(
    events: Path, lake: Path, model: TrainedModel, write: Callable[..., list[Path]]
) -> None:
    with hold_lake(lake, TRAINED), pytest.raises(LakeHeldError, match="the night of 2026-06-20"):
        write(events, [LATE])
    assert not (lake / "embeddings").exists()


def test_a_file_of_less_hindsight_is_left_without_work(
    events: Path, model: TrainedModel, lake: Path, write: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Backfill.of(EARLY, model.embedding.version, "before", as_of_of(EARLY))
    rows = pl.DataFrame({"account_id": ["a"], "embedding": [[1.0] * EMBEDDING_DIM]})
    before = write_backfill(lake, facts, rows).read_bytes()
    monkeypatch.setattr("graph.cleaning.read_events", lambda *_: pytest.fail("it is not to be made"))
    assert write(events, [EARLY], with_hindsight=True) == []
    assert backfill_path(lake, model.embedding.version, EARLY).read_bytes() == before


def test_the_command_line_refuses_in_one_sentence(
    events: Path, lake: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    where = ["embeddings", "backfill", "--events", str(events), "--lake", str(lake)]
    assert main([*where, "--model", "nope", "--from", "2026-06-21", "--to", "2026-06-22"]) == 2
    assert "must be a model of this lake" in capsys.readouterr().err
    assert main([*where, "--model", "nope", "--from", "2026-06-22", "--to", "2026-06-21"]) == 2
    assert "`--to` must be 2026-06-22 or later" in capsys.readouterr().err
