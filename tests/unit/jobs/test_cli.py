"""The command line: exit codes, one clear sentence, help with examples, and a fast start."""

import subprocess
import sys
from datetime import UTC, date, datetime

import pytest

from jobs.cli import main
from jobs.options import day_of

COMMANDS = [
    ["nightly"],
    ["simulate"],
    ["evaluate"],
    ["config"],
    ["embeddings", "backfill"],
    ["store", "start"],
    ["store", "stop"],
    ["store", "status"],
    ["console"],
]


@pytest.fixture(autouse=True)
def plain_place(tmp_path, monkeypatch):
    """No settings from wherever the tests run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NEO4J_URI", raising=False)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command, capsys):
    assert main([*command, "--help"]) == 0
    assert f"ringlight {' '.join(command)}" in capsys.readouterr().out.split("xample", 1)[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nightly"],
        ["nightly", "--events", "e", "--lake", "l", "--as-of", "June"],
        ["nightly", "--events", "e", "--lake", "l", "--as-of", "2026-06-30", "--train", "sometimes"],
        ["nigthly"],
        ["config", "--set", "capacity"],
        ["config", "--set", "capacity=0"],
        ["config", "--set", "capasity=3"],
        ["config", "--config", "absent.toml"],
        ["show", "--lake", "absent"],
        ["evaluate", "--lake", "absent", "--truth", "absent.parquet"],
        ["nightly", "--events", "absent", "--lake", "lake", "--as-of", "2026-06-30"],
    ],
    ids=" ".join,
)
def test_what_a_user_got_wrong_ends_with_2_and_one_sentence(arguments, capsys, tmp_path):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("ringlight: ")
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_config_prints_value_and_origin(capsys, tmp_path, monkeypatch):
    (tmp_path / "ringlight.toml").write_text("seed = 5\n[ingest]\nquarantine_share = 0.2\n")
    monkeypatch.setenv("RINGLIGHT_CAPACITY", "9")
    assert main(["config", "--set", "n_threads=1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for start in (
        "capacity = 9  (environment)",
        "seed = 5  (ringlight.toml)",
        "n_threads = 1  (flag)",
        "ingest.quarantine_share = 0.2  (ringlight.toml)",
        "n_partitions = 0  (default)",
    ):
        assert any(line.startswith(start) for line in lines), start


def test_an_unexpected_error_is_our_fault_in_one_sentence(monkeypatch, capsys, tmp_path):
    import jobs.nightly

    def fail(*args, **named):
        raise ZeroDivisionError("secret value")

    monkeypatch.setattr(jobs.nightly, "run_nightly", fail)
    (tmp_path / "lake" / "restricted").mkdir(parents=True)
    arguments = ["nightly", "--events", "e", "--lake", "lake", "--as-of", "2026-06-30"]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert "secret value" not in error
    log = tmp_path / "lake" / "restricted" / "faults.log"
    assert "ZeroDivisionError: secret value" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    assert main([*arguments, "--debug"]) == 1
    assert "ZeroDivisionError: secret value" in capsys.readouterr().err


def test_the_module_is_the_script_and_its_exit_code_reaches_the_shell(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "jobs", "nightly", "--events", "absent", "--lake", "lake", "--as-of", "2026-06-30"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert "absent" in done.stderr
    assert not (tmp_path / "lake").exists()


def test_help_needs_neither_ray_nor_torch_nor_polars():
    code = (
        "import sys; from jobs.cli import main; code = main(['--help']);"
        "print([name for name in ('ray', 'torch', 'polars', 'lightgbm', 'neo4j') if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_today_is_a_date_in_utc():
    assert day_of("today", datetime(2026, 7, 1, 0, 30, tzinfo=UTC)) == date(2026, 7, 1)
    assert day_of("2026-06-30", datetime(2026, 7, 1, tzinfo=UTC)) == date(2026, 6, 30)
    with pytest.raises(ValueError, match="tomorrow"):
        day_of("tomorrow", datetime(2026, 7, 1, tzinfo=UTC))
