"""The picture of a case, drawn as vectors: accounts as discs, shared identifiers as squares, a line for each that holds one."""

from reportlab.graphics.shapes import Circle, Drawing, Line, Rect, String
from reportlab.lib.colors import Color, HexColor

from jobs.casefile.case import Case
from jobs.casefile.layout import MAX_DRAWN, drawn_links, place_nodes
from jobs.casefile.lettering import shown

__all__ = ["draw_case"]

# Told apart by lightness as well as by hue, for whoever sees no red, and on paper without colour.
ROLE_COLOURS = {"suspected": "#b3261e", "confirmed": "#5c0a05", "cleared": "#8fb3d9", "beside": "#d0d0d0"}
LABELLED = 40  # accounts; of more, names would lie on each other


def draw_case(case: Case, width: float, height: float, font: str) -> Drawing | None:
    """The picture in a box of `width` by `height` points; None where there is nothing to draw or too much."""
    links = drawn_links(case)
    if not case.accounts or len(case.accounts) + len(links) > MAX_DRAWN:
        return None
    margin, side = 28.0, min(width, height) - 56.0
    left = (width - side) / 2
    places = {name: (left + x * side, margin + y * side) for name, (x, y) in place_nodes(case).items()}
    drawing = Drawing(width, height)
    for link in links:
        for holder in link.accounts:
            if holder in places:
                drawing.add(Line(*places[holder], *places[link.name], strokeColor=HexColor("#9a9a9a"), strokeWidth=0.5))
    for link in links:
        x, y = places[link.name]
        drawing.add(
            Rect(x - 3, y - 3, 6, 6, fillColor=HexColor("#ffffff"), strokeColor=HexColor("#303030"), strokeWidth=0.8)
        )
        drawing.add(_label(x, y - 10, link.name, font))
    for account in case.accounts:
        x, y = places[account.account_id]
        colour: Color = HexColor(ROLE_COLOURS.get(account.role, ROLE_COLOURS["beside"]))
        drawing.add(Circle(x, y, 4.5, fillColor=colour, strokeColor=HexColor("#303030"), strokeWidth=0.5))
        if len(case.accounts) <= LABELLED:
            drawing.add(_label(x, y + 7, account.account_id, font))
    return drawing


def _label(x: float, y: float, text: str, font: str) -> String:
    return String(
        x, y, shown(text[:24]), fontName=font, fontSize=5.5, textAnchor="middle", fillColor=HexColor("#202020")
    )
