"""Numbers to text: the event tables and the truth of a block as frames in the contract's columns."""

from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graph.schema import TABLES, UTC_TIME
from jobs.simulate.behaviour import CHECKS, INSTRUMENT_KINDS, PLATFORMS, RESULTS, STATUSES, Rows
from jobs.simulate.draft import GROUPS, HOUR, N_EXCHANGES, SHARING, Draft, Ints, Things, flag, mix
from jobs.simulate.names import AREA_CODES, DOMAINS, FAMILY_NAMES, GIVEN_NAMES, STREET_KINDS, STREETS
from jobs.simulate.outcomes import OUTCOMES, SOURCES
from jobs.simulate.population import MAIL_STYLES
from jobs.simulate.rings import ARCHETYPES

__all__ = ["hex_ids", "render_events", "render_truth"]

CHANNELS: Final = ("app", "web", "referral")
COUNTRIES: Final = ("US", "CA", None)
_HEX: Final = np.frombuffer(b"".join(b"%02x" % i for i in range(256)), dtype="<u2")


def hex_ids(values: Things) -> pl.Series:
    """Sixteen hex digits for each u64."""
    digits = _HEX[np.ascontiguousarray(values, dtype=">u8").view(np.uint8)]
    return pl.Series(np.ascontiguousarray(digits).view("S16"), dtype=pl.Binary).cast(pl.String)


def _words(codes: NDArray[Any], words: tuple[str | None, ...]) -> pl.Series:
    return pl.Series(words, dtype=pl.String).gather(codes.astype(np.int64))


def _given_if(values: pl.Series, there: NDArray[np.bool_]) -> pl.Series:
    return pl.select(pl.when(pl.Series(there)).then(values)).to_series()


def render_events(draft: Draft, tables: dict[str, Rows], start: datetime) -> dict[str, pl.DataFrame]:
    """Each table in the contract's columns, rows by time; `start` is the world's start, UTC.

    A few rows of every table become known late; rows that the world's end cut off are not there.
    """
    columns = {
        "signups": _signups,
        "profiles": _profiles,
        "logins": _logins,
        "instruments": _instruments,
        "payments": _payments,
        "id_checks": _id_checks,
        "outcomes": _outcomes,
    }
    frames = {}
    for number, name in enumerate(TABLES):
        rows = tables[name]
        known = rows["known"] if "known" in rows else _known(draft, rows["time"])
        kept = np.flatnonzero((rows["time"] < draft.span) & (known < draft.span))
        kept = kept[np.argsort(rows["time"][kept], kind="stable")]
        rows = {column: values[kept] for column, values in rows.items()}
        serial = (draft.block << 36) + np.arange(len(kept))
        own = {
            "event_id": hex_ids(mix(serial, draft.keys.event + number)),
            "event_time": _times(rows["time"], start),
            "known_time": _times(known[kept], start),
            "account_id": hex_ids(draft.account_ids(rows["account"])),
            **columns[name](draft, rows),
        }
        wanted = {column.name: column.dtype for column in TABLES[name].columns if column.name in own}
        frames[name] = pl.DataFrame(own).select(pl.col(column).cast(dtype) for column, dtype in wanted.items())
    return frames


def _known(draft: Draft, time: Ints) -> Ints:
    """Nearly all events are known at once; some come hours or days late."""
    rng = draft.rng
    late = np.where(rng.random(len(time)) < 0.02, rng.exponential(9.0, len(time)), 0.0)
    return np.asarray(time + (late * HOUR).astype(np.int64))


def _times(time: Ints, start: datetime) -> pl.Series:
    return (pl.Series(time) + int(start.timestamp()) * 1_000_000).cast(UTC_TIME)


def _signups(draft: Draft, rows: Rows) -> dict[str, pl.Series]:
    referrer = hex_ids(draft.account_ids(np.maximum(rows["referrer"], 0)))
    return {
        "channel": _words(rows["channel"], CHANNELS),
        "referrer_account_id": _given_if(referrer, rows["referrer"] >= 0),
        "country": _words(rows["country"], COUNTRIES),
    }


