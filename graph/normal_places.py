"""Normal forms of where somebody lives and where they connect from."""

import ipaddress

import polars as pl

from graph.normal_text import JUNK, SEPARATOR, by_value, folded, plain

__all__ = ["address", "building", "ip"]

# US Postal Service, publication 28, and the commonest elsewhere; what stands for one thing is written one way
WORDS = {
    "street": "st", "str": "st", "strt": "st", "saint": "st", "avenue": "ave", "av": "ave", "aven": "ave", "avenida": "ave", "avda": "ave",
    "road": "rd", "drive": "dr", "driv": "dr", "lane": "ln", "boulevard": "blvd", "boul": "blvd", "bvd": "blvd", "court": "ct", "crt": "ct",
    "place": "pl", "terrace": "ter", "terr": "ter", "highway": "hwy", "parkway": "pkwy", "pky": "pkwy", "square": "sq", "circle": "cir",
    "trail": "trl", "close": "cl", "crescent": "cres", "gardens": "gdns", "grove": "gr", "mount": "mt", "heights": "hts", "junction": "jct",
    "plaza": "plz", "alley": "aly", "expressway": "expy", "freeway": "fwy", "turnpike": "tpke", "crossing": "xing", "centre": "ctr",
    "center": "ctr", "route": "rte", "fort": "ft", "point": "pt", "ridge": "rdg", "valley": "vly", "village": "vlg", "estate": "est",
    "apartment": "apt", "appartement": "apt", "appt": "apt", "apartamento": "apt", "unit": "apt", "flat": "apt", "suite": "apt", "ste": "apt",
    "no": "apt", "nr": "apt", "num": "apt", "number": "apt", "numero": "apt", "wohnung": "apt", "whg": "apt", "depto": "apt", "dept": "apt", "pmb": "apt",
    "building": "bldg", "bld": "bldg", "floor": "fl", "flr": "fl", "room": "rm", "department": "apt",
    "north": "n", "south": "s", "east": "e", "west": "w", "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
    "first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th", "sixth": "6th", "seventh": "7th", "eighth": "8th",
    "ninth": "9th", "tenth": "10th", "eleventh": "11th", "twelfth": "12th",
}  # fmt: skip
PO_BOX = r"\b(?:p ?o|post office|postal) ?box\b"
UNIT = r"(?:^| )apt [^ \x1f]+"
JUNK_ADDRESSES = JUNK | {
    "homeless", "no fixed abode", "nfa", "address", "home", "street", "st", "123 fake st", "address line 1",
}  # fmt: skip

