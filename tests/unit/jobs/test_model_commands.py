"""`ringlight models`: what is listed, and who may be promoted."""

import json
from datetime import UTC, date, datetime

import pytest

from gnn.cutoffs import INPUT_NAMES
from gnn.train_config import MODEL_FORMAT
from jobs.cli import main
from jobs.promotions import Decision, champion_of, read_decisions, record_decision

QUALITY = {"auprc": 0.7124, "precision_at_capacity": 0.8, "capacity": 50, "ece": 0.0123}


@pytest.fixture
def lake(tmp_path, monkeypatch):
    """A lake at 2026-06-20: `old` of 1 June was followed by `now`; `weak` was refused; `leaky` failed the gate, `other` reads else."""
    monkeypatch.setenv("COLUMNS", "200")
    lake = tmp_path / "lake"
    (lake / "nights").mkdir(parents=True)
    (lake / "current").write_text("2026-06-20\n")
    for version, day, gate, features in (
        ("old", 1, True, INPUT_NAMES),
        ("now", 8, True, INPUT_NAMES),
        ("weak", 15, True, INPUT_NAMES),
        ("leaky", 16, False, INPUT_NAMES),
        ("other", 17, True, ("shoe_size",)),
    ):
        folder = lake / "models" / version
        folder.mkdir(parents=True)
        described = {
            "as_of": datetime(2026, 6, day, tzinfo=UTC).isoformat(),
            "features": list(features),
            "format": MODEL_FORMAT,
        }
        (folder / "model.json").write_text(json.dumps(described | {"default": "blend"}))
        (folder / "metrics.json").write_text(json.dumps({"metrics": {"blend": QUALITY}}))
        (folder / "gate.json").write_text(json.dumps({"passed": gate}))
    for day, version, kind, why in (
        (1, "old", "promoted", "it is the first"),
        (8, "now", "promoted", "it is no worse"),
        (15, "weak", "refused", "it is worse at capacity 50"),
    ):
        record_decision(lake / "models", Decision(date(2026, 6, day), version, kind, why, "night"))
    return lake


def models(*arguments):
    return main(["models", *map(str, arguments)])


def champion(lake, day):
    return champion_of(lake / "models", datetime(2026, 6, day, tzinfo=UTC), or_equal=True).version


@pytest.mark.parametrize("command", ["list", "promote", "rollback"])
def test_every_command_has_help_with_an_example(command, capsys):
    assert models(command, "--help") == 0
    assert f"ringlight models {command}" in capsys.readouterr().out.split("xample", 1)[1]


def test_the_list_says_who_scores_how_good_each_is_and_why_not(lake, capsys):
    assert models("list", "--lake", lake) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "yes" in rows["now"]
    assert "0.712" in rows["now"]
    assert "0.800 at 50" in rows["now"]
    assert "0.0123" in rows["now"]
    assert "yes" not in rows["weak"]
    assert "it is worse at capacity 50" in rows["weak"]
    assert "failed" in rows["leaky"]
    assert "other features" in rows["other"]
    assert "2026-06-01" in rows["old"]


def test_a_promoted_model_scores_from_the_next_night_on(lake, capsys):
    assert models("promote", "weak", "--lake", lake, "--why", "looked at by hand") == 0
    assert "after 2026-06-20" in capsys.readouterr().out
    assert (champion(lake, 20), champion(lake, 21)) == ("now", "weak")
    last = read_decisions(lake / "models")[-1]
    assert (last.by, last.why, last.kind) == ("person", "looked at by hand", "promoted")


def test_rollback_returns_to_the_champion_before_and_then_to_none(lake, capsys):
    assert models("rollback", "--lake", lake, "--why", "households") == 0
    assert (champion(lake, 20), champion(lake, 21)) == ("now", "old")
    assert models("list", "--lake", lake) == 0
    assert "rolled back: households" in capsys.readouterr().out
    assert models("rollback", "--lake", lake) == 2
    assert "`old` alone" in capsys.readouterr().err


def test_rollback_takes_the_last_whose_folder_is_there(lake, capsys):
    record_decision(lake / "models", Decision(date(2026, 6, 18), "gone", "promoted", "it is no worse", "night"))
    assert champion(lake, 20) == "now"
    assert models("rollback", "--lake", lake) == 0
    assert "in place of now" in capsys.readouterr().out
    assert read_decisions(lake / "models")[-1].version == "now"
    assert champion(lake, 21) == "old"


@pytest.mark.parametrize(
    ("version", "code", "told"),
    [
        ("absent", 2, "old, now, weak, leaky, other"),
        ("leaky", 4, "failed it. Those that passed: weak, now, old"),
        ("other", 2, "trained on others"),
        ("now", 2, "scores already"),
    ],
)
def test_what_may_not_score_is_refused_with_what_may(lake, capsys, version, code, told):
    before = (lake / "models/promotions.jsonl").read_bytes()
    assert models("promote", version, "--lake", lake) == code
    assert told in capsys.readouterr().err
    assert (lake / "models/promotions.jsonl").read_bytes() == before


def test_a_model_without_a_gates_result_is_neither_promoted_nor_rolled_back_to(lake, capsys):
    (lake / "models/old/gate.json").unlink()
    assert models("promote", "old", "--lake", lake) == 4
    assert models("rollback", "--lake", lake) == 4
    assert "has no result of it" in capsys.readouterr().err


def test_a_held_lake_is_not_changed(lake, capsys):
    from jobs.lock import hold_lake

    with hold_lake(lake, date(2026, 6, 21)):
        assert models("promote", "weak", "--lake", lake) == 5
    assert champion(lake, 21) == "now"


def test_a_folder_that_is_no_lake_is_refused_and_an_empty_lake_has_no_model(tmp_path, capsys):
    assert models("list", "--lake", tmp_path / "absent") == 2
    assert not (tmp_path / "absent").exists()
    (tmp_path / "lake/nights").mkdir(parents=True)
    assert models("list", "--lake", tmp_path / "lake") == 0
    assert "no model yet" in capsys.readouterr().out
    assert models("rollback", "--lake", tmp_path / "lake") == 2
