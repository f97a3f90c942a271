"""Whatever is done to an audit by somebody without the key is found: to any byte of any row, to their order and number."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.desk.audit import AuditLog, verify_audit

KEY = "5a" * 32
N_ROWS = 8
NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("lake")
    audit = AuditLog(lake, KEY)
    for n in range(N_ROWS):
        audit.append(
            time=NOON + timedelta(seconds=n),
            actor="ida",
            role="investigator",
            action="ring.view" if n % 2 else "search",
            target=f"c{n % 3}",
            result="allowed" if n % 3 else "refused",
            details={"n": n, "words": "Zoë, 3 < 4"},
        )
    return lake


@pytest.fixture(scope="module")
def lines(lake: Path) -> tuple[bytes, ...]:
    assert verify_audit(lake, KEY).fault is None
    return tuple((lake / "desk" / "audit.jsonl").read_bytes().splitlines(keepends=True))


def is_found(lake: Path, data: bytes) -> bool:
    (lake / "desk" / "audit.jsonl").write_bytes(data)
    return verify_audit(lake, KEY).fault is not None


@given(st.data())
def test_any_edited_byte_is_found(lake: Path, lines: tuple[bytes, ...], data: st.DataObject) -> None:
    whole = b"".join(lines)
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    assert is_found(lake, whole[:place] + bytes([byte]) + whole[place + 1 :])


@given(st.data())
def test_any_inserted_bytes_are_found(lake: Path, lines: tuple[bytes, ...], data: st.DataObject) -> None:
    whole = b"".join(lines)
    place = data.draw(st.integers(0, len(whole)))
    more = data.draw(
        st.one_of(st.binary(min_size=1, max_size=20), st.sampled_from(lines), st.sampled_from([b" ", b"\n"]))
    )
    assert is_found(lake, whole[:place] + more + whole[place:])


@given(st.data())
def test_any_cut_end_is_found(lake: Path, lines: tuple[bytes, ...], data: st.DataObject) -> None:
    whole = b"".join(lines)
    assert is_found(lake, whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.lists(st.integers(0, N_ROWS - 1), max_size=N_ROWS + 3))
def test_any_other_choice_and_order_of_rows_is_found(lake: Path, lines: tuple[bytes, ...], chosen: list[int]) -> None:
    is_whole = chosen == list(range(N_ROWS))
    assert is_found(lake, b"".join(lines[n] for n in chosen)) is not is_whole


@given(st.permutations(range(N_ROWS)))
def test_any_other_order_is_found(lake: Path, lines: tuple[bytes, ...], order: list[int]) -> None:
    assert is_found(lake, b"".join(lines[n] for n in order)) is (list(order) != list(range(N_ROWS)))


@given(st.data())
def test_any_edited_byte_of_the_seal_is_found(lake: Path, lines: tuple[bytes, ...], data: st.DataObject) -> None:
    (lake / "desk" / "audit.jsonl").write_bytes(b"".join(lines))
    head = lake / "desk" / "audit.head"
    whole = head.read_bytes()
    place = data.draw(st.integers(0, len(whole.rstrip()) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place] and not chr(value).isspace()))
    changed = whole[:place] + bytes([byte]) + whole[place + 1 :]
    try:
        head.write_bytes(changed)
        assert verify_audit(lake, KEY).fault is not None
    finally:
        head.write_bytes(whole)
