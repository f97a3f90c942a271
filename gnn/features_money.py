"""Money flow: who pays the same rare payees, how fast money passes through, and what flows back."""

import numpy as np
import polars as pl
from numba import njit

from gnn.feature_types import DAY_US, Feature, Rows, days_between, exact_sum, in_medians, on_accounts
from gnn.windows import count_within, seconds_since_first
from graph.numbering import dense_numbers

__all__ = ["COLUMNS", "FEATURES", "build"]

_RARE = 30  # payers; above it a payee is a shop, not a sink

COLUMNS = {"payments": ("counterparty_id", "amount_minor", "currency", "status")}
FEATURES = tuple(
    Feature(name, meaning, "money", missing)
    for name, meaning, missing in (
        ("n_payees", "payees it paid", 0.0),
        ("n_rare_payees", f"payees it paid that at most {_RARE} accounts pay, and another one does", 0.0),
        ("n_private_payees", "payees that it alone pays", 0.0),
        ("co_payers", "other payers of its rare payees, sum", 0.0),
        ("max_co_payers", "other payers of its most shared rare payee", 0.0),
        ("co_payers_2d", "payments by others to its rare payees within 2 days of its own, sum over payments", 0.0),
        ("max_co_payers_2d", "most payments by others to a payee within 2 days of its own payment", 0.0),
        ("max_co_payers_7d", "most payments by others to a payee within 7 days of its own payment", 0.0),
        ("top_payee_share", "share of its payments' sum that went to its top payee", 0.0),
        ("top_payee_payers", "other payers of its top payee", 0.0),
        ("rare_payee_share", "share of its payments' sum that went to rare payees shared with others", 0.0),
        ("sink_inflow", "what its top payee received from all, in medians of the currency", 0.0),
        ("sink_age_gap_days", "days from its signup to its first payment to its top payee", -1.0),
        ("n_paid_by", "accounts that paid it", 0.0),
        ("n_times_paid", "payments to it", 0.0),
        ("paid_sum", "sum of payments to it, in medians of the currency", 0.0),
        ("max_paid_by_2d", "most payments to it within 2 days", 0.0),
        ("pass_through", "the smaller of what it received and paid, over the larger", 0.0),
        ("fast_out_share", "share of what it received that it paid out within 2 days", 0.0),
        ("mutual", "accounts that it paid and that paid it", 0.0),
        ("pays_accounts_share", "share of its payments that went to accounts", 0.0),
        ("payees_reversed_share", "share of payments to its rare payees by others that were reversed", 0.0),
        ("payees_signup_gap_days", "median difference of signup between it and co-payers of rare payees, days", -1.0),
    )
)


def build(rows: Rows) -> pl.DataFrame:
    """Account i32 and one float32 column a feature of this family, in account order."""
    paid = _paid(rows)
    payees = paid.group_by("payee").agg(
        payers=pl.col("account").n_unique().cast(pl.Int64),
        inflow=exact_sum(pl.col("amount")),
        n=pl.len(),
        n_reversed=(pl.col("status") == "reversed").sum(),
    )
    edges = (
        paid.group_by("account", "payee")
        .agg(
            n_own=pl.len(),
            own_reversed=(pl.col("status") == "reversed").sum(),
            out=exact_sum(pl.col("amount")),
            first=pl.col("event_time").min(),
            signup_time=pl.col("signup_time").first(),
        )
        .join(payees, on="payee")
        .with_columns(rare=pl.col("payers").is_between(2, _RARE))
    )
    return on_accounts(
        rows.accounts, (_payees(edges), _bursts(paid, payees), _inflow(rows, paid), _peers(edges)), FEATURES
    )


def _paid(rows: Rows) -> pl.DataFrame:
    """Payments that name a payee: payee is a dense number that only parts them, payee_account is null for one outside."""
    payments = in_medians(rows.tables["payments"].filter(pl.col("status") != "declined"))
    payments = payments.filter(pl.col("counterparty_id").is_not_null())
    numbers = rows.snapshot.accounts.select(payee_account="account", counterparty_id="account_id")
    return payments.join(numbers, on="counterparty_id", how="left", maintain_order="left").select(
        "account",
        "signup_time",
        "event_time",
        "status",
        "payee_account",
        payee=pl.Series(dense_numbers(payments["counterparty_id"]).astype(np.int64)),
        amount=pl.col("amount"),
    )


def _payees(edges: pl.DataFrame) -> pl.DataFrame:
    rare = pl.col("rare")
    total = pl.col("out").sum().clip(lower_bound=1e-6)
    top = pl.col("out") == pl.col("out").max()
    gap = days_between(pl.col("first"), pl.col("signup_time")).clip(lower_bound=0.0)
    others = (pl.col("n") - pl.col("n_own")).filter(rare).sum()
    return edges.group_by("account").agg(
        n_payees=pl.len(),
        n_rare_payees=rare.sum(),
        n_private_payees=(pl.col("payers") == 1).sum(),
        co_payers=(pl.col("payers") - 1).filter(rare).sum(),
        max_co_payers=(pl.col("payers") - 1).filter(rare).max(),
        top_payee_share=pl.col("out").max() / total,
        top_payee_payers=(pl.col("payers") - 1).filter(top).max(),
        rare_payee_share=pl.col("out").filter(rare).sum() / total,
        sink_inflow=pl.col("inflow").filter(top).max(),
        sink_age_gap_days=gap.filter(top).min(),
        payees_reversed_share=(pl.col("n_reversed").cast(pl.Int64) - pl.col("own_reversed")).filter(rare).sum()
        / others.clip(lower_bound=1),
    )


