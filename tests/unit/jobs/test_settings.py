"""Settings: precedence, origins, and refusals that help."""

import pickle

import pytest

from graph.errors import InputError
from jobs.settings import describe, flat, nested, read_settings


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ringlight.toml"
    path.write_text("capacity = 11\nseed = 11\nn_threads = 11\n[ingest]\nquarantine_share = 0.11\n")
    return path


def test_flag_over_environment_over_file_over_default(file):
    environment = {"RINGLIGHT_CAPACITY": "22", "RINGLIGHT_SEED": "22", "RINGLIGHT_INGEST__QUARANTINE_SHARE": "0.22"}
    settings = read_settings({"capacity": "33"}, environment, file)
    assert (settings.capacity, settings.seed, settings.n_threads, settings.n_partitions) == (33, 22, 11, 0)
    assert settings.of_step("ingest").quarantine_share == 0.22
    assert settings.origins["capacity"] == "flag"
    assert settings.origins["seed"] == "environment"
    assert settings.origins["n_threads"] == "ringlight.toml"
    assert "n_partitions" not in settings.origins


def test_describe_says_for_every_setting_where_it_came_from(file):
    lines = describe(read_settings({"ingest.quarantine_share": 0.5}, {}, file))
    assert any(line.startswith("ingest.quarantine_share = 0.5  (flag)") for line in lines)
    assert any(line.startswith("capacity = 11  (ringlight.toml)") for line in lines)
    assert any(line.startswith("n_partitions = 0  (default)") for line in lines)


def test_unknown_names_are_refused_together_with_the_valid_ones_listed(file):
    file.write_text("capasity = 3\n[ingest]\nquarantine = 1\n")
    with pytest.raises(InputError) as caught:
        read_settings({}, {}, file)
    message = str(caught.value)
    assert "`capasity` (ringlight.toml)" in message
    assert "`capacity`" in message
    assert "`ingest.quarantine` (ringlight.toml)" in message
    assert "`ingest.quarantine_share`" in message


def test_a_value_out_of_range_is_named_with_its_origin(file):
    with pytest.raises(InputError) as caught:
        read_settings({}, {"RINGLIGHT_CAPACITY": "0"}, file)
    assert caught.value.faults == ("`capacity` (environment) must be greater than or equal to 1; got `0`.",)


def test_a_file_that_is_no_toml_is_an_input_error(file):
    file.write_text("capacity = = 3")
    with pytest.raises(InputError, match=r"ringlight\.toml"):
        read_settings({}, {}, file)


def test_what_changes_no_result_is_not_part_of_a_night():
    assert read_settings({"n_threads": 1, "memory_bytes": 2**31}).general() == read_settings().general()
    assert read_settings({"seed": 1}).general() != read_settings().general()


def test_settings_travel_to_tasks():
    settings = read_settings({"capacity": 7, "ingest.quarantine_share": 0.3})
    assert pickle.loads(pickle.dumps(settings)).of_step("ingest").quarantine_share == 0.3


def test_nested_is_the_inverse_of_flat():
    values = {"a": 1, "b": {"c": 2, "d": {"e": 3}}}
    assert nested(flat(values)) == values
