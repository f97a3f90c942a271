"""Normal forms of mailboxes and phone numbers, and what is said of them without opening them: disposable, by internet."""

from dataclasses import dataclass
from functools import cache

import idna
import phonenumbers
import polars as pl
from disposable_email_domains import blocklist
from phonenumbers.data import _COUNTRY_CODE_TO_REGION_CODE as REGIONS

from graph.normal_text import JUNK, by_value, lowered

__all__ = ["email", "is_disposable_email", "is_voip_phone", "phone"]

JUNK_MAILBOXES = frozenset(text for text in JUNK if " " not in text) | {
    "noreply", "no-reply", "donotreply", "do-not-reply", "no-email", "no.email", "nomail", "user", "username", "name",
    "aa", "aaa", "aaaa", "abc123", "123", "1234", "12345", "123456", "fakeemail", "notavailable", "notprovided",
}  # fmt: skip
NO_MAILBOX = r"""^@|@$|[\s:;,<>"]"""


@dataclass(frozen=True)
class MailProvider:
    """How a provider reads the part before the @, by its own word.

    Attributes:
        domains: its domains; with `is_one_mailbox` they are one, written as the first.
        ignores: characters that make no difference.
        has_tags: what follows a plus goes to the same mailbox.
    """

    domains: tuple[str, ...]
    ignores: str = ""
    has_tags: bool = True
    is_one_mailbox: bool = False


# A provider that is not here keeps dots and tags. To take two people's mailboxes for one ties strangers by the strongest evidence
# there is; to miss that two are one leaves all other evidence standing. Yahoo's tags follow a hyphen that names may have too: left.
MAIL_PROVIDERS = (
    MailProvider(("gmail.com", "googlemail.com"), ignores=".", is_one_mailbox=True),
    MailProvider(("icloud.com", "me.com", "mac.com"), is_one_mailbox=True),
    MailProvider(("proton.me", "protonmail.com", "protonmail.ch", "pm.me"), ignores="._-", is_one_mailbox=True),
    MailProvider(("yandex.ru", "yandex.com", "ya.ru", "yandex.by", "yandex.kz", "yandex.ua"), is_one_mailbox=True),
    MailProvider(
        ("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.fr", "hotmail.de", "hotmail.es", "hotmail.it",
         "live.co.uk", "live.fr", "live.nl", "live.ca", "outlook.fr", "outlook.de", "outlook.es", "outlook.it", "outlook.co.uk",
         "outlook.com.br", "outlook.jp")
    ),
    MailProvider(("fastmail.com", "fastmail.fm", "hey.com", "mailbox.org", "posteo.de", "posteo.net", "zoho.com", "zohomail.com", "runbox.com")),
)  # fmt: skip

FEWEST_PHONE_DIGITS = 6
WORD_NUMBER = r"^\+?[\d\s().-]*\d{3}[\s().-]*[a-z][a-z\s.-]{2,}$"  # 1-800-FLOWERS: the letters of a keypad
FEWEST_WORD_KEYS = 10
KEYPAD = {letter: key for key, letters in zip("23456789", ("abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz"), strict=True) for letter in letters}  # fmt: skip
# a calling code, by its length: no code begins another
CALLING_CODE = r"(?:[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|(?:2[1-689]|3[578]|42|5[09]|6[7-9]|8[035-9]|9[679]|0\d)\d)"
ONE_DIGIT = "|".join(f"{digit}+" for digit in range(10))
# one digit alone, digits in a row, and numbers that the North American plan keeps for fiction
JUNK_PHONE = rf"^(?:\+?{CALLING_CODE})?(?:0*(?:{ONE_DIGIT})|0?123456(?:7(?:8(?:90?)?)?)?|0?9?876543(?:2(?:10?)?)?)$|^\+1\d{{3}}55501\d\d$"


def email(value: pl.Expr) -> pl.Expr:
    """Mailbox in lower case with its domain in ASCII; tags, dots and domains made one where `MAIL_PROVIDERS` says so."""
    return value.map_batches(_emails, return_dtype=pl.String)


def is_disposable_email(value: pl.Expr) -> pl.Expr:
    """Whether the mailbox is at a provider of throw-away mail (package disposable-email-domains), its subdomains included."""
    return value.map_batches(_are_disposable, return_dtype=pl.Boolean)


def phone(value: pl.Expr) -> pl.Expr:
    """E.164 where a country's prefix was written (+ or 00), else the digits as submitted: a country is never guessed.

    Whether the number is in its country's plan is not asked: plans grow, and two accounts agree on it either way.
    """
    return value.map_batches(_phones, return_dtype=pl.String)


def is_voip_phone(value: pl.Expr) -> pl.Expr:
    """Whether the number lies in a range that its country's plan gives to telephony over the internet; most plans have none."""
    return value.map_batches(lambda values: _in_voip_range(_phones(values)), return_dtype=pl.Boolean)


