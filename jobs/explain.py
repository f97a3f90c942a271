"""`ringlight explain`: what two accounts share, and whether one person stands behind them, field by field, in bits."""

from datetime import date
from pathlib import Path

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from graph.errors import InputError
from graph.identities import LEAST_BITS, PairEvidence, explain_pair
from graph.identity_records import number_records
from graph.identity_weights import Weights
from graph.lake import Night, read_night
from graph.pairs import MIN_PAIR_BITS
from jobs.state import records_of

__all__ = ["run"]

N_HEX = 12  # of a hash, enough to tell identifiers apart


def run(lake: Path, account_a: str, account_b: str, as_of: date | None = None, console: Console | None = None) -> None:
    """Prints the evidence between two accounts, and how their submitted identities compare; no raw value is shown.

    Args:
        as_of: the night; default the current one. Identities can be compared for nights that left their records (the last two).

    Raises:
        InputError: there is no such night, or it does not know an account, or both are one.
    """
    night = read_night(lake, as_of)
    if account_a == account_b:
        raise InputError(f"`ACCOUNTS` must be two; got `{account_a}` twice.")
    both = [account_a, account_b]
    identities = dict(night.scan("identities").filter(pl.col("account_id").is_in(both)).collect().iter_rows())
    if unknown := [account for account in both if account not in identities]:
        raise InputError(
            f"`ACCOUNTS` must be known to the night {night.date}; got `{unknown[0]}`, which is not. "
            "Take ids from its clusters.parquet, or another night by --as-of."
        )
    console = console or Console(highlight=False)
    _print_shared(night, both, console)
    is_one = identities[account_a] == identities[account_b]
    console.print(f"By their submitted identities the night takes them for {'one person' if is_one else 'two people'}.")
    records = records_of(lake, night)
    if records is None:
        console.print(
            f"What they submitted was not kept for {night.date}: fields can be compared for the last two nights.",
            markup=False,
        )
        return
    weights = Weights.from_json((night.folder / "identity_weights.json").read_text(encoding="utf-8"))
    try:
        _print_person(_compare(records, both, weights), console)
    except InputError as error:
        console.print(str(error), markup=False)


def _print_shared(night: Night, both: list[str], console: Console) -> None:
    """What both hold, hubs too, and what each says of the pair."""
    held = night.scan("links").filter(pl.col("account_id").is_in(both)).collect()
    one, other = (held.filter(pl.col("account_id") == account) for account in both)
    shared = one.join(other.select("identifier_type", "identifier"), on=["identifier_type", "identifier"])
    pair = night.scan("pairs").filter(pl.col("account_a").is_in(both) & pl.col("account_b").is_in(both)).collect()
    evidence = pair.explode("evidence")["evidence"].struct.unnest() if pair.height else None
    said = {} if evidence is None else {row["identifier"]: row for row in evidence.iter_rows(named=True)}
    table = Table("both hold", "hash", "accounts", "bits", "first uses apart", "", box=SIMPLE_HEAD)
    for row in shared.sort("weight", "identifier_type", descending=[True, False]).iter_rows(named=True):
        found = said.get(row["identifier"])
        if found is None:
            why = "no evidence: too many hold it" if row["weight"] == 0 else "no evidence of its own"
            table.add_row(row["identifier_type"], row["identifier"][:N_HEX], "", "0", "", why)
            continue
        notes = ["at once" if found["is_concurrent"] else "one after the other"]
        notes += ["one number, two people"] if found.get("is_crossed") else []  # nights of before do not say
        apart = f"{found['gap_days']:.1f} days"
        bits = f"{found['bits']:.1f}"
        table.add_row(
            row["identifier_type"], row["identifier"][:N_HEX], f"{found['n_accounts']:,}", bits, apart, ", ".join(notes)
        )
    if shared.height:
        console.print(table)
    if pair.height:
        console.print(f"Together {pair['weight_bits'][0]:.1f} bits join the two accounts.")
    elif shared.height:
        console.print(f"What they share comes to less than {MIN_PAIR_BITS:.0f} bits: no evidence joins them.")
    else:
        console.print("They share nothing.")


def _compare(records: pl.DataFrame, both: list[str], weights: Weights) -> PairEvidence:
    """The comparison of all records' rarity, of the best pair of submissions of the two."""
    accounts = pl.concat([records["account"], pl.Series("account", both)]).unique().sort().to_frame("account_id")
    accounts = accounts.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("account"))
    first, second = (accounts["account_id"].index_of(account) or 0 for account in both)
    return explain_pair(number_records(records, accounts), first, second, weights)


def _print_person(found: PairEvidence, console: Console) -> None:
    table = Table("field", "agreement", "bits", "by its rarity", box=SIMPLE_HEAD)
    for field in found.fields:
        name, level = field.field.replace("_", " "), field.level.replace("_", " ")
        table.add_row(name, level, _signed(field.bits), _signed(field.rarity_bits) if field.rarity_bits else "")
    table.add_row("before anything is compared", "", _signed(found.prior_bits), "")
    table.add_row("relatives would agree so, too", "", _signed(found.relatives_bits), "")
    if found.rule_bits:
        table.add_row("a rule on names and birth dates", "", _signed(found.rule_bits), "")
    table.add_row("one person, log2 odds", "", _signed(found.total_bits), "")
    console.print(table)
    console.print(f"Pairs of {LEAST_BITS:+.0f} bits and more may be one person; groups are, that agree so on average.")


def _signed(bits: float) -> str:
    return f"{round(bits, 1) + 0.0:+.1f}"  # no -0.0
