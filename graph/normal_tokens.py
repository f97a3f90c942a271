"""Normal form of ids that a machine gave: devices, instruments, payees. They are opaque; only what stands for none is known."""

import polars as pl

__all__ = ["token"]

JUNK_TOKENS = (
    "null", "(null)", "nil", "none", "nan", "n/a", "na", "undefined", "unknown", "default", "empty", "-", "--", "?",
    "9774d56d682e549c",  # the id that all devices of one early Android release report
    "02:00:00:00:00:00",  # the network address that Android gives every app
    "004999010640000", "0049990106400000",  # serial numbers that cloned handsets carry
    "012345678912345", "123456789012345",
    "unknown-device", "emulator", "android_id", "device_id",
)  # fmt: skip
ALL_ONE = r"^[{(]?(?:[0:.-]+|(?:[f:-]){8,})[)}]?$"  # zeros, or a full length of f: 0000-..., ff:ff:ff:ff:ff:ff


def token(value: pl.Expr) -> pl.Expr:
    """As it was given, letter by letter; null where software gave nobody's: null, all zeros, a constant of its maker."""
    bare = value.str.strip_chars().str.to_lowercase()
    is_junk = bare.is_in(list(JUNK_TOKENS)) | bare.str.contains(ALL_ONE) | (bare.str.len_bytes() == 0)
    return pl.when(~is_junk).then(value)
