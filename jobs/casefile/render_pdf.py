"""A case as PDF, by reportlab. The same tables as the CSV has, and the picture of the ring."""

import io
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from jobs.casefile.case import Case
from jobs.casefile.facts import MARK, Section, hash_case, sections, text_of
from jobs.casefile.lettering import load_font, shown
from jobs.casefile.picture import draw_case

__all__ = ["render_pdf"]

WIDTH = A4[0] - 36 * mm
# Shares of the width, a time in one line; a section that is not here gives each column as much as another.
WIDTHS: dict[str, tuple[float, ...]] = {
    "Case": (0.25, 0.75),
    "Summary": (0.12, 0.88),
    "Timeline": (0.24, 0.26, 0.5),
    "Notes": (0.24, 0.2, 0.56),
    "Innocent explanations considered": (0.27, 0.17, 0.56),
    "Accounts": (0.18, 0.11, 0.09, 0.07, 0.19, 0.18, 0.18),
    "Link evidence": (0.10, 0.15, 0.21, 0.08, 0.18, 0.18, 0.10),
    "Dispositions": (0.18, 0.12, 0.14, 0.24, 0.10, 0.13, 0.09),
}


def render_pdf(case: Case, *, is_compressed: bool = True) -> bytes:
    """The case as PDF; equal bytes for equal cases.

    Characters that the font lacks stand as `[U+4E2D]`, so no fact is lost; JSON and CSV have them as they are.

    Args:
        is_compressed: False leaves page streams readable.
    """
    stream = io.BytesIO()
    digest = hash_case(case)
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=20 * mm,
        bottomMargin=20 * mm,
        title=shown(f"Case {case.case_id}"),
        author="Ringlight",
        subject=f"{MARK}; sha256 {digest}",
        invariant=1,
        pageCompression=int(is_compressed),
    )
    font = load_font()

    def frame(canvas: Canvas, _: SimpleDocTemplate) -> None:
        canvas.setFont(font, 7)
        canvas.drawString(18 * mm, A4[1] - 13 * mm, f"{MARK}. Case {shown(case.case_id)}"[:110])
        canvas.drawRightString(A4[0] - 18 * mm, 12 * mm, f"page {canvas.getPageNumber()}")
        canvas.drawString(18 * mm, 12 * mm, f"sha256 {digest}")

    document.build(_story(case, font), onFirstPage=frame, onLaterPages=frame)
    return stream.getvalue()


def _story(case: Case, font: str) -> list[Flowable]:
    title = ParagraphStyle("title", fontName=font, fontSize=16, leading=20)
    mark = ParagraphStyle("mark", fontName=font, fontSize=10, leading=14, textColor=HexColor("#b3261e"))
    heading = ParagraphStyle(
        "heading", fontName=font, fontSize=11, leading=14, spaceBefore=8, spaceAfter=3, keepWithNext=1
    )
    plain = ParagraphStyle("plain", fontName=font, fontSize=8, leading=10)
    masked = (
        "Identifiers are masked."
        if case.is_masked
        else "Identifiers are shown as they were submitted: handle as restricted."
    )
    story: list[Flowable] = [
        Paragraph(_markup(f"Case {case.case_id}"), title),
        Paragraph(f"{MARK}. {masked}", mark),
        Paragraph(_markup(f"Ring {case.ring_id} as of {text_of(case.night)}, taken by {case.exported_by}."), plain),
    ]
    for section in sections(case):
        story.append(Paragraph(section.title, heading))
        story.append(_table(section, font, plain))
        if section.title == "Summary":
            drawing = draw_case(case, WIDTH, 105 * mm, font)
            story.append(drawing or Paragraph("No picture: there is nothing to draw, or too much for a page.", plain))
            story.append(Spacer(1, 4 * mm))
    return story


def _table(section: Section, font: str, plain: ParagraphStyle) -> Flowable:
    if not section.rows:
        return Paragraph("None.", plain)
    cell = ParagraphStyle("cell", fontName=font, fontSize=6.5, leading=8, splitLongWords=1)
    shares = WIDTHS.get(section.title, (1 / len(section.columns),) * len(section.columns))
    rows = [section.columns, *section.rows]
    table = LongTable(
        [[Paragraph(_markup(text), cell) for text in row] for row in rows],
        colWidths=[WIDTH * share for share in shares],
        repeatRows=1,
        splitInRow=1,
    )
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), HexColor("#ececec")),
                ("LINEBELOW", (0, 0), (-1, -1), 0.25, HexColor("#b0b0b0")),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("TOPPADDING", (0, 0), (-1, -1), 1.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ]
        )
    )
    return table


def _markup(text: str) -> str:
    return escape(shown(text)).replace("\n", "<br/>")
