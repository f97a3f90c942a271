"""The features, declared in one place: `FEATURES` is the list, each family's module computes its part of it.

No feature reads an outcome, own or a neighbour's, and none is a surname, language, sex, age of the person, country or place,
nor stands for one; what is read of identities is whether two accounts' values agree, cross or nearly agree.

See Also:
    gnn.features_account, gnn.features_sharing, gnn.features_timing, gnn.features_pairs, gnn.features_crossed,
    gnn.features_money, gnn.features_neighbours: one family each; to add a feature, add its row to that module's `FEATURES` and its expression, and to its `COLUMNS` what
    column of an event table it reads that nothing read before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import polars as pl

from gnn import (
    features_account,
    features_crossed,
    features_money,
    features_neighbours,
    features_pairs,
    features_sharing,
    features_timing,
)
from gnn.feature_types import Feature, Rows, rows_of
from graph.schema import TABLES
from graph.snapshot import Snapshot
from graph.threads import run_beside

__all__ = ["FEATURES", "FEATURE_NAMES", "GRAPHLESS", "Feature", "build_features", "build_own", "build_parts"]

_OWN = (features_account, features_sharing, features_timing, features_pairs, features_crossed, features_money)

# those that read one table follow each other
_BY_TABLE = (features_sharing, features_timing, features_pairs, features_crossed, features_account, features_money)

FEATURES: tuple[Feature, ...] = tuple(f for family in (*_OWN, features_neighbours) for f in family.FEATURES)
_READERS: tuple[Mapping[str, tuple[str, ...]], ...] = tuple(
    family.COLUMNS for family in (features_account, features_crossed, features_money)
)
_COLUMNS = {  # of each table what any family reads, beside account and time
    table: sorted({column for reads in _READERS for column in reads.get(table, ())}) for table in TABLES
}
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
GRAPHLESS: tuple[str, ...] = tuple(feature.name for feature in FEATURES if feature.family == "account")


def build_features(events: Mapping[str, pl.DataFrame | pl.LazyFrame], snapshot: Snapshot) -> pl.DataFrame:
    """All features of all accounts as of the snapshot.

    Args:
        events: table name to frame with the contract's columns, clean; rows known at or after the cut-off are not read. Of lazy
            ones only the columns that features read are ever in memory.
        snapshot: the graph as of the cut-off.

    Returns:
        account i32 (0..n-1, sorted) and one float32 column a feature, in the order of `FEATURES`; no null, no NaN.
    """
    rows = rows_of(events, snapshot, _COLUMNS)
    own = build_own(rows)
    rows = replace(rows, tables={})  # most of what is in memory here, and no neighbour's feature reads it
    frame = pl.concat([own, features_neighbours.build(rows, own).drop("account")], how="horizontal")
    named: pl.DataFrame = frame.select("account", *FEATURE_NAMES)
    return named


def build_parts(events: Mapping[str, pl.DataFrame | pl.LazyFrame], snapshot: Snapshot) -> Iterator[pl.DataFrame]:
    """The columns of `build_features`, some at a time, in another order: for a world of which all at once would not fit in memory.

    What is asked next is made when it is asked for; a family reads one event table at a time.
    """
    rows = rows_of(events, snapshot, _COLUMNS, one_at_a_time=True)
    base = []
    for family in _BY_TABLE:
        own = family.build(rows).drop("account")
        base += [own[name] for name in features_neighbours.BASE if name in own.columns]
        yield own
        del own
    rows = replace(rows, tables={})
    for part in features_neighbours.build_parts(rows, pl.DataFrame(base)):
        yield pl.DataFrame(part)


def build_own(rows: Rows) -> pl.DataFrame:
    """All families but the neighbours': account i32 and one float32 column a feature, in account order."""
    families = run_beside(lambda family: family.build(rows).drop("account"), _OWN)
    parts = [rows.accounts.select("account"), *families]
    frame: pl.DataFrame = pl.concat(parts, how="horizontal")
    return frame
