"""Who is one person: accounts whose submitted identities are one person's share a number.

    profiles ── records ── blocks ── candidates ── levels and rarities ── weights (EM) ── bits ── persons

Each arrow is a function of its own module (`graph.identity_*`); all are pure, and a pair's levels are a function of its two records.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graph.identity_blocking import build_blocks, candidates
from graph.identity_clusters import agglomerate, bounded_components, inner_pairs
from graph.identity_comparison import FIELDS, compare_pairs
from graph.identity_records import build_records, encode_records
from graph.identity_weights import Weights, estimate_weights, score_pairs
from graph.snapshot import Events

__all__ = ["LEAST_BITS", "Resolution", "resolve"]

LEAST_BITS = 0.0
CLIP_BITS = 20.0
import time, os
def tick(label, t=[None]):
    if os.environ.get("TICK"):
        now=(time.perf_counter(), time.process_time())
        if t[0]: print(f"  {label:12} wall {now[0]-t[0][0]:.2f} cpu {now[1]-t[0][1]:.2f}")
        t[0]=(time.perf_counter(), time.process_time())

def resolve(events: Events, accounts: pl.DataFrame, weights: Weights | None = None, debug=None):
    tick("start")
    profiles = events["profiles"].join(accounts.select("account", "account_id"), on="account_id")
    records = build_records(profiles)
    tick("records")
    encoded = encode_records(records)
    tick("encode")
    blocks = build_blocks(encoded)
    tick("blocks")
    left, right = candidates(blocks)
    tick("candidates")
    levels, rarities = compare_pairs(encoded, left, right)
    tick("compare")
    if weights is None:
        weights = estimate_weights(encoded, levels)
    tick("weights")
    bits = score_pairs(levels, rarities, weights).total
    tick("score")
    account = encoded.account
    strong = (bits >= LEAST_BITS)
    first = np.searchsorted(account, account)  # an account's first record
    own = np.flatnonzero(first != np.arange(first.shape[0])).astype(np.int32)
    component = bounded_components(
        accounts.height, account[left[strong]], account[right[strong]], bits[strong])
    inner_left, inner_right = inner_pairs(component[account], account)
    lv, rr = compare_pairs(encoded, inner_left, inner_right)
    inner = np.clip(score_pairs(lv, rr, weights).total, -40, CLIP_BITS)
    tick("inner")
    identity = agglomerate(component, account[inner_left], account[inner_right], inner, LEAST_BITS)
    tick("agglomerate")
    if debug is not None:
        debug.update(records=records, left=left, right=right, levels=levels, rarities=rarities, bits=bits, weights=weights, component=component, blocks=blocks, encoded=encoded, inner=(inner_left,inner_right,inner,lv,rr))
    return pl.Series("identity", identity, dtype=pl.Int32), weights