def _profiles(draft: Draft, rows: Rows) -> dict[str, pl.Series]:
    """People write the same thing in different ways: the same for everybody, by chance of each submission."""
    account, style = rows["account"], rows["style"]
    given, family = _words(draft.given[account], GIVEN_NAMES), _words(draft.family[account], FAMILY_NAMES)
    name = given + " " + family
    lower = pl.Series(style * 50 % 1 < 0.03)
    number = pl.Series(np.maximum(rows["national"], 0)).cast(pl.String).str.zfill(9)
    dashed = number.str.slice(0, 3) + "-" + number.str.slice(3, 2) + "-" + number.str.slice(5, 4)
    frame = pl.DataFrame({"name": name, "plain": number, "dashed": dashed, "lower": lower, "style": style})
    written = frame.select(
        name=pl.when("lower").then(pl.col("name").str.to_lowercase()).otherwise("name"),
        number=pl.when(pl.col("style") < 0.2).then("plain").otherwise("dashed"),
    )
    address, postcode = _addresses(draft, rows["home"], style)
    return {
        "full_name": written["name"],
        "birth_date": pl.Series(draft.birth[account]).cast(pl.Int32).cast(pl.Date),
        "national_id": _given_if(written["number"], rows["national"] >= 0),
        "email": _mailboxes(draft, draft.mailbox[account]),
        "phone": _phones(rows["phone"], style),
        "address": address,
        "postcode": postcode,
    }


