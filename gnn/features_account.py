"""Account behaviour: what one account did, without the graph. The control "without the graph" sees these alone."""

import polars as pl

from gnn.feature_types import DAY_US, Feature, Rows, days_between, exact_mean, exact_sum, in_medians, on_accounts
from graph.normalise import is_disposable_email, is_voip_phone

__all__ = ["COLUMNS", "FEATURES", "build"]


def _declare(*rows: tuple[str, str] | tuple[str, str, float]) -> tuple[Feature, ...]:
    return tuple(Feature(row[0], row[1], "account", row[2] if len(row) == 3 else 0.0) for row in rows)


COLUMNS = {
    "signups": ("referrer_account_id",),
    "profiles": ("email", "phone"),
    "logins": ("is_emulator", "platform"),
    "instruments": ("action", "kind", "instrument_id"),
    "payments": ("counterparty_id", "amount_minor", "currency", "status"),
    "id_checks": ("result", "vendor_score"),
}
FEATURES = _declare(
    ("age_days", "days since signup"),
    ("has_referrer", "opened through another account's referral"),
    ("n_referred", "accounts that it referred"),
    ("n_profiles", "identity submissions and changes"),
    ("has_disposable_email", "submitted a mailbox at a provider of throw-away mail"),
    ("has_voip_phone", "submitted a phone number of a range for telephony over the internet"),
    ("n_logins", "logins"),
    ("logins_per_day", "logins a day since signup"),
    ("n_login_days", "days with a login"),
    ("first_login_hours", "hours from signup to the first login", -1.0),
    ("idle_days", "days since the last login", -1.0),
    ("max_idle_days", "longest time between two logins, days"),
    ("n_logins_first_week", "logins in the first week"),
    ("n_logins_last_week", "logins in the week before the cut-off"),
    ("emulator_share", "share of logins from an emulated device"),
    ("n_platforms", "operating systems used"),
    ("n_instrument_links", "instruments linked"),
    ("n_instrument_unlinks", "instruments unlinked"),
    ("n_prepaid", "prepaid cards linked"),
    ("n_bank_accounts", "bank accounts linked"),
    ("n_credit_cards", "credit cards linked"),
    ("first_instrument_hours", "hours from signup to the first instrument", -1.0),
    ("instrument_span_days", "days between the first and the last instrument linked"),
    ("n_payments", "payments sent"),
    ("payments_per_day", "payments a day since signup"),
    ("reversed_share", "share of payments reversed"),
    ("declined_share", "share of payments declined"),
    ("first_payment_days", "days from signup to the first payment", -1.0),
    ("payment_idle_days", "days since the last payment", -1.0),
    ("max_payment_gap_days", "longest time between two payments, days"),
    ("mean_amount", "mean payment, in medians of its currency"),
    ("max_amount", "largest payment, in medians of its currency"),
    ("sum_amount", "sum of payments, in medians of their currency"),
    ("last_week_amount_share", "share of the sum that was paid in the week before the cut-off"),
    ("burst_amount_share", "share of the sum that left within its busiest 48 hours"),
    ("no_payee_share", "share of payments that name no payee"),
    ("n_id_checks", "identity checks"),
    ("n_id_fails", "identity checks failed"),
    ("n_id_reviews", "identity checks sent to review"),
    ("vendor_score", "mean vendor score of its identity checks", -1.0),
    ("min_vendor_score", "lowest vendor score of its identity checks", -1.0),
    ("first_check_hours", "hours from signup to the first identity check", -1.0),
)


def build(rows: Rows) -> pl.DataFrame:
    """Account i32 and one float32 column a feature of this family, in account order."""
    # profiles first and payments last: the families before and after read them, too (`gnn.features.build_parts`)
    parts = (_profiles(rows), _signups(rows), _logins(rows), _instruments(rows), _checks(rows), _payments(rows))
    return on_accounts(rows.accounts, parts, FEATURES)


def _since_signup(unit_days: float) -> pl.Expr:
    """Of the earliest row; what came up to a day before the signup counts as at once, for below 0 means missing."""
    return days_between(pl.col("event_time"), pl.col("signup_time")).min().clip(lower_bound=0.0) / unit_days


def _longest_gap() -> pl.Expr:
    """Days; the rows are in order of account and time."""
    return pl.col("event_time").diff().max().dt.total_microseconds() / DAY_US


