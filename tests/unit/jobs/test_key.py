"""The lake's key: given, kept or made; never wider than its owner."""

import secrets
import stat

import pytest

from graph.errors import InputError
from jobs.key import fingerprint_key, key_path, lake_key


def refuse_random(n_bytes):
    raise AssertionError("no randomness is needed here")


def test_a_key_is_made_once_with_a_warning_and_kept(tmp_path):
    warnings = []
    made = lake_key(tmp_path, None, secrets.token_hex, warnings.append)
    assert len(bytes.fromhex(made)) == 32
    assert len(warnings) == 1
    assert made not in warnings[0]
    assert lake_key(tmp_path, None, refuse_random, warnings.append) == made
    assert len(warnings) == 1


def test_the_file_is_readable_by_its_owner_only(tmp_path):
    lake_key(tmp_path, None, secrets.token_hex, lambda text: None)
    assert stat.S_IMODE(key_path(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(key_path(tmp_path).parent.stat().st_mode) == 0o700


def test_a_given_key_is_used_and_not_written(tmp_path):
    assert lake_key(tmp_path, "AB" * 16, refuse_random, refuse_random) == "ab" * 16
    assert not key_path(tmp_path).exists()


def test_a_given_key_that_is_not_the_lakes_own_is_refused_without_showing_either(tmp_path):
    made = lake_key(tmp_path, None, secrets.token_hex, lambda text: None)
    with pytest.raises(InputError) as caught:
        lake_key(tmp_path, "ab" * 16, refuse_random, refuse_random)
    assert made not in str(caught.value)
    assert "ab" * 16 not in str(caught.value)


@pytest.mark.parametrize("given", ["", "secret passphrase", "abcd", "zz" * 16])
def test_a_key_that_is_no_key_is_refused_without_showing_it(tmp_path, given):
    with pytest.raises(InputError) as caught:
        lake_key(tmp_path, given, refuse_random, refuse_random)
    assert not given or given not in str(caught.value)


def test_fingerprints_tell_keys_apart():
    assert fingerprint_key("ab" * 16) == fingerprint_key("ab" * 16)
    assert fingerprint_key("ab" * 16) != fingerprint_key("ac" * 16)
    assert "abab" not in fingerprint_key("ab" * 16)
