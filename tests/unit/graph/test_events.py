"""Events in: what the contract accepts, and that every fault of an input stands in one message."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from graph.cleaning import clean_table, read_events, signup_times
from graph.errors import InputError
from graph.events import open_events, scan_table

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 2, day, hour, tzinfo=UTC)


def write(
    folder: Path, table: str, rows: dict[str, list[object]], name: str = "part-0.parquet", **dtypes: object
) -> None:
    path = folder / table / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(rows, schema_overrides=dtypes)
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write(
        tmp_path,
        "signups",
        {"event_id": ["s1", "s2"], "event_time": [at(1), at(2)], "account_id": ["a", "b"], "channel": ["app", "web"]},
    )
    write(
        tmp_path,
        "logins",
        {"event_id": ["l1", "l2"], "event_time": [at(3), at(4)], "account_id": ["a", "b"], "device_id": ["d1", "d1"]},
    )
    return tmp_path


def test_missing_optional_tables_are_empty_with_their_schema(world: Path) -> None:
    events = read_events(world, AS_OF)
    assert events["signups"].height == 2
    assert events["payments"].is_empty()
    assert events["payments"].schema["amount_minor"] == pl.Int64


def test_every_fault_stands_in_one_message(world: Path) -> None:
    write(
        world,
        "payments",
        {
            "event_id": ["p"],
            "event_time": [at(1).replace(tzinfo=None)],
            "account_id": ["a"],
            "amount_minor": [1.5],
            "status": ["settled"],
        },
    )
    (world / "profiles").mkdir()
    (world / "profiles" / "torn.parquet").write_bytes(b"PAR1 not a file")
    with pytest.raises(InputError) as caught:
        open_events(world)
    text = str(caught.value)
    assert "payments.event_time` must be a time with a zone" in text
    assert "payments.amount_minor` must be a whole number" in text
    assert "payments.currency` is required and missing" in text
    assert "torn.parquet` cannot be read" in text
    assert len(caught.value.faults) == 4


@pytest.mark.parametrize(("make", "says"), [
    (lambda folder: None, "no event table"),
    (lambda folder: write(folder, "logins", {"event_id": ["l"], "event_time": [at(1)], "account_id": ["a"], "device_id": ["d"]}), "`signups` is required"),
    (lambda folder: write(folder, "signups", {"event_id": ["l"], "event_time": [at(1)], "account_id": ["a"], "channel": ["d"]}), "carries an identifier"),
])  # fmt: skip
def test_a_folder_that_is_no_event_folder_is_refused(tmp_path: Path, make: object, says: str) -> None:
    make(tmp_path)  # type: ignore[operator]
    with pytest.raises(InputError, match=says):
        open_events(tmp_path)


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there"):
        open_events(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="a file"):
        open_events(tmp_path / "file")


def test_further_tables_and_columns_are_left_aside_with_one_warning_each(world: Path) -> None:
    for part in ("part-1.parquet", "deep/part-2.parquet"):
        write(
            world,
            "logins",
            {"event_id": [part], "event_time": [at(5)], "account_id": ["a"], "device_id": ["d2"], "battery": [3]},
            part,
        )
    write(world, "weather", {"rain": [1]})
    source = open_events(world)
    assert len(source.warnings) == 2
    assert "`weather`" in source.warnings[0]
    assert "`logins.battery`" in source.warnings[1]
    assert scan_table(source, "logins").collect().height == 4


def test_csv_and_parquet_give_the_same_rows(world: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("csv")
    for table in ("signups", "logins"):
        frame = pl.read_parquet(world / table / "*.parquet").with_columns(
            pl.col("event_time").dt.strftime("%Y-%m-%dT%H:%M:%S+00:00")
        )
        (other / table).mkdir()
        frame.write_csv(other / table / "a.csv")
    for table, frame in read_events(world, AS_OF).items():
        assert frame.equals(read_events(other, AS_OF)[table]), table


def test_csv_values_that_do_not_parse_are_counted_by_column(world: Path) -> None:
    (world / "profiles").mkdir()
    (world / "profiles" / "a.csv").write_text(
        "event_id,event_time,account_id,birth_date\n1,2026-02-01T00:00:00,a,1980-02-30\n2,2026-02-01T01:00:00Z,b,\n"
    )
    with pytest.raises(InputError) as caught:
        open_events(world)
    assert (
        "profiles.event_time` must be an RFC 3339 time with a zone, such as 2026-06-30T12:00:00Z; got 1 value"
        in str(caught.value)
    )
    assert "profiles.birth_date` must be a date" in str(caught.value)


def test_lossless_casts_are_accepted(world: Path) -> None:
    write(
        world, "payments",
        {"event_id": ["p"], "event_time": [at(5)], "account_id": ["a"], "amount_minor": [7], "currency": ["USD"], "status": ["settled"]},
        amount_minor=pl.Int16, currency=pl.Categorical, event_time=pl.Datetime("ns", "Europe/Berlin"),
    )  # fmt: skip
    row = read_events(world, AS_OF)["payments"].row(0, named=True)
    assert row["amount_minor"] == 7
    assert row["event_time"] == at(5)


def test_rows_known_at_the_cut_off_or_later_are_held_back(world: Path) -> None:
    write(
        world, "outcomes",
        {"event_id": ["o1", "o2"], "event_time": [at(5), at(6)], "known_time": [AS_OF, at(20)], "account_id": ["a", "b"],
         "outcome": ["confirmed_benign"] * 2, "source": ["x"] * 2},
    )  # fmt: skip
    assert read_events(world, AS_OF)["outcomes"]["event_id"].to_list() == ["o2"]


def test_quarantine_gives_each_bad_row_one_reason(world: Path) -> None:
    write(
        world, "instruments",
        {
            "event_id": ["i0", "i1", "i2", "i3", "i4", "i5", None],
            "event_time": [at(5), at(5), at(5), at(5), datetime(2026, 1, 30, tzinfo=UTC), datetime(2026, 1, 31, 13, tzinfo=UTC), at(5)],
            "known_time": [None, None, at(4), None, None, None, None],
            "account_id": ["a", "a", "a", "ghost", "a", "a", "a"],
            "instrument_id": ["x", "x", "x", "x", "x", "x", "x"],
            "kind": ["debit_card", "gift", "debit_card", "debit_card", "debit_card", "debit_card", "debit_card"],
            "action": ["link"] * 7,
        },
    )  # fmt: skip
    source = open_events(world)
    signups = signup_times(read_events(world, AS_OF)["signups"])
    clean = clean_table(scan_table(source, "instruments"), "instruments", AS_OF, signups)
    assert clean.rows["event_id"].to_list() == ["i5", "i0"]
    assert dict(clean.rejected.select("event_id", "reason").iter_rows()) == {
        "i1": "unknown_value",
        "i2": "known_before_event",
        "i3": "no_signup",
        "i4": "before_signup",
        None: "null_key",
    }
    assert "instrument_id" not in clean.rejected.columns


def test_a_repeated_event_id_is_one_event_whatever_the_files_order(world: Path) -> None:
    rows = {"event_id": ["l1", "l9"], "event_time": [at(3), at(9)], "account_id": ["a", "b"], "device_id": ["d1", "d9"]}
    write(world, "logins", rows, "again.parquet")
    clean = clean_table(
        scan_table(open_events(world), "logins"), "logins", AS_OF, signup_times(read_events(world, AS_OF)["signups"])
    )
    assert clean.n_repeated == 1
    assert clean.rows["event_id"].to_list() == ["l1", "l2", "l9"]


def test_an_implausible_optional_value_becomes_null_and_its_row_stays(world: Path) -> None:
    write(
        world, "profiles",
        {"event_id": ["1", "2"], "event_time": [at(5), at(5)], "account_id": ["a", "b"], "birth_date": [date(2030, 1, 1), date(1803, 1, 1)],
         "email": ["nobody", "a@b.example"], "phone": ["12", "+15550100200"]},
    )  # fmt: skip
    clean = clean_table(
        scan_table(open_events(world), "profiles"),
        "profiles",
        AS_OF,
        signup_times(read_events(world, AS_OF)["signups"]),
    )
    assert clean.n_nulled == {"birth_date": 1, "email": 1, "phone": 1}
    assert clean.rows["birth_date"].to_list() == [None, date(1803, 1, 1)]


def test_what_lies_beside_the_tables_is_told_and_drafts_are_not_read(world: Path) -> None:
    (world / "payments.parquet").touch()
    (world / "logins" / "more.csv.gz").touch()
    for draft in ("logins/.part-9.csv", "logins/_temporary/part-9.csv"):
        (world / draft).parent.mkdir(exist_ok=True)
        (world / draft).write_text("half a he")
    warnings = open_events(world).warnings
    assert len(warnings) == 2
    assert "`logins/more.csv.gz`" in warnings[0]
    assert "`payments.parquet`" in warnings[1]


def test_paths_are_taken_as_they_are_and_links_are_followed(
    world: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "day[1]*.CSV").write_text("event_id,event_time,account_id,device_id\nl7,2026-02-07T00:00:00Z,a,d7\n")
    (elsewhere / "day1x.csv").write_text("event_id,event_time,account_id,device_id\nl8,2026-02-08T00:00:00Z,a,d8\n")
    (world / "logins" / "linked").symlink_to(elsewhere)
    assert scan_table(open_events(world), "logins").collect()["event_id"].sort().to_list() == ["l1", "l2", "l7", "l8"]


def test_a_page_torn_in_the_middle_is_found_before_anything_is_read(world: Path) -> None:
    path = world / "logins" / "part-0.parquet"
    n_rows = 50_000
    write(
        world, "logins",
        {"event_id": [f"l{n}" for n in range(n_rows)], "event_time": [at(3)] * n_rows, "account_id": ["a"] * n_rows,
         "device_id": [f"{n * 2654435761 % 2**32:x}" for n in range(n_rows)]},
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"part-0\.parquet` cannot be read"):
        open_events(world)


def test_numbers_that_a_cast_would_lose_are_counted(world: Path) -> None:
    write(
        world, "payments",
        {"event_id": ["p"], "event_time": [at(5)], "account_id": ["a"], "amount_minor": [2**63], "currency": ["USD"], "status": ["settled"]},
        amount_minor=pl.UInt64,
    )  # fmt: skip
    write(
        world, "id_checks",
        {"event_id": ["c"], "event_time": [at(5)], "account_id": ["a"], "check": ["x"], "result": ["pass"], "vendor_score": [2**53 + 1]},
    )  # fmt: skip
    with pytest.raises(InputError) as caught:
        open_events(world)
    assert "`amount_minor` has 1 value(s) that do not fit" in str(caught.value)
    assert "`vendor_score` has 1 value(s) that do not fit" in str(caught.value)


def test_a_header_that_names_a_column_twice_is_refused(world: Path) -> None:
    (world / "logins" / "twice.csv").write_text(
        "event_id,event_time,account_id,device_id,device_id\nl7,2026-02-07T00:00:00Z,a,d7,d8\n"
    )
    with pytest.raises(InputError, match="it repeats `device_id`"):
        open_events(world)