def _signups(rows: Rows) -> pl.DataFrame:
    """An account may have signed up twice: what counts are the accounts that any of its signups names."""
    named = rows.tables["signups"].select(joiner="account", referrer="referrer_account_id").drop_nulls().unique()
    numbers = rows.snapshot.accounts.select("account", referrer="account_id")
    referred = (
        named.join(numbers, on="referrer")
        .filter(pl.col("account") != pl.col("joiner"))
        .group_by("account")
        .agg(n_referred=pl.len())
    )
    return (
        rows.accounts.select("account", age_days=days_between(pl.lit(rows.as_of), pl.col("signup_time")))
        .join(referred, on="account", how="left")
        .with_columns(has_referrer=pl.col("account").is_in(named["joiner"].unique().to_list()))
    )


def _profiles(rows: Rows) -> pl.DataFrame:
    return (
        rows.tables["profiles"]
        .select("account", mail=is_disposable_email(pl.col("email")), phone=is_voip_phone(pl.col("phone")))
        .group_by("account")
        .agg(n_profiles=pl.len(), has_disposable_email=pl.col("mail").any(), has_voip_phone=pl.col("phone").any())
    )


def _logins(rows: Rows) -> pl.DataFrame:
    since = days_between(pl.col("event_time"), pl.col("signup_time"))
    ago = days_between(pl.lit(rows.as_of), pl.col("event_time"))
    age = days_between(pl.lit(rows.as_of), pl.col("signup_time").first())
    return (
        rows.tables["logins"]
        .group_by("account", maintain_order=True)
        .agg(
            n_logins=pl.len(),
            logins_per_day=pl.len() / (age + 1),
            n_login_days=pl.col("event_time").dt.date().n_unique(),
            first_login_hours=_since_signup(1 / 24),
            idle_days=ago.min(),
            max_idle_days=_longest_gap(),
            n_logins_first_week=(since < 7).sum(),
            n_logins_last_week=(ago <= 7).sum(),
            emulator_share=pl.col("is_emulator").fill_null(False).sum() / pl.len(),
            n_platforms=pl.col("platform").drop_nulls().n_unique(),
        )
    )


def _instruments(rows: Rows) -> pl.DataFrame:
    links = rows.tables["instruments"]
    linked = pl.col("action") == "link"

    def distinct(kind: str) -> pl.Expr:
        return pl.col("instrument_id").filter(linked & (pl.col("kind") == kind)).n_unique()

    return links.group_by("account").agg(
        n_instrument_links=linked.sum(),
        n_instrument_unlinks=(~linked).sum(),
        n_prepaid=distinct("prepaid_card"),
        n_bank_accounts=distinct("bank_account"),
        n_credit_cards=distinct("credit_card"),
        first_instrument_hours=_since_signup(1 / 24),
        instrument_span_days=days_between(pl.col("event_time").max(), pl.col("event_time").min()),
    )


def _payments(rows: Rows) -> pl.DataFrame:
    payments = in_medians(rows.tables["payments"])
    ago = days_between(pl.lit(rows.as_of), pl.col("event_time"))
    age = days_between(pl.lit(rows.as_of), pl.col("signup_time").first())
    amount = pl.col("amount")
    total = payments.group_by("account", maintain_order=True).agg(
        n_payments=pl.len(),
        payments_per_day=pl.len() / (age + 1),
        reversed_share=(pl.col("status") == "reversed").sum() / pl.len(),
        declined_share=(pl.col("status") == "declined").sum() / pl.len(),
        first_payment_days=_since_signup(1.0),
        payment_idle_days=ago.min(),
        max_payment_gap_days=_longest_gap(),
        mean_amount=exact_mean(amount),
        max_amount=amount.max(),
        sum_amount=exact_sum(amount),
        last_week=exact_sum(amount.filter(ago <= 7)),
        no_payee_share=pl.col("counterparty_id").is_null().sum() / pl.len(),
    )
    burst = (
        payments.rolling("event_time", period="48h", group_by="account")
        .agg(out=exact_sum(amount))
        .group_by("account")
        .agg(pl.col("out").max())
    )
    floor = pl.col("sum_amount").clip(lower_bound=1e-6)
    return total.join(burst, on="account", how="left").with_columns(
        last_week_amount_share=pl.col("last_week") / floor, burst_amount_share=pl.col("out") / floor
    )


def _checks(rows: Rows) -> pl.DataFrame:
    return (
        rows.tables["id_checks"]
        .group_by("account")
        .agg(
            n_id_checks=pl.len(),
            n_id_fails=(pl.col("result") == "fail").sum(),
            n_id_reviews=(pl.col("result") == "review").sum(),
            vendor_score=exact_mean(pl.col("vendor_score")),
            min_vendor_score=pl.col("vendor_score").min(),
            first_check_hours=_since_signup(1 / 24),
        )
    )
