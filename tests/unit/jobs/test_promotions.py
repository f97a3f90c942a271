"""Which model a night uses follows from decisions of earlier as-ofs, whatever was run or decided since."""

import json
from datetime import UTC, date, datetime

import pytest

from gnn.cutoffs import INPUT_NAMES
from gnn.train_config import MODEL_FORMAT
from graph.errors import InputError
from jobs.promotions import Decision, champion_of, champions, last_decision_on, read_decisions, record_decision


def at(day: int) -> datetime:
    return datetime(2026, 6, day, tzinfo=UTC)


def promoted(day: int, version: str, by: str = "night") -> Decision:
    return Decision(date(2026, 6, day), version, "promoted", "why", by)


@pytest.fixture
def models(tmp_path):
    """Models a (1 June) to d (22 June), a week apart, all of which passed the gate."""
    for place, version in enumerate("abcd"):
        folder = tmp_path / "models" / version
        folder.mkdir(parents=True)
        described = {"as_of": at(1 + 7 * place).isoformat(), "features": list(INPUT_NAMES), "format": MODEL_FORMAT}
        (folder / "model.json").write_text(json.dumps(described))
        (folder / "gate.json").write_text('{"passed": true}')
    return tmp_path / "models"


def champion(models, day, or_equal=False):
    found = champion_of(models, at(day), or_equal=or_equal)
    return found and found.version


def test_a_night_uses_the_last_model_promoted_before_it(models):
    for day, version in ((1, "a"), (8, "b")):
        record_decision(models, promoted(day, version))
    record_decision(models, Decision(date(2026, 6, 15), "c", "refused", "it is worse", "night"))
    assert [champion(models, day) for day in (1, 2, 8, 9, 15, 16, 30)] == [None, "a", "a", "b", "b", "b", "b"]
    assert [champion(models, day, or_equal=True) for day in (1, 8, 15)] == ["a", "b", "b"]


def test_a_persons_word_counts_for_later_nights_alone_and_over_the_nights_own(models):
    for day, version in ((1, "a"), (8, "b")):
        record_decision(models, promoted(day, version))
    record_decision(models, promoted(8, "a", by="person"))
    record_decision(models, promoted(8, "b"))  # the night run again
    assert champion(models, 8, or_equal=True) == "b"
    assert champion(models, 9) == "a"
    assert champions(read_decisions(models)) == ["a", "b", "a"]


def test_a_night_that_is_run_again_adds_no_line_and_finds_what_it_found(models):
    record_decision(models, promoted(1, "a"))
    record_decision(models, promoted(8, "b"))
    before = (models / "promotions.jsonl").read_bytes()
    for day, version in ((8, "b"), (1, "a")):
        record_decision(models, promoted(day, version))
    assert (models / "promotions.jsonl").read_bytes() == before
    assert champion(models, 8) == "a"


def test_of_one_as_of_the_nights_last_word_stands(models):
    for version in ("a", "b", "a"):
        record_decision(models, promoted(22, version))
    assert len(read_decisions(models)) == 3
    assert champions(read_decisions(models)) == ["a"]


def test_nights_run_in_another_order_have_the_same_champions(models):
    forth = [promoted(1, "a"), promoted(8, "b"), promoted(15, "c")]
    assert champions(forth) == champions(forth[::-1]) == ["a", "b", "c"]


def test_a_rollback_takes_the_last_away_and_a_second_one_the_one_before(models):
    decisions = [promoted(1, "a"), promoted(8, "b"), promoted(15, "c")]
    for version, left in (("c", ["a", "b"]), ("b", ["a"])):
        decisions.append(Decision(date(2026, 6, 20), version, "rolled_back", "why", "person"))
        assert champions(decisions) == left
    for decision in decisions:
        record_decision(models, decision)
    assert champion(models, 20) == "c"
    assert champion(models, 21) == "a"
    found = last_decision_on(decisions, "b")
    assert found is not None
    assert found.kind == "rolled_back"
    assert last_decision_on(decisions, "d") is None


def test_a_rollback_of_one_in_the_middle_leaves_the_present_champion():
    line = [promoted(1, "a"), promoted(8, "b"), promoted(15, "gone")]
    assert champions([*line, Decision(date(2026, 6, 20), "b", "rolled_back", "why", "person")]) == ["a", "gone"]
    line[2] = promoted(15, "a")
    assert champions([*line, Decision(date(2026, 6, 20), "b", "rolled_back", "why", "person")]) == ["a"]


def test_a_champion_whose_folder_is_gone_gives_way_to_the_one_before(models):
    for day, version in ((1, "a"), (8, "gone")):
        record_decision(models, promoted(day, version))
    assert champion(models, 30) == "a"


def test_a_lake_without_decisions_uses_its_newest_model_that_was_not_refused(models):
    assert champion(models, 22) == "c"
    (models / "c" / "gate.json").write_text('{"passed": false}')
    assert champion(models, 22) == "b"
    record_decision(models, Decision(date(2026, 6, 9), "b", "refused", "why", "night"))
    assert champion(models, 22) == "a"


@pytest.mark.parametrize("line", ["{", "[]", '{"as_of": "2026-06-01"}', '{"as_of": "June", "version": "a"}'])
def test_a_line_that_is_no_decision_is_refused_with_its_number(models, line):
    record_decision(models, promoted(1, "a"))
    with (models / "promotions.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="line 2"):
        read_decisions(models)
