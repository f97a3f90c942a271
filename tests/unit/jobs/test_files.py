"""Fingerprints of files, and writing that is whole or not at all."""

import pytest

from jobs.files import delete, fingerprint, hash_tree, write_json, write_whole


def test_a_tree_is_known_by_content_and_relative_path(tmp_path):
    for root in (tmp_path / "a", tmp_path / "b"):
        (root / "part" / "deep").mkdir(parents=True)
        (root / "part" / "deep" / "x").write_text("1")
        (root / "single").write_text("2")
    names = ["single", "part"]
    assert hash_tree(tmp_path / "a", names) == hash_tree(tmp_path / "b", names)
    assert list(hash_tree(tmp_path / "a", names)) == ["part/deep/x", "single"]
    (tmp_path / "b" / "part" / "deep" / "x").write_text("3")
    assert hash_tree(tmp_path / "a", names) != hash_tree(tmp_path / "b", names)


def test_a_file_that_is_named_but_missing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        hash_tree(tmp_path, ["absent"])


def test_the_order_of_keys_does_not_change_a_fingerprint():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"a": 1, "b": 3})


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new \ud800")
    assert path.read_text() == "old"


def test_json_has_the_same_bytes_for_equal_values(tmp_path):
    write_json(tmp_path / "a", {"x": [1, "é"], "b": None})
    write_json(tmp_path / "b", {"b": None, "x": [1, "é"]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_delete_takes_folders_files_and_nothing(tmp_path):
    (tmp_path / "folder" / "in").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name in ("folder", "file", "absent"):
        delete(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
