"""What a ring paid: settled, known by then, and by currency."""

from datetime import UTC, datetime, timedelta

import polars as pl

from gnn.ring_amounts import sum_amounts
from graph.schema import TABLES

AS_OF = datetime(2026, 4, 1, tzinfo=UTC)


def test_only_what_was_settled_and_known_counts_and_currencies_stay_apart() -> None:
    rows = [
        ("a", 100, "EUR", "settled", 2, None),
        ("b", 50, "EUR", "settled", 2, 1),
        ("a", 7, "USD", "settled", 2, None),
        ("a", 1_000, "EUR", "reversed", 2, None),
        ("a", 1_000, "EUR", "declined", 2, None),
        ("a", 1_000, "EUR", "settled", 0, None),  # at the cut-off
        ("a", 1_000, "EUR", "settled", 2, -1),  # known later
        ("c", 1_000, "EUR", "settled", 2, None),  # of no ring
    ]
    schema = {column.name: column.dtype for column in TABLES["payments"].columns}
    payments = pl.DataFrame(
        [
            {
                "event_id": f"p{number}",
                "event_time": AS_OF - timedelta(days=ago),
                "known_time": None if known is None else AS_OF - timedelta(days=known),
                "account_id": account,
                "amount_minor": amount,
                "currency": currency,
                "status": status,
            }
            for number, (account, amount, currency, status, ago, known) in enumerate(rows)
        ],
        schema=schema,
    )
    members = pl.DataFrame({"account_id": ["a", "b", "c"], "ring_id": ["r", "r", None]})
    assert sum_amounts(payments, members, AS_OF).rows() == [("r", "EUR", 2, 150), ("r", "USD", 1, 7)]