# IANA's special-purpose registry: nobody is alone behind these, or nobody at all (RFC 6890 and later). A table of our own, since
# Python's changes from release to release
NOT_PUBLIC_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
)  # fmt: skip
PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
NOT_PUBLIC_V6 = tuple(ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20"))
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GROUP = "[0-9a-fA-F]{1,4}"
# whose network is written out as the standard library writes it: no group of it is zero or begins with one; of the rest one run may be left out
PLAIN_V6 = (
    r"^([23][0-9a-fA-F]{3}(?::[1-9a-fA-F][0-9a-fA-F]{0,3}){3}):"
    rf"(?:{_GROUP}(?::{_GROUP}){{3}}|:(?:{_GROUP}(?::{_GROUP}){{0,2}})?|{_GROUP}::(?:{_GROUP}(?::{_GROUP})?)?"
    rf"|{_GROUP}:{_GROUP}::(?:{_GROUP})?|{_GROUP}:{_GROUP}:{_GROUP}::)(?:/64)?$"
)
SPECIAL_V6 = r"^(?:2001:(?:[0-9a-f]{1,2}|1[0-9a-f]{2}|db8):|2002:|3fff:)"  # where `_v6_form` has more to ask
V4 = r"^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$"


def address(text: pl.Expr, postcode: pl.Expr) -> pl.Expr:
    """Words of the address with common ones shortened and the unit last, and the postcode's letters and digits."""
    return pl.struct(text=text, postcode=postcode).map_batches(_addresses, return_dtype=pl.String)


def building(whole: pl.Expr) -> pl.Expr:
    """What `address` gives, without the unit: the same for all who live, or say they live, under one roof.

    Where no number is left ("Hauptstr. Nr. 12", a house by its name) what looks like the unit may be the house, and stays.
    """
    house = whole.str.replace_all(UNIT, "")
    has_street = ~whole.str.contains(r"^ ?apt [^ \x1f]+(?: apt [^ \x1f]+)*\x1f")
    return pl.when(house.str.contains(r"^[^\x1f]*\p{N}")).then(house).when(has_street).then(whole)


def ip(value: pl.Expr) -> pl.Expr:
    """Public IPv4 address, or the /64 of a public IPv6 address (one home or one phone); other ranges link nobody.

    An IPv4 address inside an IPv6 one (mapped, or behind a translator) is that IPv4 address; octets filled up with zeros are decimal.
    """
    return value.map_batches(_ips, return_dtype=pl.String)


def _addresses(both: pl.Series) -> pl.Series:
    text = plain(both.struct.field("text"))
    spaced = (
        text.str.replace_all("'", "")
        .str.replace_all(r"(\d)-([a-z])\b", "${1}${2}")
        .str.replace_all("#", " apt ")
        .str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
        .str.replace_all(PO_BOX, "pobox")
        .str.replace_all(r"(?:strasse|str)\b", "st")
        .str.replace(r"^\s*(?:no|nr|num|number|numero) (\d)", "${1}")
    )
    words = pl.DataFrame({"words": spaced.str.extract_all(r"\S+")}).select(
        pl.col("words").list.eval(pl.element().replace(WORDS)).list.join(" ")
    )["words"]
    units = words.str.replace_all(r"\bapt(?: apt)+\b", "apt")
    unit = units.str.extract_all(r"(?:^| )apt \S+").list.join(" ")
    rest = units.str.replace_all(r"(?:^| )apt \S+", "").str.replace_all(r"(?:^| )apt\b", "").str.strip_chars()
    rest = rest.str.replace_all(PO_BOX, "pobox")  # again: a unit may have stood within
    form = (rest + " " + unit).str.replace_all(" +", " ").str.strip_chars()
    place = (
        folded(folded(both.struct.field("postcode")).str.to_uppercase())
        .str.replace(r"^(\d{5})-\d{4}$", "${1}")
        .str.replace_all(r"[^\p{L}\p{N}]", "")
        .fill_null("")
    )
    is_nothing = (form.str.len_bytes() == 0) | form.is_in(list(JUNK_ADDRESSES)) | text.is_in(list(JUNK_ADDRESSES))
    return (form + SEPARATOR + place).set(is_nothing, None)


def _ips(values: pl.Series) -> pl.Series:
    text = values.str.strip_chars()
    octets = text.str.extract_groups(V4).struct.unnest().cast(pl.Int64)
    octets.columns = ["o1", "o2", "o3", "o4"]
    number = octets["o1"] * 2**24 + octets["o2"] * 2**16 + octets["o3"] * 2**8 + octets["o4"]
    is_public = octets.select(public=pl.all_horizontal(pl.all() <= 255))["public"].fill_null(False)
    for network in NOT_PUBLIC_V4:
        is_public &= ~number.is_between(int(network.network_address), int(network.broadcast_address)).fill_null(False)
    v4 = octets.select(v4=pl.concat_str(pl.all(), separator="."))["v4"]
    is_v6 = text.str.contains(":", literal=True).fill_null(False)
    form = v4.set(~is_public, None)
    return form.scatter(is_v6.arg_true(), _v6_forms(text.filter(is_v6))) if is_v6.any() else form


def _v6_forms(text: pl.Series) -> pl.Series:
    """`_v6_form` of each: where the network is written out in its first four groups, and in no special range, it is these."""
    network = text.str.extract(PLAIN_V6, 1).str.to_lowercase()
    is_plain = (~network.str.contains(SPECIAL_V6)).fill_null(False)
    form = (network + "::/64").set(~is_plain, None)
    return form.scatter((~is_plain).arg_true(), by_value(text.filter(~is_plain), _v6_form))


def _v6_form(text: str) -> str | None:
    try:
        found = ipaddress.IPv6Address(text.removesuffix("/64"))
    except ValueError:
        return None
    inner = found.ipv4_mapped or (ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in NAT64 else None)
    if inner is not None:
        return None if any(inner in network for network in NOT_PUBLIC_V4) else str(inner)
    if found not in PUBLIC_V6 or any(found in network for network in NOT_PUBLIC_V6):
        return None
    if found.sixtofour is not None and any(found.sixtofour in network for network in NOT_PUBLIC_V4):
        return None
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
