"""The typed account-identifier graph as tensors, of one snapshot or of several side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnn.drawing import Draw, stands_for
from graph.numbering import group_rows
from graph.schema import IDENTIFIERS
from graph.snapshot import Snapshot, is_shared

__all__ = ["IDENTIFIER_INPUTS", "Csr", "GraphTensors", "Standardiser", "build_csr", "build_tensors", "with_usage"]

IDENTIFIER_INPUTS: tuple[str, ...] = (
    "log_accounts",
    "log_identities",
    "weight",
    "log_days",
    "log_events",
    "log_per_week",
)
_CLIP = 6.0
_CPU = torch.device("cpu")
_ROWS = 512  # standardised at once: they stay in the cache


class Blocks(Protocol):
    """Rows of features, [n, F], that are asked for in slices: an array, or what makes them anew."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]: ...


class AccountRows(Protocol):
    """What is asked of the accounts' inputs: a tensor, or what makes its rows anew (`StandardisedRows`)."""

    @property
    def shape(self) -> torch.Size: ...

    def __getitem__(self, rows: Any, /) -> Tensor: ...

    def to(self, device: Any, /) -> "AccountRows": ...


@dataclass(frozen=True)
class Csr:
    """A weighted bipartite adjacency by rows, and its transpose for the backward pass.

    Attributes:
        pointer: int32 [n_rows + 1].
        index: int32 [n_edges], columns.
        weight: float32 [n_edges]; the weights of a row and type sum to 1, so that the product is a mean.
        transposed: the same edges by columns; None in a transpose itself.
    """

    pointer: Tensor
    index: Tensor
    weight: Tensor
    transposed: "Csr | None" = None

    def rows(self, begin: int, end: int) -> "Csr":
        """Rows from `begin` to `end` - 1, as views, without a transpose."""
        first, last = int(self.pointer[begin]), int(self.pointer[end])
        pointer = self.pointer[begin : end + 1] - first
        return Csr(pointer, self.index[first:last], self.weight[first:last])

    def take(self, rows: Tensor) -> "Csr":
        """Some rows, int64 [k], one after the other, without a transpose."""
        of, entry = self.entries(rows)
        ends = torch.cumsum(torch.bincount(of, minlength=len(rows)), 0)
        pointer = torch.cat([ends.new_zeros(1), ends]).to(self.pointer.dtype)
        return Csr(pointer, self.index[entry], self.weight[entry])

    def entries(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The entries of some rows, int64 [k], one row after the other: the place in `rows` that each is of, and its own in `index`."""
        size = torch.diff(self.pointer)[rows].long()
        of = torch.repeat_interleave(torch.arange(len(rows)), size)
        before = torch.cumsum(size, 0) - size
        return of, (self.pointer[rows].long() - before)[of] + torch.arange(len(of))

    def to(self, device: torch.device) -> "Csr":
        """The same on a device."""
        other = None if self.transposed is None else self.transposed.to(device)
        return Csr(self.pointer.to(device), self.index.to(device), self.weight.to(device), other)


@dataclass(frozen=True)
class GraphTensors:
    """One or several snapshots as one graph without edges between them.

    Attributes:
        accounts: float32 [n, F], standardised features; of what is not trained on, made anew for every slice of rows.
        identifiers: float32 [m, D], what is known of each shared identifier; sorted by type.
        type_ends: end of each type's rows in `identifiers`, in the order of `graph.schema.IDENTIFIERS`.
        to_identifiers: m by n, the mean over an identifier's accounts.
        to_accounts: n by m, the mean over an account's identifiers of one type, for each type.
        offsets: first account row of each snapshot, and n at the end.
    """

    accounts: AccountRows
    identifiers: Tensor
    type_ends: tuple[int, ...]
    to_identifiers: Csr
    to_accounts: Csr
    offsets: tuple[int, ...]

    def to(self, device: torch.device) -> "GraphTensors":
        """The same on a device."""
        return GraphTensors(
            self.accounts.to(device),
            self.identifiers.to(device),
            self.type_ends,
            self.to_identifiers.to(device),
            self.to_accounts.to(device),
            self.offsets,
        )


@dataclass(frozen=True)
class Standardiser:
    """Signed log, then centre and scale, then a clip: robust to long tails. Fitted on training accounts only.

    Attributes:
        centre, scale: float32 [F].
    """

    centre: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def fit(cls, values: NDArray[np.float32]) -> "Standardiser":
        """Fits mean and deviation of the signed logs, [rows, F]."""
        logs = _signed_log(values).astype(np.float64)
        scale = logs.std(axis=0)
        return cls(logs.mean(axis=0).astype(np.float32), np.where(scale > 1e-6, scale, 1.0).astype(np.float32))

    def equals(self, other: "Standardiser") -> bool:
        """Whether both make the same of any values."""
        return np.array_equal(self.centre, other.centre) and np.array_equal(self.scale, other.scale)

    def apply(self, values: Blocks, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Standardised values, [rows, F], within -6 and 6; in `out`, if it is given."""
        out = np.empty((len(values), len(self.centre)), dtype=np.float32) if out is None else out
        for start in range(0, len(values), _ROWS):
            scaled = _signed_log(values[start : start + _ROWS])
            scaled -= self.centre
            scaled /= self.scale
            np.minimum(scaled, _CLIP, out=scaled)  # np.clip takes twice as long
            np.maximum(scaled, -_CLIP, out=out[start : start + _ROWS])
        return out


@dataclass(frozen=True)
class StandardisedRows:
    """Rows that are standardised when they are asked for: of a large world all at once are gigabytes."""

    values: Blocks
    standardiser: Standardiser
    device: torch.device = _CPU

    @property
    def shape(self) -> torch.Size:
        """[n, F]."""
        return torch.Size((len(self.values), len(self.standardiser.centre)))

    def __getitem__(self, rows: slice, /) -> Tensor:
        return torch.from_numpy(self.standardiser.apply(self.values[rows])).to(self.device)

    def to(self, device: torch.device, /) -> "StandardisedRows":
        """The same for a device."""
        return replace(self, device=device)


def build_tensors(
    parts: Sequence[tuple[Snapshot, Blocks]],
    standardiser: Standardiser,
    draws: Sequence[Draw | None] | None = None,
    *,
    anew: bool = False,
) -> GraphTensors:
    """Tensors of snapshots with their raw features [n_accounts, F], side by side.

    Identifiers that one account alone uses carry no message and are left out, as are hubs; the features count both.

    Args:
        parts: snapshots and features.
        standardiser: of the features.
        draws: of each snapshot who was drawn from its world, None for a whole one; without them all are whole. Where an identifier's
            holders are there in part, those that were not drawn stand for the others in its mean.
        anew: of a single part, make the accounts' rows when they are asked for, and keep none.
    """
    assert not anew or len(parts) == 1
    offsets, links, nodes, start = [0], [], [], 0
    for (snapshot, _), draw in zip(parts, draws or [None] * len(parts), strict=True):
        edge, node = _edges(snapshot, draw)
        links.append(edge.with_columns(account=pl.col("account") + offsets[-1], node=pl.col("node") + start))
        nodes.append(node)
        offsets.append(offsets[-1] + snapshot.accounts.height)
        start += node.height
    node = pl.concat(nodes).with_row_index("node").sort("kind", "node")
    place = np.empty(node.height, dtype=np.int64)
    place[node["node"].to_numpy()] = np.arange(node.height)
    edge = pl.concat(links)
    account, column = edge["account"].to_numpy(), place[edge["node"].to_numpy()]
    kind = node["kind"].to_numpy()
    per_type = account * len(IDENTIFIERS) + kind[column]
    weight = edge["stands_for"].to_numpy()
    inputs = node.select(IDENTIFIER_INPUTS).to_numpy().astype(np.float32)
    return GraphTensors(
        accounts=StandardisedRows(parts[0][1], standardiser) if anew else _all_rows(parts, standardiser, offsets),
        identifiers=torch.from_numpy(inputs),
        type_ends=tuple(int(end) for end in np.searchsorted(kind, np.arange(len(IDENTIFIERS)), side="right")),
        to_identifiers=build_csr(
            column, account, weight / np.bincount(column, weights=weight)[column], node.height, offsets[-1]
        ),
        to_accounts=build_csr(account, column, 1.0 / np.bincount(per_type)[per_type], offsets[-1], node.height),
        offsets=tuple(offsets),
    )


def _all_rows(parts: Sequence[tuple[Snapshot, Blocks]], standardiser: Standardiser, offsets: Sequence[int]) -> Tensor:
    features = np.empty((offsets[-1], len(standardiser.centre)), dtype=np.float32)
    for (_, values), first in zip(parts, offsets, strict=False):
        standardiser.apply(values, features[first : first + len(values)])
    return torch.from_numpy(features)


def with_usage(snapshot: Snapshot) -> pl.DataFrame:
    """The identifiers with what the holders' links of shared ones say together: days f64 from first to last use, events i64; null for others."""
    if "days" in snapshot.identifiers.columns:  # of a part whose links are not all there
        return snapshot.identifiers
    carries = snapshot.identifiers.select(is_shared()).to_series().to_numpy()
    shared = snapshot.links.filter(pl.Series(carries[snapshot.links["identifier"].to_numpy()]))
    seen = shared.group_by("identifier").agg(
        days=(pl.col("last_seen").max() - pl.col("first_seen").min()).dt.total_seconds() / 86400,
        events=pl.col("n_events").sum(),
    )
    return snapshot.identifiers.join(seen, on="identifier", how="left", maintain_order="left")


def _edges(snapshot: Snapshot, draw: Draw | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Links on shared identifiers (account i64, node i64, stands_for f64) and those identifiers (kind i64 and their inputs), dense."""
    kinds = {label: number for number, label in enumerate(IDENTIFIERS)}
    nodes = with_usage(snapshot).filter(is_shared()).sort("identifier")
    links = snapshot.links.join(
        nodes.select("identifier", node=pl.int_range(pl.len())), on="identifier", maintain_order="left"
    ).select(pl.col("account").cast(pl.Int64), "node", stands_for=pl.lit(1.0))
    if draw is not None:
        account, node = links["account"].to_numpy(), links["node"].to_numpy()
        weight = stands_for(account, node, nodes["n_accounts"].to_numpy(), draw.is_drawn)
        links = links.with_columns(stands_for=pl.Series(weight))
    accounts = pl.col("n_accounts").cast(pl.Float64)
    inputs = nodes.select(
        kind=pl.col("identifier_type").replace_strict(kinds, return_dtype=pl.Int64),
        log_accounts=accounts.log1p(),
        log_identities=pl.col("n_identities").cast(pl.Float64).log1p(),
        weight=pl.col("weight") / 8,
        log_days=pl.col("days").log1p() / 2,
        log_events=(pl.col("events") / accounts).log1p(),
        log_per_week=(accounts / (pl.col("days") / 7 + 1)).log1p(),
    )
    return links, inputs


def build_csr(
    row: NDArray[np.int64], column: NDArray[np.int64], weight: NDArray[np.float64], n_rows: int, n_columns: int
) -> Csr:
    """Weighted edges by rows, each row's columns ascending, with their transpose. O(n_edges), by counting sorts."""
    first, second = row.astype(np.int32), column.astype(np.int32)

    def half(major: NDArray[np.int32], minor: NDArray[np.int32], n: int, n_minor: int, other: Csr | None) -> Csr:
        by_minor = group_rows(minor, n_minor)[1]
        pointer, place = group_rows(major[by_minor], n)
        order = by_minor[place]
        return Csr(
            torch.from_numpy(pointer.astype(np.int32)),
            torch.from_numpy(minor[order]),
            torch.from_numpy(weight[order].astype(np.float32)),
            other,
        )

    return half(first, second, n_rows, n_columns, half(second, first, n_columns, n_rows, None))


def _signed_log(values: NDArray[np.float32]) -> NDArray[np.float32]:
    logs: NDArray[np.float32] = np.abs(values)
    np.log1p(logs, out=logs)
    return np.copysign(logs, values, out=logs)
