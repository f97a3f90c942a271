"""Notes are superseded and never deleted; of claims the latest on a ring stands."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from graph.errors import InputError
from jobs.desk.claims import Claim, record_claim, ring_claims, standing_claims
from jobs.desk.notes import Note, record_note, ring_notes, standing_notes

NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)


def note(note_id: str, text: str = "seen", **more: Any) -> Note:
    return Note(
        **({"note_id": note_id, "ring_id": "c1", "ring_version": "v1", "actor": "ida", "time": NOON} | more), text=text
    )


def claim(claim_id: str, action: Any, actor: str, ring_id: str = "c1") -> Claim:
    return Claim(claim_id, ring_id, action, actor, NOON + timedelta(minutes=int(claim_id[1:])))


def test_a_corrected_note_stands_and_the_former_stays(tmp_path: Path) -> None:
    record_note(tmp_path, note("n1", "the shop closed in May"))
    record_note(tmp_path, note("n2", "on another ring", ring_id="c2"))
    record_note(tmp_path, note("n3", "the shop closed in June", supersedes="n1"))
    assert [each.note_id for each in standing_notes(tmp_path, "c1")] == ["n3"]
    assert [each.text for each in ring_notes(tmp_path, "c1")] == ["the shop closed in May", "the shop closed in June"]
    with pytest.raises(InputError, match="`n3` supersedes already"):
        record_note(tmp_path, note("n4", supersedes="n1"))
    with pytest.raises(InputError, match="text"):
        record_note(tmp_path, note("n5", "  "))


def test_a_ring_has_one_holder_at_a_time(tmp_path: Path) -> None:
    assert standing_claims(tmp_path) == {}
    record_claim(tmp_path, claim("k1", "claim", "ida"))
    record_claim(tmp_path, claim("k2", "claim", "bo", ring_id="c2"))
    for action, actor in (("claim", "bo"), ("release", "bo"), ("claim", "ida"), ("take_over", "ida")):
        with pytest.raises(InputError, match="`ida` has it"):
            record_claim(tmp_path, claim("k3", action, actor))
    record_claim(tmp_path, claim("k4", "take_over", "bo"))
    assert {ring: held.actor for ring, held in standing_claims(tmp_path).items()} == {"c1": "bo", "c2": "bo"}
    record_claim(tmp_path, claim("k5", "release", "bo"))
    record_claim(tmp_path, claim("k5", "release", "bo"))  # once more changes nothing
    for action in ("release", "take_over"):
        with pytest.raises(InputError, match="nobody has it"):
            record_claim(tmp_path, claim("k6", action, "bo"))
    assert list(standing_claims(tmp_path)) == ["c2"]
    assert [each.action for each in ring_claims(tmp_path, "c1")] == ["claim", "take_over", "release"]