def _emails(values: pl.Series) -> pl.Series:
    text = lowered(values).str.replace(r"^.*<([^<>]*)>$", "${1}").str.replace(r"^(?:[ <>]|mailto:)+", "")
    parts = text.str.extract_groups(r"^(?<box>[^@]+)@(?<domain>[^@]+)$").struct.unnest()
    mail = parts.select(pl.col("box").str.strip_chars(' "'), _ascii_domains(parts["domain"].str.strip_chars("<> ")))
    box, domain = pl.col("box"), pl.col("domain")
    has_tags = [name for provider in MAIL_PROVIDERS if provider.has_tags for name in provider.domains]
    untagged = box.str.replace(r"^([^+]+)\+.*$", "${1}")
    mail = mail.with_columns(box=pl.when(domain.is_in(has_tags)).then(untagged).otherwise(box))
    for provider in MAIL_PROVIDERS:
        if provider.ignores:
            bare = box.str.replace_all(f"[{provider.ignores}]", "")
            mail = mail.with_columns(box=pl.when(domain.is_in(list(provider.domains))).then(bare).otherwise(box))
    first = {name: one.domains[0] for one in MAIL_PROVIDERS if one.is_one_mailbox for name in one.domains}
    is_junk = box.is_in(list(JUNK_MAILBOXES)) | (box + "@" + domain).str.contains(NO_MAILBOX)
    return mail.select(mail=pl.when(~is_junk).then(box + "@" + domain.replace(first)))["mail"]


def _are_disposable(values: pl.Series) -> pl.Series:
    """Asks once for each domain as it was written: there are few."""
    written = values.str.extract(r"@([^@]+)$")
    domains = written.drop_nulls().unique()
    throw_away = domains.filter(pl.Series(map(_is_throw_away, _emails("box@" + domains)), dtype=pl.Boolean))
    return written.is_in(throw_away.implode()).fill_null(False)


def _is_throw_away(mail: str | None) -> bool:
    labels = (mail or "").partition("@")[2].split(".")
    return any(".".join(labels[start:]) in blocklist for start in range(len(labels) - 1))


def _phones(values: pl.Series) -> pl.Series:
    text = lowered(values).str.replace(r"^tel:", "").str.replace(r"[;,\s]*(ext|extension|x)[.:=]?\s*\d+$", "")
    n_keys = text.str.count_matches("[0-9a-z]")
    is_word = (text.str.contains(WORD_NUMBER) & (n_keys >= FEWEST_WORD_KEYS)).fill_null(False)
    if is_word.any():
        text = text.zip_with(~is_word, text.str.replace_many(KEYPAD))
    digits = text.str.replace_all(r"[^0-9]", "")
    has_plus = text.str.contains(r"^[\s(]*\+").fill_null(False)
    dialled = (text.str.contains(r"^[\s(]*00") & ~has_plus).fill_null(False)  # 00 in place of the plus
    # zeros that stand apart are a country's own prefix, written twice: (0)044 668 18 00
    digits = digits.zip_with(~dialled, digits.str.slice(2)).zip_with(
        dialled | has_plus, digits.str.replace("^00+", "0")
    )
    frame = pl.DataFrame({"number": _e164(digits.zip_with(~(has_plus | dialled), "+" + digits))})
    is_junk = pl.col("number").str.contains(JUNK_PHONE) | (pl.lit(digits).str.len_bytes() < FEWEST_PHONE_DIGITS)
    return frame.select(pl.when(~is_junk).then(pl.col("number")))["number"]


def _ascii_domains(domains: pl.Series) -> pl.Series:
    bare = domains.str.replace_all("[。．｡]", ".").str.strip_chars(" .")
    rows = bare.str.contains(r"[^\x00-\x7f]").fill_null(False).arg_true()
    return bare.scatter(rows, by_value(bare.gather(rows), _ascii_domain)) if len(rows) else bare


def _ascii_domain(domain: str) -> str:
    """The domain as the name system holds it (UTS 46); as it is where there can be no such name."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii").strip(".")
    except (idna.IDNAError, UnicodeError):
        return domain


def _e164(numbers: pl.Series) -> pl.Series:
    """Canonical numbers; the library is asked only where it could change something."""
    rows = (numbers.str.starts_with("+") & ~numbers.str.contains(_settled())).fill_null(False).arg_true()
    return numbers.scatter(rows, by_value(numbers.gather(rows), _e164_form)) if len(rows) else numbers


def _e164_form(number: str) -> str:
    """E.164 by the library, again until it rests: a national prefix may stand behind another. Unknown codes stay."""
    while True:
        try:
            form = phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.E164)
        except phonenumbers.NumberParseException:
            return number
        if form == number:
            return number
        number = form


@cache
def _settled() -> str:
    """Matches numbers with + that the library gives back unchanged: their code's plan has no prefix that they begin with.

    Only plans whose prefix is one digit or none are among them; the others' rules are the library's.
    """
    codes = []
    for code, regions in REGIONS.items():
        plan = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, regions[0])
        prefix = plan.national_prefix_for_parsing if plan is not None else ""
        if prefix is None:
            codes.append(rf"{code}[0-9]")
        elif len(prefix) == 1:
            codes.append(f"{code}[{''.join(digit for digit in '0123456789' if digit != prefix)}]")
    return rf"^\+(?:{'|'.join(codes)})[0-9]{{4,11}}$"


@cache
def _voip_ranges() -> str:
    """Matches all numbers that some plan's VOIP range holds; whether they are of that region, the library says."""
    ranges = [
        f"{code}(?:{plan.voip.national_number_pattern})"
        for code, regions in REGIONS.items()
        for region in regions
        if (plan := phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)) is not None
        and plan.voip is not None
        and plan.voip.national_number_pattern
    ]
    return rf"^\+(?:{'|'.join(ranges)})$"


def _in_voip_range(numbers: pl.Series) -> pl.Series:
    found = numbers.str.contains(_voip_ranges()).fill_null(False)
    kinds = by_value(numbers.filter(found), lambda number: "voip" if _is_voip(number) else None)
    return found.scatter(found.arg_true(), kinds.is_not_null())


def _is_voip(number: str) -> bool:
    return bool(phonenumbers.number_type(phonenumbers.parse(number)) == phonenumbers.PhoneNumberType.VOIP)
