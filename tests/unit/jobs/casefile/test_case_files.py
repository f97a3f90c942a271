"""The three files of a case: the same facts, the same bytes, and nothing that a spreadsheet would run."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from graph.errors import InputError
from jobs.casefile import Position, consider_innocent, hash_case, render_csv, render_json, render_pdf, sections
from jobs.casefile.layout import MAX_DRAWN, place_nodes
from jobs.casefile.lettering import load_font
from jobs.casefile.picture import draw_case
from jobs.casefile.render_csv import quote_cell
from jobs.casefile.summary import summarise

RENDERERS = [render_json, render_csv, render_pdf]


def cells(rendered: bytes) -> dict[tuple[str, str, str], str]:
    rows = csv.DictReader(io.StringIO(rendered.decode("utf-8-sig"), newline=""))
    return {(row["section"], row["row"], row["field"]): row["value"] for row in rows}


def pdf_words(rendered: bytes) -> str:
    """The texts shown in an uncompressed PDF, without what parts them; characters beyond ASCII are left out."""
    shown = re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", rendered)
    plain = b" ".join(re.sub(rb"\\(\d{3})", b"?", text) for text in shown).decode("latin-1")
    return re.sub(r"\\([()\\])", r"\1", plain)


@pytest.mark.parametrize("render", RENDERERS)
def test_the_same_case_gives_the_same_bytes(case, render):
    assert render(case) == render(replace(case))


@pytest.mark.parametrize("render", RENDERERS)
def test_another_case_gives_other_bytes_and_another_hash(case, render):
    other = replace(case, exported_at=case.exported_at + timedelta(seconds=1))
    assert render(case) != render(other)
    assert hash_case(case) != hash_case(other)


def test_the_same_moment_in_another_zone_is_the_same_case(case):
    away = replace(case, exported_at=case.exported_at.astimezone(timezone(timedelta(hours=5))))
    assert hash_case(away) == hash_case(case)


def test_a_time_without_a_zone_is_refused(case):
    with pytest.raises(InputError, match="exported_at"):
        replace(case, exported_at=datetime(2026, 6, 30))  # noqa: DTZ001


def test_every_file_carries_the_hash_and_says_that_it_is_a_draft(case):
    digest = hash_case(case)
    whole = json.loads(render_json(case))
    assert (whole["sha256"], whole["mark"]) == (digest, "Draft, not a filing")
    table = cells(render_csv(case))
    assert table["Mark", "1", "mark"] == "Draft, not a filing"
    assert digest in table.values()
    pdf = render_pdf(case, is_compressed=False)
    assert f"Draft, not a filing; sha256 {digest}".encode() in pdf
    assert f"sha256 {digest}" in pdf_words(pdf)


def test_the_hash_is_that_of_the_json_case(case):
    import hashlib

    held = json.loads(render_json(case))["case"]
    text = json.dumps(held, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == hash_case(case)


def test_csv_and_pdf_tell_what_the_json_holds(case):
    held = json.loads(render_json(case))["case"]
    table = cells(render_csv(case))
    words = pdf_words(render_pdf(case, is_compressed=False))
    for number, account in enumerate(held["accounts"], start=1):
        assert table["Accounts", str(number), "account id"] == account["account_id"]
        assert table["Accounts", str(number), "role"] == account["role"]
        assert account["account_id"] in words
    for number, link in enumerate(held["links"], start=1):
        assert table["Link evidence", str(number), "name"] == link["name"]
        assert table["Link evidence", str(number), "accounts"] == ", ".join(link["accounts"])
        assert link["name"].split()[1] in words
    assert table["Notes", "1", "text"] == held["notes"][0]["text"]
    assert table["Amounts", "1", "amount minor"] == str(held["amounts"][0]["amount_minor"]) == "431900"
    assert {row["name"] for row in held["explanations"]} == {
        value for (section, _, field), value in table.items() if section.startswith("Innocent") and field == "name"
    }
    for word in ("431900", "confirmed_ring", "ring.view", "looked at the ring", held["config_version"]):
        assert word in words


def test_characters_that_the_font_lacks_are_written_out_in_the_pdf_alone(case):
    words = pdf_words(render_pdf(case, is_compressed=False))
    assert "[U+4E2D]" in words
    assert "中文" in render_json(case).decode()
    assert "中文" in render_csv(case).decode("utf-8-sig")


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=1", "  =1", "＝1", '=HYPERLINK("http://x")']
)
def test_what_a_spreadsheet_would_run_is_quoted(case, text):
    assert quote_cell(text) == f"'{text}"
    note = replace(case.notes[0], text=text)
    table = cells(render_csv(replace(case, notes=(note,))))
    assert table["Notes", "1", "text"] == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=b", "1-2", "acc@example", " plain"])
def test_what_is_no_formula_stays(text):
    assert quote_cell(text) == text


def test_markup_in_a_note_is_text(case):
    note = replace(case.notes[0], text="<b>bold</b> & <font size=99>x</font>")
    words = pdf_words(render_pdf(replace(case, notes=(note,)), is_compressed=False))
    assert "<b>bold</b>&<fontsize=99>x</font>" in words.replace(" ", "")


def test_no_number_that_json_lacks_comes_out(case):
    assert json.loads(render_json(replace(case, score=float("nan"))))["case"]["score"] is None


def test_a_case_with_nothing_in_it_is_still_a_case(case):
    bare = replace(
        case, window=None, score=None, model_version=None, reasons=(), accounts=(), amounts=(), links=(), timeline=(),
        explanations=(), steps=(), verdicts=(), notes=(), audit=(),
    )  # fmt: skip
    assert "No picture" in pdf_words(render_pdf(bare, is_compressed=False))
    assert len(sections(bare)) == len(sections(case))


def test_kept_positions_are_drawn_as_they_lie(case):
    nodes = [account.account_id for account in case.accounts] + [link.name for link in case.links[:2]]
    kept = tuple(Position(node, 10.0 * place, 5.0) for place, node in enumerate(nodes))
    places = place_nodes(replace(case, positions=kept))
    assert places[nodes[0]] == (0.0, 0.5)
    assert places[nodes[-1]] == (1.0, 0.5)
    assert [places[node][0] for node in nodes] == sorted(places[node][0] for node in nodes)


def test_without_all_positions_no_two_nodes_lie_on_one_spot(case):
    some = (Position("acc00", 0.0, 0.0),)
    places = place_nodes(replace(case, positions=some))
    assert places == place_nodes(case)
    assert len(set(places.values())) == len(places) == 8
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in places.values())


def test_hubs_and_what_is_implied_are_neither_drawn_nor_counted(case):
    tower = replace(case.links[0], identifier_type="building", name="building 22bb-33cc", is_joining=False)
    more = replace(case, links=(*case.links, tower))
    assert place_nodes(more) == place_nodes(case)
    answers = dict(summarise(more))
    assert answers["what"].startswith("2 identifiers")
    assert answers["where"] == "1 device, 1 instrument"


def test_a_ring_too_large_for_a_page_is_not_drawn(case):
    many = tuple(replace(case.accounts[1], account_id=f"many{number}") for number in range(MAX_DRAWN + 1))
    assert draw_case(replace(case, accounts=many), 400, 300, load_font()) is None
    assert draw_case(case, 400, 300, load_font()) is not None


def findings(links, n_accounts: int) -> dict[str, str]:
    return {explanation.name: explanation.finding for explanation in consider_innocent(links, n_accounts)}


def test_a_household_speaks_for_itself_only_without_cards_in_common(case):
    at = datetime(2026, 6, 1, tzinfo=UTC)
    home = replace(case.links[0], identifier_type="address", name="address a", first_seen=at)
    assert findings([home], 6)["household"] == "speaks for"
    assert findings([home, case.links[1]], 6)["household"] == "says nothing"
    assert findings([home], 600)["household"] == "speaks against"
    shelter = replace(home, n_holders=200)
    assert findings([shelter], 6)["household"] == "speaks against"
    assert findings([shelter], 6)["dormitory, shelter or public network"] == "speaks for"
    assert findings(case.links, 6)["household"] == "speaks against"


def test_what_many_others_hold_may_be_a_public_place(case):
    tablet = replace(case.links[0], n_holders=300)
    assert findings([tablet], 6)["shop tablet or employer's device"] == "speaks for"
    assert findings(case.links, 6)["shop tablet or employer's device"] == "says nothing"
    street = replace(case.links[0], identifier_type="ip", n_holders=100)
    assert findings([street], 6)["dormitory, shelter or public network"] == "speaks for"


def test_a_device_in_turn_may_be_sold_on_and_one_at_once_is_not(case):
    assert findings(case.links, 6)["refurbished device"] == "speaks against"
    assert findings([replace(case.links[0], is_concurrent=False)], 6)["refurbished device"] == "speaks for"
    assert findings([replace(case.links[0], is_concurrent=None)], 6)["refurbished device"] == "says nothing"


def test_how_many_hold_a_place_is_told_only_where_it_is_known_of_all(case):
    home = replace(case.links[0], identifier_type="address", n_holders=6)
    network = replace(case.links[0], identifier_type="ip", n_holders=None)
    assert findings([home], 6)["dormitory, shelter or public network"] == "speaks against"
    assert findings([home, network], 6)["dormitory, shelter or public network"] == "says nothing"


def test_a_ring_of_many_that_alone_holds_a_device_is_no_shop(case):
    names = tuple(f"acc{number:02d}" for number in range(30))
    farm = replace(case.links[0], accounts=names, n_holders=30)
    assert findings([farm], 30)["shop tablet or employer's device"] == "says nothing"