def _bursts(paid: pl.DataFrame, payees: pl.DataFrame) -> pl.DataFrame:
    """Payments by others to the same payee around the own ones; payees that nearly everybody pays are left out."""
    busy = paid.join(payees.filter(pl.col("payers") <= _RARE), on="payee").sort("payee", "event_time", "account")
    seconds = seconds_since_first(busy["event_time"])
    payee, account = (busy[name].to_numpy().astype(np.int64) for name in ("payee", "account"))
    own = np.unique(payee * (int(account.max(initial=0)) + 1) + account, return_inverse=True)[1].astype(np.int64)

    def others(days: int) -> np.ndarray:
        low, high = seconds - days * 86400, seconds + days * 86400
        found: np.ndarray = count_within(payee, seconds, low, high) - count_within(own, seconds, low, high)
        return found

    return (
        busy.select("account")
        .with_columns(two=others(2), seven=others(7))
        .group_by("account")
        .agg(
            co_payers_2d=pl.col("two").sum(),
            max_co_payers_2d=pl.col("two").max(),
            max_co_payers_7d=pl.col("seven").max(),
        )
    )


def _inflow(rows: Rows, paid: pl.DataFrame) -> pl.DataFrame:
    inner = paid.filter(pl.col("payee_account").is_not_null())
    received = inner.select("event_time", "amount", account="payee_account", payer="account")
    sent = paid.select("account", "event_time", "amount")
    totals = received.group_by("account").agg(
        n_paid_by=pl.col("payer").n_unique(), n_times_paid=pl.len(), paid_sum=exact_sum(pl.col("amount"))
    )
    burst = (
        received.sort("account", "event_time")
        .rolling("event_time", period="48h", group_by="account")
        .agg(n=pl.len())
        .group_by("account")
        .agg(max_paid_by_2d=pl.col("n").max())
    )
    fast = _passed_on(received, sent)
    ways = inner.select("account", "payee_account").unique()
    mutual = (
        ways.join(ways, left_on=["account", "payee_account"], right_on=["payee_account", "account"], how="semi")
        .group_by("account")
        .agg(mutual=pl.len())
    )
    outflow = sent.group_by("account").agg(sent_sum=exact_sum(pl.col("amount")), n_sent=pl.len())
    to_accounts = inner.group_by("account").agg(n_inner=pl.len())
    return (
        rows.accounts.select("account")
        .join(totals, on="account", how="left")
        .join(burst, on="account", how="left")
        .join(fast, on="account", how="left")
        .join(mutual, on="account", how="left")
        .join(outflow, on="account", how="left")
        .join(to_accounts, on="account", how="left")
        .with_columns(
            pass_through=pl.min_horizontal("paid_sum", "sent_sum") / pl.max_horizontal("paid_sum", "sent_sum", 1e-6),
            fast_out_share=pl.col("fast") / pl.col("paid_sum").clip(lower_bound=1e-6),
            pays_accounts_share=pl.col("n_inner") / pl.col("n_sent"),
        )
        .with_columns(pass_through=pl.when(pl.col("paid_sum") > 0).then("pass_through"))
    )


def _passed_on(received: pl.DataFrame, sent: pl.DataFrame) -> pl.DataFrame:
    """account, fast: what it received and paid out within 48 hours, each amount counted once on either side."""
    both = (
        pl.concat(
            [
                received.select("account", "event_time", came="amount", went=pl.lit(0.0)),
                sent.select("account", "event_time", came=pl.lit(0.0), went="amount"),
            ]
        )
        .group_by("account", "event_time")
        .agg(came=exact_sum(pl.col("came")), went=exact_sum(pl.col("went")))
        .sort("account", "event_time")
    )
    account, time = both["account"].to_numpy(), both["event_time"].dt.epoch("us").to_numpy()
    fast = _match(account, time, both["came"].to_numpy().copy(), both["went"].to_numpy(), 2 * DAY_US)
    return both.select("account", fast=pl.Series(fast)).group_by("account").agg(fast=exact_sum(pl.col("fast")))


@njit(cache=True)
def _match(account: np.ndarray, time: np.ndarray, left: np.ndarray, went: np.ndarray, window: int) -> np.ndarray:
    """Earliest money first: float64 [n], what each outgoing amount takes of what came in the window before it; spends `left`.

    All windows are of one length, so no other order of matching passes on more.
    """
    taken = np.zeros(len(went))
    start = 0
    for row in range(len(went)):
        if row and account[row] != account[row - 1]:
            start = row
        while start < row and (left[start] == 0 or time[row] - time[start] > window):
            start += 1
        place = start
        need = went[row]
        while need > 0 and place <= row:
            part = min(need, left[place])
            left[place] -= part
            need -= part
            taken[row] += part
            place += 1
    return taken


def _peers(edges: pl.DataFrame) -> pl.DataFrame:
    """Against the payers of the same rare payees: are their signups close?"""
    day = pl.col("signup_time").dt.epoch("us") / DAY_US
    peers = edges.filter("rare").select("account", "payee", day=day)
    return (
        peers.join(peers, on="payee", suffix="_b")
        .filter(pl.col("account") != pl.col("account_b"))
        .group_by("account")
        .agg(payees_signup_gap_days=(pl.col("day") - pl.col("day_b")).abs().median())
    )
