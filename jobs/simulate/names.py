"""Made-up names, streets and mail domains.

No list of real people's names is used: a made world must hold nobody's data, and a name must say nothing of where a person
comes from, since that is forbidden as a feature. So names are put together from syllables; a few are frequent and most are
rare, as in life, because how rare a shared name is does matter. Mail domains lie under the reserved `.example`.
"""

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["AREA_CODES", "DOMAINS", "FAMILY_NAMES", "GIVEN_NAMES", "STREETS", "STREET_KINDS", "frequency_of_rank"]


def _scattered(heads: str, *tails: str) -> tuple[str, ...]:
    """All words put together from these parts, in an order in which neighbours do not sound alike."""
    row = ["".join(parts).capitalize() for parts in product(heads.split(), *(tail.split() for tail in tails))]
    return tuple(row[(rank * 7919) % len(row)] for rank in range(len(row)))


GIVEN_NAMES: Final = _scattered(
    "al an bel cor da el fen gil ha is jo kel lo mar ne or pel qui ro sa ti ul vel wen yo za",
    "bea den dia fer la len lin ma mira na nor ra rian ro sa sel ta tor van vin win zel",
)
FAMILY_NAMES: Final = _scattered(
    "ab ban bro cal cha del dor el fal gar gren hal ham jar kel lan lom mar mel nor ol par pen quar ral ros sed sol "
    "tam tor ul val vor wex yar zim",
    "a be de do ga go la li ma mo na ri ro si",
    "by den dor fan han kel ler lo man mer nez rin ron ser ton vek well wick",
)
STREETS: Final = _scattered(
    "alder amber ash bay birch brook cedar clay cliff copper dale elder fern field glen gold hazel hill lake laurel "
    "maple marsh mead mill oak park pine quarry reed ridge river rose sage silver spring stone thorn vale willow",
    "bank bridge brook croft dale field ford gate grove ham hurst land more side view wood",
)
STREET_KINDS: Final = (("Street", "St"), ("Avenue", "Ave"), ("Road", "Rd"), ("Lane", "Ln"), ("Drive", "Dr"))
DOMAINS: Final = tuple(
    f"{name}.example" for name in ("quickpost", "mailwell", "inbox", "letterbox", "netmail", "owlpost", "homewire")
)
AREA_CODES: Final = (
    201, 203, 205, 206, 208, 210, 213, 216, 219, 224, 229, 231, 240, 248, 253, 260, 267, 270, 281, 301, 303, 305, 309,
    313, 316, 320, 325, 330, 334, 347, 352, 360, 402, 405, 408, 412, 417, 423, 430, 440, 443, 478, 502, 505, 508, 513,
    516, 520, 530, 541, 559, 563, 571, 580, 602, 605, 608, 612, 615, 620, 630, 641, 651, 660, 678, 702, 706, 712, 715,
    720, 727, 732, 740, 757, 763, 770, 775, 781, 785, 801, 804, 810, 815, 818, 828, 830, 843, 847, 858, 864, 870,
)  # fmt: skip


def frequency_of_rank(n: int, *, flat: float = 12.0, power: float = 0.85) -> NDArray[np.float64]:
    """The shares of `n` values by rank, heavy-tailed: f64 of shape (n,), their sum is 1."""
    shares = (np.arange(n) + flat) ** -power
    return np.asarray(shares / shares.sum(), dtype=np.float64)
