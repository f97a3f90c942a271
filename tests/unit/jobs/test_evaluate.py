import io
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from graph.errors import InputError
from graph.lake import Night, write_table
from jobs.evaluate import evaluate_night, read_truth, run


@pytest.fixture(scope="module")
def night(made_night: Callable[..., Night], tmp_path_factory: pytest.TempPathFactory) -> Night:
    return made_night(tmp_path_factory.mktemp("lake"))


def test_scores_are_judged_apart_by_what_the_night_knew(night: Night, made_truth: pl.DataFrame) -> None:
    result = evaluate_night(night, made_truth, capacity=10, seed=0)
    unknown, known = result["scores"]["unknown_outcome"], result["scores"]["known_outcome"]
    assert (unknown["n_accounts"], unknown["n_positives"]) == (117, 75)
    assert (known["n_accounts"], known["n_positives"]) == (5, 3)
    assert unknown["auprc"]["value"] == unknown["auroc"]["value"] == 1.0
    assert unknown["precision_at_capacity"]["k"] == 10
    assert unknown["precision_at_n_positives"]["n_hits"] == 75
    assert result["accounts"] == {
        "n_truth": 123,
        "n_found": 122,
        "n_unknown_to_the_night": 1,
        "share_found": pytest.approx(122 / 123),
    }
    assert result["clusters"]["largest_share"] == pytest.approx(70 / 122)
    assert result["rings"]["against_planted"]["f1"] == 1.0
    assert result["rings"]["hidden"]["n_hit"] == result["rings"]["hidden"]["n_rings"] == 2
    cases = result["rings"]["cases"]
    assert {name: cases[name] for name in ("n_cases", "n_right", "n_stopped", "n_hidden")} == {
        "n_cases": 2, "n_right": 2, "n_stopped": 75, "n_hidden": 75,
    }  # fmt: skip
    assert result["identities"]["n_planted_pairs"] == 0
    assert [row["archetype"] for row in result["archetypes"]["unknown_outcome"]] == ["chain", "farm"]


def test_a_ring_that_ranks_low_is_not_hit_and_honest_groups_count_as_false_alarms(
    made_night: Callable[..., Night], made_truth: pl.DataFrame, tmp_path: Path
) -> None:
    night = made_night(tmp_path)
    turned = (
        night.read("scores")
        .with_columns(
            score=pl.when(pl.col("account_id").str.starts_with("farm")).then(0.01).otherwise("score"),
            ring_id=pl.when(pl.col("account_id").str.starts_with("home")).then(pl.lit("c-home")).otherwise("ring_id"),
        )
        .sort("score", descending=True)
        .with_columns(rank=pl.int_range(1, pl.len() + 1))
    )
    write_table(turned, night.folder, "scores")
    result = evaluate_night(night, made_truth, capacity=10, seed=0)
    hidden = result["rings"]["hidden"]
    assert (hidden["n_hit"], hidden["n_rings"], hidden["k"]) == (1, 2, 75)
    groups = {row["group"]: row for row in result["groups"]["unknown_outcome"]}
    assert groups["household"]["false_alarms"]["value"] == 1.0
    assert groups["single"]["false_alarms"]["value"] == 0.0
    assert groups["ring"]["false_alarms"] is None
    assert result["rings"]["against_planted"]["precision"] < 1.0
    farm = next(row for row in result["archetypes"]["unknown_outcome"] if row["archetype"] == "farm")
    assert farm["recall_in_top_n_positives"]["value"] == 0.0
    assert farm["recall_in_a_ring"]["value"] == 1.0


def test_a_case_of_honest_accounts_is_wrong_and_capacity_bounds_the_cases(
    night: Night, made_truth: pl.DataFrame
) -> None:
    honest = made_truth.with_columns(ring_id=pl.when(pl.col("archetype") != "chain").then("ring_id"))
    cases = evaluate_night(night, honest, capacity=10, seed=0)["rings"]["cases"]
    assert (cases["n_cases"], cases["n_right"]) == (2, 1)
    assert evaluate_night(night, made_truth, capacity=1, seed=0)["rings"]["cases"]["n_cases"] == 1


