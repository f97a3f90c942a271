"""Normal forms of identifiers, so that two ways to write one thing become one. Normalising twice changes nothing.

Each normaliser takes the source columns of its identifier type as expressions and gives a string, null where there is nothing
to link by: an empty value, or one that people type when they have none ("n/a", 000-00-0000). A new one is one function and its
line in `NORMALISERS`.
"""

import ipaddress
from collections.abc import Callable

import polars as pl

__all__ = ["NORMALISERS", "normalise"]

SEPARATOR = "\x1f"
JUNK = frozenset(
    [
        "test",
        "testing",
        "n/a",
        "na",
        "none",
        "null",
        "nil",
        "unknown",
        "unkown",
        "anonymous",
        "anon",
        "nobody",
        "noname",
        "noemail",
        "no",
        "-",
        "--",
        ".",
        "x",
        "xx",
        "xxx",
        "xxxx",
        "asdf",
        "qwerty",
        "foo",
        "bar",
        "0",
        "00",
        "000",
        "0000",
        "undefined",
        "unavailable",
    ]
)
JUNK_MAILBOXES = frozenset(["test", "noreply", "no-reply", "none", "na", "n/a", "unknown", "noemail", "null", "asdf"])
DIGITS = {chr(zero + digit): str(digit) for zero in (0x0660, 0x06F0, 0x0966) for digit in range(10)}
# providers that ignore dots before the @, by their own word
DOTLESS_DOMAINS = ("gmail.com", "googlemail.com")
STREET_WORDS = {
    "street": "st", "avenue": "ave", "av": "ave", "road": "rd", "drive": "dr", "lane": "ln", "boulevard": "blvd", "court": "ct",
    "place": "pl", "terrace": "ter", "highway": "hwy", "parkway": "pkwy", "square": "sq", "circle": "cir", "trail": "trl",
    "apartment": "apt", "unit": "apt", "flat": "apt", "suite": "apt", "ste": "apt", "no": "apt", "north": "n", "south": "s",
    "east": "e", "west": "w", "saint": "st",
}  # fmt: skip


def normalise(normaliser: str, *columns: pl.Expr) -> pl.Expr:
    """The normal form by the named normaliser, a string or null."""
    return NORMALISERS[normaliser](*columns)


def _plain(value: pl.Expr) -> pl.Expr:
    """Lower case, no accents, one space between words. Marks that are a script's vowels, not accents, stay."""
    bare = value.str.normalize("NFKD").str.replace_all("[\u0300-\u036f]", "").str.normalize("NFC").str.to_lowercase()
    return bare.str.replace_all(r"\s+", " ").str.strip_chars()


def _unless_junk(value: pl.Expr) -> pl.Expr:
    return pl.when((value.str.len_bytes() > 0) & ~value.str.to_lowercase().is_in(list(JUNK))).then(value)


def _opaque(value: pl.Expr) -> pl.Expr:
    """Ids given by a machine: taken as they are."""
    return pl.when(value.str.len_bytes() > 0).then(value)


def _ip(value: pl.Expr) -> pl.Expr:
    """Public IPv4 address, or the /64 of a public IPv6 address (one home or one phone); private ranges link nobody."""
    return value.str.strip_chars().map_batches(_ip_batch, return_dtype=pl.String)


def _ip_batch(values: pl.Series) -> pl.Series:
    unique = values.drop_nulls().unique()
    known = {text: form for text in unique.to_list() if (form := _ip_form(text)) is not None}
    return values.replace_strict(known, default=None, return_dtype=pl.String)


def _ip_form(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.removesuffix("::/64") + "::" if text.endswith("::/64") else text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if not address.is_global or address.is_multicast:  # private, and what carriers share among strangers
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


def _phone(value: pl.Expr) -> pl.Expr:
    """Digits with the country's prefix where one was written (+ or 00), else the digits as submitted."""
    text = (
        value.str.normalize("NFKC")
        .str.replace_many(DIGITS)
        .str.strip_chars()
        .str.replace(r"^(\(?\s*00|\+)\s*", "+")
        .str.replace(r"(?i)(;|,|\s)*(ext|x)\.?\s*\d+$", "")
    )
    digits = text.str.replace_all(r"\D", "")
    is_junk = digits.str.contains(r"^(0+|1+|2+|3+|4+|5+|6+|7+|8+|9+|0?1234567890?|123456789)$") | (
        digits.str.len_bytes() < 6
    )
    return pl.when(~is_junk).then(pl.when(text.str.starts_with("+")).then("+" + digits).otherwise(digits))


def _email(value: pl.Expr) -> pl.Expr:
    """Mailbox without a plus-tag, and without dots where the provider ignores them; lower case."""
    text = value.str.to_lowercase().str.strip_chars()
    domain = text.str.extract(r"@([^@]+)$").str.strip_chars_end(".")
    box = text.str.extract(r"^([^@]+)@").str.replace(r"(.)\+.*$", "${1}")
    box = pl.when(domain.is_in(list(DOTLESS_DOMAINS))).then(box.str.replace_all(r"\.", "")).otherwise(box)
    domain = pl.when(domain == "googlemail.com").then(pl.lit("gmail.com")).otherwise(domain)
    is_junk = box.is_in(list(JUNK_MAILBOXES)) | (box.str.len_bytes() == 0)
    return pl.when(~is_junk).then(box + "@" + domain)


def _national_id(value: pl.Expr) -> pl.Expr:
    """Letters and digits alone, upper case; one repeated digit, or 123456789, is nobody's."""
    text = value.str.to_uppercase().str.replace_all(r"[^\p{L}\p{N}]", "")
    is_repeated = text.str.strip_chars_start("0").str.len_bytes() == 0
    for digit in "123456789":
        is_repeated |= text.str.strip_chars_start(digit).str.len_bytes() == 0
    is_junk = is_repeated | text.is_in(["123456789", "987654321", "0123456789"]) | (text.str.len_bytes() < 4)
    return _unless_junk(pl.when(~is_junk).then(text))


def _person(name: pl.Expr, birth_date: pl.Expr) -> pl.Expr:
    """Name, its words in alphabetical order, with the birth date; null where either is missing."""
    words = _unless_junk(_plain(name)).str.replace_all(r"[^\p{L}\p{M}\p{N} ]", " ")
    ordered = words.str.extract_all(r"\S+").list.sort().list.join(" ")
    return pl.when(ordered.str.len_bytes() > 0).then(ordered + SEPARATOR + birth_date.cast(pl.String))


def _address(address: pl.Expr, postcode: pl.Expr) -> pl.Expr:
    """Words of the address with common street words shortened, and the postcode's letters and digits."""
    spaced = _plain(address).str.replace_all("#", " apt ").str.replace_all(r"[^\p{L}\p{M}\p{N} ]", " ")
    words = spaced.str.extract_all(r"\S+").list.eval(pl.element().replace(STREET_WORDS))
    text = words.list.join(" ").str.replace_all(r"\bapt( apt)+\b", "apt")
    place = postcode.str.to_uppercase().str.replace_all(r"[^\p{L}\p{N}]", "").fill_null("")
    return pl.when(_unless_junk(text).is_not_null()).then(text + SEPARATOR + place)


NORMALISERS: dict[str, Callable[..., pl.Expr]] = {
    "opaque": _opaque,
    "ip": _ip,
    "phone": _phone,
    "email": _email,
    "national_id": _national_id,
    "person": _person,
    "address": _address,
}
