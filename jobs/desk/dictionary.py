"""The desk's part of the data dictionary, generated from the kinds' declarations."""

from typing import Any

from pydantic import TypeAdapter

from jobs.desk.audit import AUDIT_FILE, HEAD_FILE
from jobs.desk.audit_rows import AuditRow
from jobs.desk.kinds import KINDS
from jobs.desk.positions import POSITIONS, POSITIONS_FOLDER

__all__ = ["render_desk"]


def render_desk() -> str:
    """The desk's logs as Markdown: one part a log, its fields and what they may be."""
    lines = [
        "",
        "## The desk's logs",
        "",
        "`LAKE/desk/<name>.jsonl`, one JSON object a line, only ever added to; from the declarations in `jobs/desk/`. Times are UTC.",
    ]
    for kind in KINDS:
        lines += ["", f"### `{kind.name}.jsonl`", "", f"{kind.meaning[0].upper()}{kind.meaning[1:]}.", ""]
        lines += _fields(kind.adapter)
    lines += [
        "",
        f"### `{AUDIT_FILE}`",
        "",
        f"Who did what; each row is bound to the one before, and `{HEAD_FILE}` seals the last.",
        "",
    ]
    lines += _fields(TypeAdapter(AuditRow))
    lines += [
        "",
        f"### `{POSITIONS_FOLDER}/`",
        "",
        "Where the nodes of rings' pictures lie: one file a ring, replaced whole; no log, and the only part of the desk that may be lost.",
        "",
    ]
    lines += _fields(POSITIONS)
    return "\n".join(lines) + "\n"


def _fields(adapter: TypeAdapter[Any]) -> list[str]:
    schema = adapter.json_schema()
    rows = [f"| {name} | {_words(told, schema.get('$defs', {}))} |" for name, told in schema["properties"].items()]
    return ["| field | what it may be |", "|---|---|", *rows]


def _words(told: dict[str, Any], named: dict[str, Any]) -> str:
    """One field's JSON schema in words."""
    if "$ref" in told:
        return _words(named[told["$ref"].rpartition("/")[2]], named)
    if "enum" in told or "const" in told:
        return ", ".join(told.get("enum", [told.get("const")]))
    if "anyOf" in told:
        return " or ".join(_words(each, named) for each in told["anyOf"])
    if told.get("type") == "array":
        items = told.get("prefixItems")
        inside = ", ".join(_words(each, named) for each in items) if items else _words(told["items"], named)
        return f"list of: {inside}" if items is None else f"[{inside}]"
    kind = str(told.get("format", told.get("type", "any")))
    if "pattern" in told and told["pattern"].startswith("^["):
        return f"{kind} `{told['pattern']}`"
    return f"{kind}, at most {told['maxLength']:,} characters" if "maxLength" in told else kind
