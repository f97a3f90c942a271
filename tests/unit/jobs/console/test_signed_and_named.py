"""What browsers keep for us cannot be made by them; names of identifiers stay, differ, and lead nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.console.cursors import make_cursor, read_cursor
from jobs.console.naming import with_names
from jobs.console.problems import Problem
from jobs.console.pseudonyms import name_identifier, name_identifiers
from jobs.console.signing import derive_key, open_signed, sign

KEY = derive_key("5a" * 32, "test")


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=20), max_size=4), st.data())
def test_what_was_signed_is_opened_and_any_change_is_not(value, data):
    text = sign(value, KEY)
    assert open_signed(text, KEY) == value
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda other: other != text[place]))
    assert open_signed(text[:place] + letter + text[place + 1 :], KEY) is None
    assert open_signed(text, derive_key("5a" * 32, "another")) is None


@given(st.text(max_size=60))
def test_whatever_else_comes_is_nothing(text):
    assert open_signed(text, KEY) is None


def test_a_cursor_is_good_for_its_own_question():
    cursor = make_cursor(17, {"status": "suspected"}, KEY)
    assert read_cursor(cursor, {"status": "suspected"}, KEY) == 17
    assert read_cursor(None, {}, KEY) is None
    for question, key in (({"status": "confirmed"}, KEY), ({"status": "suspected"}, b"other" * 8)):
        with pytest.raises(Problem) as raised:
            read_cursor(cursor, question, key)
        assert raised.value.status == 400


def test_names_stay_and_follow_from_type_value_and_key():
    name = name_identifier("national_id", "ab" * 32, KEY)
    assert name == name_identifier("national_id", "ab" * 32, KEY)
    kind, _, digits = name.rpartition(" ")
    assert kind == "national id"
    assert len(digits) == 9
    others = {
        name_identifier("device", "ab" * 32, KEY).rpartition(" ")[2],
        name_identifier("national_id", "ac" * 32, KEY).rpartition(" ")[2],
        name_identifier("national_id", "ab" * 32, b"other" * 8).rpartition(" ")[2],
    }
    assert digits not in others
    assert len(others) == 3
    assert "ab" * 4 not in name


def test_names_that_would_be_alike_get_longer(monkeypatch):
    monkeypatch.setattr("jobs.console.pseudonyms._ALPHABET", "0" * 32)
    monkeypatch.setattr("jobs.console.pseudonyms._DIGITS", 4)
    names = name_identifiers([("device", "aa"), ("device", "bb"), ("phone", "aa")], KEY)
    assert names["phone", "aa"] == "phone 0000"
    assert len(names["device", "aa"]) > len("device 0000")


def test_many_names_beside_each_other_all_differ():
    names = name_identifiers((("device", f"{number:064x}") for number in range(20_000)), KEY)
    assert len(set(names.values())) == 20_000


def test_names_are_put_beside_identifiers_however_deep_they_lie():
    value = {
        "rows": [
            {"identifier_type": "device", "identifier": "aa", "deep": ({"identifier_type": "ip", "identifier": "bb"},)}
        ]
    }
    named = with_names(value, KEY)
    assert named["rows"][0]["name"] == name_identifier("device", "aa", KEY)
    assert named["rows"][0]["deep"][0]["name"] == name_identifier("ip", "bb", KEY)
    assert "name" not in value["rows"][0]
    assert with_names({"identifier_type": None, "identifier": None}, KEY) == {
        "identifier_type": None,
        "identifier": None,
    }


def test_a_cursor_of_the_same_question_in_another_night_says_that_the_night_moved():
    cursor = make_cursor(7, {"owner": "ana", "night": "2026-03-31"}, b"k")
    with pytest.raises(Problem) as told:
        read_cursor(cursor, {"owner": "ana", "night": "2026-04-01"}, b"k")
    assert (told.value.status, told.value.kind) == (409, "night-moved")
    with pytest.raises(Problem) as told:
        read_cursor(cursor, {"owner": "bo", "night": "2026-04-01"}, b"k")
    assert (told.value.status, told.value.kind) == (400, "cursor")