def test_calibration_tells_scores_that_mean_what_they_say_from_a_constant_one(
    made_night: Callable[..., Night], tmp_path: Path
) -> None:
    night = made_night(tmp_path)
    scores = night.read("scores").with_columns(score=pl.lit(0.2))
    write_table(scores, night.folder, "scores")
    accounts = scores["account_id"].to_list()
    truth = pl.DataFrame({"account_id": accounts, "label": [i % 2 == 0 for i in range(len(accounts))]})
    told = evaluate_night(night, truth, capacity=5, seed=0)["scores"]["unknown_outcome"]["calibration"]
    assert told["expected_positives"] == pytest.approx(0.2 * 117)
    assert told["ece"] == pytest.approx(told["actual_positives"] / 117 - 0.2, abs=1e-9)
    assert told["brier_skill"] < 0
    assert told["ratio"]["value"] == pytest.approx(0.2 * 117 / told["actual_positives"])
    assert told["ratio"]["low"] < told["ratio"]["value"] < told["ratio"]["high"]
    write_table(scores.with_columns(score=pl.lit(0.01)), night.folder, "scores")
    assert evaluate_night(night, truth, capacity=5, seed=0)["scores"]["unknown_outcome"]["calibration"] is None


def test_labels_alone_give_scores_but_no_rings_and_null_labels_are_left_out(night: Night) -> None:
    truth = pl.DataFrame(
        {"account_id": ["farm02", "farm03", "home01", "home02"], "label": [True, True, False, None]},
    )
    result = evaluate_night(night, truth, capacity=2, seed=0)
    assert result["scores"]["unknown_outcome"]["n_accounts"] == 3
    assert result["rings"] is None
    assert result["groups"] is None


def test_a_night_without_a_model_is_judged_by_its_groups_and_says_why(
    made_night: Callable[..., Night], made_truth: pl.DataFrame, tmp_path: Path
) -> None:
    result = evaluate_night(made_night(tmp_path, with_model=False), made_truth, capacity=10, seed=0)
    assert result["scores"] is None
    assert result["clusters"]["against_rings"]["f1"] == 1.0
    assert "no scores" in result["remarks"][0]


def test_a_truth_of_strangers_is_refused(night: Night) -> None:
    with pytest.raises(InputError, match="none of which it knows"):
        evaluate_night(night, pl.DataFrame({"account_id": ["x"], "ring_id": ["r"]}), 1, 0)


def test_it_prints_and_writes_json(night: Night, made_truth: pl.DataFrame, tmp_path: Path) -> None:
    made_truth.write_parquet(tmp_path / "truth.parquet")
    page = io.StringIO()
    out = tmp_path / "out.json"
    lake = night.folder.parents[1]
    result = run(lake, tmp_path / "truth.parquet", night.date, out, capacity=5, console=Console(file=page, width=160))
    assert json.loads(out.read_text()) == json.loads(json.dumps(result))
    for expected in ("AUPRC", "household", "chain", "`ring_id` against planted rings", "prevalence"):
        assert expected in page.getvalue()


def test_csv_and_parquet_read_the_same(tmp_path: Path) -> None:
    frame = pl.DataFrame({"account_id": ["1", "2"], "label": [1, 0], "ring_id": ["r", None], "person_id": ["46", "7"]})
    frame.write_csv(tmp_path / "truth.csv")
    frame.write_parquet(tmp_path / "truth.parquet")
    assert read_truth(tmp_path / "truth.csv").equals(read_truth(tmp_path / "truth.parquet"))


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"id": ["a"], "ring_id": ["r"]}, "column `account_id` is missing"),
        ({"account_id": ["a", "a"], "ring_id": ["r", "r"]}, "twice or more in 2 rows"),
        ({"account_id": ["a"], "colour": ["red"]}, "one of the columns ring_id, group, label, person_id is needed"),
        ({"account_id": ["a"], "label": ["maybe"]}, "`label` must be 0 or 1; it is something else in 1 of 1 rows"),
        ({"account_id": [None, "b"], "label": ["0", "1"]}, "`account_id` is null in 1 of 2 rows"),
    ],
)
def test_a_faulty_truth_names_its_fault(tmp_path: Path, columns: dict[str, list[str]], fault: str) -> None:
    pl.DataFrame(columns).write_parquet(tmp_path / "truth.parquet")
    with pytest.raises(InputError, match=fault):
        read_truth(tmp_path / "truth.parquet")


@pytest.mark.parametrize("name", ["none.parquet", "none.csv", "text.parquet"])
def test_an_unreadable_truth_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.parquet").write_text("not parquet")
    with pytest.raises(InputError, match="must be a Parquet or CSV file that can be read"):
        read_truth(tmp_path / name)