def _addresses(draft: Draft, home: Ints, style: NDArray[np.float64]) -> tuple[pl.Series, pl.Series]:
    number, street, unit, postcode = (column[home] for column in draft.homes.columns())
    kinds = tuple(word for pair in STREET_KINDS for word in pair)
    written = _words(street % 5 * 2 + (style * 10 % 1 < 0.15), kinds)
    line = pl.Series(number).cast(pl.String) + " " + _words(street // 5 % len(STREETS), STREETS) + " " + written
    flat = pl.Series(np.where(style * 20 % 1 < 0.2, "Unit ", "Apt ")) + pl.Series(unit).cast(pl.String)
    full = pl.select(pl.when(pl.Series(unit > 0)).then(line + " " + flat).otherwise(line)).to_series()
    return full, pl.Series(postcode).cast(pl.String)


def _mailboxes(draft: Draft, owner: Ints) -> pl.Series:
    frame = pl.DataFrame(
        {
            "given": _words(draft.given[owner], GIVEN_NAMES).str.to_lowercase(),
            "family": _words(draft.family[owner], FAMILY_NAMES).str.to_lowercase(),
            "digits": draft.mail_digits[owner],
            "style": _words(draft.mail_style[owner], MAIL_STYLES),
            "domain": _words(draft.mail_domain[owner], DOMAINS),
        }
    )
    local = (
        pl.when(pl.col("style") == "given.family").then(pl.concat_str("given", pl.lit("."), "family"))
        .when(pl.col("style") == "gfamily").then(pl.concat_str(pl.col("given").str.slice(0, 1), "family"))
        .when(pl.col("style") == "given").then(pl.col("given"))
        .when(pl.col("style") == "familyg").then(pl.concat_str("family", pl.col("given").str.slice(0, 1)))
        .otherwise(pl.concat_str("given", pl.lit("_"), "family"))
    )  # fmt: skip
    return frame.select(pl.concat_str(local, "digits", pl.lit("@"), "domain")).to_series()


def _phones(rank: Ints, style: NDArray[np.float64]) -> pl.Series:
    rank = rank % (len(AREA_CODES) * N_EXCHANGES * 10_000)
    area = pl.Series(AREA_CODES).gather(rank // (N_EXCHANGES * 10_000)).cast(pl.String)
    local = pl.Series(rank % (N_EXCHANGES * 10_000) + 2_000_000).cast(pl.String)
    spaced = "+1 " + area + " " + local.str.slice(0, 3) + " " + local.str.slice(3)
    return pl.select(pl.when(pl.Series(style * 30 % 1 < 0.1)).then(spaced).otherwise("+1" + area + local)).to_series()


def _logins(draft: Draft, rows: Rows) -> dict[str, pl.Series]:
    return {
        "device_id": hex_ids(rows["device"]),
        "ip": _given_if(_ips(rows["ip"], rows["device"]), rows["has_ip"]),
        "platform": _words(rows["kind"], PLATFORMS),
        "is_emulator": pl.Series(rows["kind"] >= 4),
    }


def _ips(ip: Things, device: Things) -> pl.Series:
    """IPv4 as four numbers; an IPv6 line gives each of its devices an address of its own within the line's /64."""
    old, inverse = np.unique(np.minimum(ip, np.uint64(2**32 - 1)).astype(np.int64), return_inverse=True)
    parts = [pl.Series(old >> shift & 255).cast(pl.String) for shift in (24, 16, 8, 0)]
    v4 = (parts[0] + "." + parts[1] + "." + parts[2] + "." + parts[3]).gather(inverse)
    is_new = ip >= np.uint64(2**32)
    text = hex_ids(ip[is_new]) + hex_ids(mix(device[is_new] ^ ip[is_new], 0))
    groups = [text.str.slice(at, 4) for at in range(0, 32, 4)]
    v6 = pl.select(pl.concat_str(*groups, separator=":")).to_series()
    return v4.scatter(np.flatnonzero(is_new), v6)


def _instruments(draft: Draft, rows: Rows) -> dict[str, pl.Series]:
    return {
        "instrument_id": hex_ids(rows["instrument"]),
        "kind": _words(rows["kind"], INSTRUMENT_KINDS),
        "action": _words(rows["is_unlink"], ("link", "unlink")),
    }


def _payments(draft: Draft, rows: Rows) -> dict[str, pl.Series]:
    return {
        "counterparty_id": hex_ids(rows["payee"]),
        "instrument_id": _given_if(hex_ids(rows["instrument"]), rows["has_instrument"]),
        "amount_minor": pl.Series(rows["amount"]),
        "currency": _words(np.zeros(len(rows["amount"])), ("USD",)),
        "status": _words(rows["status"], STATUSES),
    }


def _id_checks(draft: Draft, rows: Rows) -> dict[str, pl.Series]:
    return {
        "check": _words(rows["check"], CHECKS),
        "result": _words(rows["result"], RESULTS),
        "vendor_score": _given_if(pl.Series(rows["score"]), rows["has_score"]),
    }


def _outcomes(draft: Draft, rows: Rows) -> dict[str, pl.Series]:
    actor = hex_ids(mix(np.maximum(rows["actor"], 0), draft.keys.event))
    return {
        "outcome": _words(rows["outcome"], OUTCOMES),
        "source": _words(rows["source"], SOURCES),
        "actor": _given_if(actor, rows["actor"] >= 0),
    }


def render_truth(draft: Draft) -> pl.DataFrame:
    """One row an account, by id: who it is, its ring, its group, all that it shares."""
    group = np.zeros(draft.n, dtype=np.int64)
    for code, name in enumerate(GROUPS):
        group[(draft.sharing & flag(name)) != 0] = code
    ring = hex_ids(mix((draft.block << 20) + np.maximum(draft.ring, 0), draft.keys.thing + 1))
    kinds = tuple(kind.name for kind in ARCHETYPES)
    row, kind = np.nonzero((draft.sharing[:, None] >> np.arange(len(SHARING))) & 1)
    sharing = pl.DataFrame({"row": row, "kind": _words(kind, SHARING)}).group_by("row", maintain_order=True).agg("kind")
    in_ring = draft.ring >= 0
    return pl.DataFrame(
        {
            "account_id": hex_ids(draft.account_ids(np.arange(draft.n))),
            "person_id": hex_ids(mix(draft.person + draft.first_account, draft.keys.account + 1)),
            "ring_id": _given_if(ring, in_ring),
            "archetype": _given_if(_words(np.maximum(draft.archetype, 0), kinds), in_ring),
            "group": _words(group, GROUPS),
            "sharing": sharing.sort("row")["kind"],
        }
    ).sort("account_id")
