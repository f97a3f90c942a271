"""An evaluation in tables for a person's eye."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.metrics import CALIBRATED_FROM

__all__ = ["print_evaluation"]

_LOOK: dict[str, Any] = {"title_justify": "left", "box": SIMPLE_HEAD, "padding": (0, 1, 0, 0), "pad_edge": False}
_PARTS = {"unknown_outcome": "outcome not known to the night", "known_outcome": "outcome known to the night"}


def print_evaluation(result: Mapping[str, Any], console: Console) -> None:
    """Prints what `jobs.evaluate.evaluate_night` measured; what it could not measure is named with its reason."""
    accounts, clusters = result["accounts"], result["clusters"]
    console.print(
        f"[bold]Night {result['as_of']}[/bold], model {escape(result['model_version'] or 'none')}; "
        f"{accounts['n_found']:,} of the truth's {accounts['n_truth']:,} accounts are known to it "
        f"({accounts['share_found']:.1%}; the others are left out). Intervals are of 95 %, seed {result['seed']}."
    )
    for remark in result["remarks"]:
        console.print(remark)
    console.print(
        f"{clusters['n_clusters']:,} clusters, {clusters['n_of_two_or_more']:,} of two or more; "
        f"the largest holds {clusters['largest']:,} accounts ({clusters['largest_share']:.2%})."
    )
    if result["scores"]:
        console.print(_score_table(result))
    _print_pairs(result, console)
    if result["groups"]:
        for part, title in _PARTS.items():
            if result["groups"][part]:
                console.print(_group_table(result["groups"][part], title))
    if result["archetypes"]:
        for part, title in _PARTS.items():
            if result["archetypes"][part]:
                console.print(_archetype_table(result["archetypes"][part], title))


def _interval(measure: Mapping[str, Any] | None, percent: bool = False) -> str:
    if measure is None:
        return "not defined"
    shown = "{:.1%}" if percent else "{:.3f}"
    return f"{shown.format(measure['value'])} ({shown.format(measure['low'])} to {shown.format(measure['high'])})"


def _at(measure: Mapping[str, Any] | None) -> str:
    return "not defined" if measure is None else f"{_interval(measure)}, {measure['n_hits']} of {measure['k']}"


def _score_table(result: Mapping[str, Any]) -> Table:
    table = Table("", *_PARTS.values(), title=f"Scores, as of {result['as_of']}", **_LOOK)
    parts = [result["scores"][part] for part in _PARTS]
    table.add_row("accounts", *(f"{part['n_accounts']:,}" for part in parts))
    table.add_row("positives", *(f"{part['n_positives']:,}" for part in parts))
    table.add_row("prevalence", *("-" if part["prevalence"] is None else f"{part['prevalence']:.2%}" for part in parts))
    table.add_row("AUPRC", *(_interval(part["auprc"]) for part in parts))
    table.add_row("AUROC", *(_interval(part["auroc"]) for part in parts))
    table.add_row(
        f"precision at capacity ({result['capacity']})", *(_at(part["precision_at_capacity"]) for part in parts)
    )
    table.add_row("precision at k = positives", *(_at(part["precision_at_n_positives"]) for part in parts))
    table.add_row("calibration", *(_calibration(part["calibration"]) for part in parts))
    return table


def _calibration(measured: Mapping[str, Any] | None) -> str:
    if measured is None:
        return f"no score above {CALIBRATED_FROM}"
    skill, ratio = measured["brier_skill"], measured["ratio"]
    return (
        f"above {measured['above']}: {measured['expected_positives']:.1f} expected, {measured['actual_positives']} actual "
        f"({_interval(ratio)}) of {measured['n_accounts']}; error {measured['ece']:.3f}, Brier skill {'-' if skill is None else f'{skill:.2f}'}"
    )


def _print_pairs(result: Mapping[str, Any], console: Console) -> None:
    rows = [("clusters against planted rings (pairs with a ring account)", result["clusters"]["against_rings"])]
    if result["rings"]:
        rows.append(("`ring_id` against planted rings", result["rings"]["against_planted"]))
    rows.append(("identities against persons", result["identities"]))
    known = [(name, pairs) for name, pairs in rows if pairs]
    if known:
        table = Table("pairs of accounts", "precision", "recall", "F1", "found", "planted", title="Groups", **_LOOK)
        for name, pairs in known:
            shares = (f"{pairs[key]:.3f}" for key in ("precision", "recall", "f1"))
            table.add_row(name, *shares, f"{pairs['n_found_pairs']:,}", f"{pairs['n_planted_pairs']:,}")
        console.print(table)
    if result["rings"]:
        hidden = result["rings"]["hidden"]
        console.print(
            f"{hidden['n_hit']} of {hidden['n_rings']} hidden rings of three or more have half of their hidden members "
            f"among the first {hidden['k']} accounts of no known outcome: {_interval(hidden['share_hit'], percent=True)}."
        )
        cases = result["rings"]["cases"]
        console.print(
            f"Of the first {cases['n_cases']} cases (rings with accounts of no known outcome) {cases['n_right']} are right, most of "
            f"these accounts being planted: {_interval(cases['precision'], percent=True)}. They would stop {cases['n_stopped']:,} of "
            f"{cases['n_hidden']:,} hidden ring accounts."
        )


def _group_table(groups: list[Mapping[str, Any]], title: str) -> Table:
    table = Table(
        "group", "accounts", "positives", "in a suspected ring", "in the first k = positives", "false alarms",
        title=f"Groups, {title}", **_LOOK,
    )  # fmt: skip
    for row in groups:
        table.add_row(
            escape(row["group"]),
            f"{row['n_accounts']:,}",
            f"{row['n_positives']:,}",
            _interval(row["in_a_ring"], percent=True),
            _interval(row["in_top_n_positives"], percent=True),
            _interval(row["false_alarms"], percent=True),
        )
    return table


def _archetype_table(archetypes: list[Mapping[str, Any]], title: str) -> Table:
    table = Table(
        "archetype", "accounts", "recall: in a suspected ring", "recall: in the first k = positives",
        title=f"Kinds of rings, {title}", **_LOOK,
    )  # fmt: skip
    for row in archetypes:
        table.add_row(
            escape(row["archetype"]),
            f"{row['n_accounts']:,}",
            _interval(row["recall_in_a_ring"], percent=True),
            _interval(row["recall_in_top_n_positives"], percent=True),
        )
    return table
