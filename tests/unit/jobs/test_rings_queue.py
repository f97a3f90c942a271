"""Who is explained by what it takes: suspected members of the rings that the team can review, ring by ring."""

import numpy as np
import polars as pl

from gnn.rings import MEMBERS_SCHEMA, RINGS_SCHEMA, Rings
from jobs.steps.rings import _queue

NOBODY = pl.Series([], dtype=pl.Int32)


def _rings() -> Rings:
    rows = [dict.fromkeys(RINGS_SCHEMA) | {"cluster": cluster} for cluster in (7, 3, 5)]
    members = {"account": [0, 1, 2, 3, 4, 5], "cluster": [3, 7, 7, 3, 5, 7]}
    return Rings(pl.DataFrame(rows, schema=RINGS_SCHEMA), pl.DataFrame(members, schema=MEMBERS_SCHEMA))


def test_the_queue_is_followed_to_capacity_and_number() -> None:
    scores = np.array([0.9, 0.4, 0.8, 0.3, 0.95, 0.1])
    assert _queue(_rings(), scores, NOBODY, 3, 30).tolist() == [2, 1, 5, 0, 3, 4]
    assert _queue(_rings(), scores, NOBODY, 1, 30).tolist() == [2, 1, 5]
    assert _queue(_rings(), scores, NOBODY, 3, 4).tolist() == [2, 1, 5, 0]
    assert _queue(_rings(), scores, NOBODY, 3, 0).tolist() == []


def test_who_is_confirmed_is_not_explained() -> None:
    scores = np.array([0.9, 0.4, 0.8, 0.3, 0.95, 0.1])
    confirmed = pl.Series([2, 0], dtype=pl.Int32)
    assert _queue(_rings(), scores, confirmed, 3, 2).tolist() == [1, 5]


def test_no_ring_no_queue() -> None:
    nothing = Rings(pl.DataFrame(schema=RINGS_SCHEMA), pl.DataFrame(schema=MEMBERS_SCHEMA))
    assert _queue(nothing, np.array([0.9]), NOBODY, 5, 30).tolist() == []
