"""Names for identifiers that people can tell apart and that tell nothing: `device k3f2-9xq1`."""

import hashlib
import hmac
from collections.abc import Iterable

__all__ = ["mask_of", "name_identifier", "name_identifiers"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no letter that is taken for another
_GROUP = 4
_DIGITS = 8  # 40 bits: of 1,000 identifiers beside each other, two are alike in one case of two million

Identifier = tuple[str, str]


def name_identifier(identifier_type: str, identifier: str, key: bytes, n_digits: int = _DIGITS) -> str:
    """The identifier's name, the same on every page, in every file and on every day.

    Args:
        identifier: hex of the keyed hash.
        key: the console's, so that the name cannot be made from the hash by whoever reads it in the lake.
    """
    mark = hmac.digest(key, f"{identifier_type}\x1f{identifier}".encode(), hashlib.sha256)
    number = int.from_bytes(mark, "big")
    digits = "".join(_ALPHABET[number >> 5 * place & 31] for place in range(n_digits))
    grouped = "-".join(digits[start : start + _GROUP] for start in range(0, n_digits, _GROUP))
    return f"{identifier_type.replace('_', ' ')} {grouped}"


def name_identifiers(identifiers: Iterable[Identifier], key: bytes) -> dict[Identifier, str]:
    """Names of what is shown together, all different: where two would be alike, both get further digits."""
    wanted = dict.fromkeys(identifiers)
    names: dict[Identifier, str] = {}
    for n_digits in range(_DIGITS, 49, _GROUP):
        made = {identifier: name_identifier(*identifier, key, n_digits) for identifier in wanted}
        seen: dict[str, int] = {}
        for name in made.values():
            seen[name] = seen.get(name, 0) + 1
        names |= made
        wanted = {identifier: None for identifier, name in made.items() if seen[name] > 1}
        if not wanted:
            return names
    return names


def mask_of(text: str, key: bytes) -> str:
    """A short keyed mark of a free text, for the audit: the same text has the same mark, and nothing leads back."""
    return hmac.digest(key, b"text\x1f" + text.strip().casefold().encode(), hashlib.sha256).hex()[:16]
