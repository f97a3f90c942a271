"""A network's weights carried over to another training, whose inputs are standardised anew.

What a weight of the first layer means depends on how its input is centred and scaled. Keeping the former standardiser would keep
the meaning, but inputs drift away from it year by year. So the inputs are standardised anew, and the difference is taken into the
first layer: the network computes what it computed before, and its inputs are as a fresh network's.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gnn.tensors import Standardiser

__all__ = ["carry_weights"]

_FIRST_LAYER = "project"
_MOST_RATIO = 4.0  # between two scales of one input
_MOST_SHIFT = 3.0  # between two centres, in scales

Weights = Mapping[str, NDArray[np.float32]]


def carry_weights(weights: Weights, before: Standardiser, after: Standardiser) -> dict[str, NDArray[np.float32]]:
    """The weights under another standardiser: the same function of the raw inputs, but for the clip of far values.

    With an input's log l standardised as z = (l - c) / s before and z' = (l - c') / s' after, z = z' s'/s + (c' - c)/s, so
    each column of the first layer is multiplied by s'/s, and its bias gains the column times (c' - c)/s. Where scales differ
    fourfold or centres by three scales, the former network saw nothing like the input's values now: its column begins at zero.

    Args:
        weights: parameter name to float32 array, of a `gnn.sage.TypedSAGE`.
        before: the standardiser that they were trained under.
        after: the one that they are to go on under.
    """
    old, new = before.scale.astype(np.float64), after.scale.astype(np.float64)
    ratio = new / old
    shift = (after.centre.astype(np.float64) - before.centre) / old
    is_like = (ratio <= _MOST_RATIO) & (ratio >= 1 / _MOST_RATIO) & (np.abs(shift) <= _MOST_SHIFT)
    matrix = weights[f"{_FIRST_LAYER}.weight"].astype(np.float64)
    bias = weights[f"{_FIRST_LAYER}.bias"] + matrix @ np.where(is_like, shift, 0.0)
    return {
        **{name: value.copy() for name, value in weights.items()},
        f"{_FIRST_LAYER}.weight": (matrix * np.where(is_like, ratio, 0.0)).astype(np.float32),
        f"{_FIRST_LAYER}.bias": bias.astype(np.float32),
    }
