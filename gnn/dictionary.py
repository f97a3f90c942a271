"""The list of features as a page, generated from their one declaration."""

from gnn.features import FEATURES
from gnn.near import NEAR
from gnn.reason_codes import CODE_FEATURES, NETWORK_LINKS, WITHOUT_LINKS

__all__ = ["render_features"]


def render_features() -> str:
    """The features as Markdown, by family."""
    lines = [
        "# Features",
        "",
        "Generated from `gnn/features.py` and `gnn/near.py` by `make docs`; `make check` holds it up to date. Every feature of an account counts only what was known",
        "at the cut-off. A person's surname, language, sex, age, country or place is none of them, and no label is.",
    ]
    for family in dict.fromkeys(feature.family for feature in FEATURES):
        own = [feature for feature in FEATURES if feature.family == family]
        lines += ["", f"## {family} ({len(own)})", "", "| feature | meaning | counts | privacy |", "|---|---|---|---|"]
        lines += [
            f"| {feature.name} | {feature.meaning} | {feature.as_of_rule} | {feature.privacy} |" for feature in own
        ]
    lines += [
        "",
        f"## near ({len(NEAR)})",
        "",
        "What a first model, which reads the features above, says of the accounts around; read by the trees that score. A score",
        "of others, of the same cut-off, never an outcome.",
        "",
        "| feature | meaning |",
        "|---|---|",
        *(f"| {feature.name} | {feature.meaning} |" for feature in NEAR),
    ]
    lines += [
        "",
        "## Reasons",
        "",
        "The codes of `reasons.parquet`, and what speaks for each.",
        "",
        "| code | from |",
        "|---|---|",
        *(
            f"| {code} | {len(names)} features: {', '.join(names[:4])}{' ...' if len(names) > 4 else ''} |"
            for code, names in CODE_FEATURES.items()
        ),
        f"| {NETWORK_LINKS} | the links that raise the network's part of the score most |",
        f"| {WITHOUT_LINKS} | the smallest set of its links found without which the account is below the threshold |",
    ]
    return "\n".join(lines) + "\n"
