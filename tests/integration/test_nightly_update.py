"""A night brought up to date from the one before leaves the same bytes as one made anew, on a real Ray."""

import contextlib
import secrets
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from graph.lake import night_folder
from jobs.chain import NightOutcome, NightRequest, run_night
from jobs.cli import main
from jobs.manifest import MANIFEST_FILE
from jobs.night import SilentProgress
from jobs.settings import read_settings
from jobs.simulate import simulate
from jobs.steps import STEPS

pytestmark = pytest.mark.usefixtures("one_ray")

FIRST, SECOND, THIRD = date(2026, 6, 20), date(2026, 6, 29), date(2026, 6, 30)
KEY = "5a" * 32
AFTER_LINKAGE = frozenset(STEPS) - {"ingest", "links", "pairs", "clusters"}


class Told(SilentProgress):
    """Keeps what a person would be told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("world")
    simulate(out, n_accounts=500, n_days=120, seed=7, until=THIRD)
    return out / "events"


def run(events: Path, lake: Path, day: date, seed: int = 0, **more) -> list[str]:
    """Runs a night; what it told."""
    told = Told()
    request = NightRequest(
        events=events,
        lake=lake,
        date=day,
        settings=read_settings({"seed": seed}),
        progress=told,
        session=contextlib.nullcontext,
        random_hex=secrets.token_hex,
        key=KEY,
        without=AFTER_LINKAGE,
        **more,
    )
    run_night(request, NightOutcome())
    return told.lines


def assert_same_night(one: Path, other: Path) -> None:
    files = sorted(path.relative_to(one) for path in one.rglob("*.parquet"))
    assert files == sorted(path.relative_to(other) for path in other.rglob("*.parquet"))
    for file in (*files, Path(MANIFEST_FILE)):
        assert (one / file).read_bytes() == (other / file).read_bytes(), file


def without_some(events: Path, folder: Path) -> Path:
    """The events after an erasure, a correction, and signups that turn out to have been earlier, so that all numbers shift."""
    changed = Path(shutil.copytree(events, folder))
    for table in changed.iterdir():
        rows = pl.read_parquet(table / "*.parquet").sort("event_id")
        shutil.rmtree(table)
        table.mkdir()
        ids = pl.read_parquet(events / "signups/*.parquet")["account_id"].sort()
        kept = rows.filter(~pl.col("account_id").is_in(ids[::50].implode()))  # erased
        if table.name == "logins":
            kept = kept.gather_every(2)  # taken back by their source
        if table.name == "signups":
            earlier = pl.col("event_time") - pl.duration(days=40)
            early = pl.col("account_id").is_in(ids[7::60].implode())
            kept = kept.with_columns(event_time=pl.when(early).then(earlier).otherwise("event_time"))
        kept.write_parquet(table / "part.parquet")
    return changed


def test_an_updated_night_is_the_same_as_one_made_anew(events: Path, tmp_path: Path) -> None:
    updated, anew = tmp_path / "updated", tmp_path / "anew"
    changed = without_some(events, tmp_path / "changed")
    for lake in (updated, anew):
        run(events, lake, FIRST)
    assert any("accounts changed since 2026-06-20" in line for line in run(events, updated, SECOND))
    assert not any("accounts changed since" in line for line in run(events, anew, SECOND, is_full=True))
    assert_same_night(night_folder(updated, SECOND), night_folder(anew, SECOND))
    assert any("accounts changed since 2026-06-29" in line for line in run(changed, updated, THIRD))
    run(changed, anew, THIRD, is_full=True)
    assert_same_night(night_folder(updated, THIRD), night_folder(anew, THIRD))
    assert sorted(path.name for path in (updated / "state").iterdir()) == [str(SECOND), str(THIRD)]


def test_two_accounts_are_explained_in_bits_and_without_a_raw_value(events: Path, tmp_path: Path, capsys) -> None:
    lake = tmp_path / "lake"
    run(events, lake, FIRST)
    night, state = night_folder(lake, FIRST), lake / "restricted/state" / str(FIRST)
    persons = dict(pl.read_parquet(night / "identities.parquet").iter_rows())
    pairs = pl.read_parquet(night / "pairs.parquet").sort("weight_bits", "account_a", "account_b").to_dicts()
    ends = [(pair["account_a"], pair["account_b"]) for pair in pairs]
    same = next(pair for pair, (a, b) in zip(pairs, ends, strict=True) if persons[a] == persons[b])
    records = pl.read_parquet(state / "records/*.parquet")
    raw = {value for name in ("email", "phone", "national_id", "address") for value in records[name].drop_nulls()}
    for pair, verdict in ((pairs[-1], None), (same, "one person")):
        a, b = pair["account_a"], pair["account_b"]
        assert main(["explain", b, a, "--lake", str(lake)]) == 0
        told = capsys.readouterr().out
        assert f"{pair['weight_bits']:.1f} bits join" in told
        assert (verdict or ("one person" if persons[a] == persons[b] else "two people")) in told
        assert "log2 odds" in told
        assert not [value for value in raw if value in told]
    shutil.rmtree(state)
    assert main(["explain", a, b, "--lake", str(lake)]) == 0
    assert "was not kept" in capsys.readouterr().out
    assert main(["explain", a, "nobody", "--lake", str(lake)]) == 2
    assert "`nobody`" in capsys.readouterr().err
    assert main(["explain", a, a, "--lake", str(lake)]) == 2


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.mark.parametrize("step", ["links", "pairs"])
def test_an_updated_night_that_was_killed_goes_on_even_without_its_state(
    events: Path, tmp_path: Path, step: str
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"

    def kill(name: str) -> None:
        if name == step:
            raise Killed

    for lake in (whole, cut):
        run(events, lake, FIRST)
    run(events, whole, THIRD)
    with pytest.raises(Killed):
        run(events, cut, THIRD, after_step=kill)
    shutil.rmtree(cut / "state")
    run(events, cut, THIRD)
    assert_same_night(night_folder(whole, THIRD), night_folder(cut, THIRD))


def test_a_full_night_that_was_killed_goes_on_by_the_plain_command(events: Path, tmp_path: Path) -> None:
    def kill(name: str) -> None:
        if name == "pairs":
            raise Killed

    run(events, tmp_path, FIRST)
    with pytest.raises(Killed):
        run(events, tmp_path, THIRD, after_step=kill, is_full=True)
    told = run(events, tmp_path, THIRD)
    assert any("links, pairs done already" in line for line in told), told


def test_another_seed_takes_nothing_over(events: Path, tmp_path: Path) -> None:
    run(events, tmp_path, FIRST)
    assert any("made anew" in line for line in run(events, tmp_path, THIRD, seed=5))


def test_a_state_of_other_hands_is_not_read(events: Path, tmp_path: Path) -> None:
    run(events, tmp_path, FIRST)
    (tmp_path / "state" / str(FIRST) / "mark").write_text("another")
    assert not any("accounts changed since" in line for line in run(events, tmp_path, THIRD))
